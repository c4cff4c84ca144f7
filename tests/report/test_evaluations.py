"""Evaluations in `jobs.compare` and on the page of `jobs.report`."""

from __future__ import annotations

import csv
from pathlib import Path

import orjson
import pytest

from omi_core.evaluate.outcome import read_outcome
from omi_core.evaluate.pairs import pairs_of
from tests.conftest import Here
from tests.jobs.evaluating import REHEARSED, benchmark, sums


@pytest.fixture
def two(here: Here, tmp_path: Path) -> Here:
    """Two evaluations of one set, of which the second is clearly worse, and one of another set."""
    first, other = (
        benchmark(tmp_path, "first", sums(60), "level: level"),
        benchmark(tmp_path, "other", sums(9)),
    )
    for name, words in {
        "good": (f"benchmarks=[{first}]", "teacher.rehearsal.wrong=0.1"),
        "bad": (f"benchmarks=[{first}]", "teacher.rehearsal.wrong=0.6"),
        "apart": (f"benchmarks=[{other}]",),
    }.items():
        assert here("evaluate", *REHEARSED, *words, "samples=5", f"run.dir=runs/{name}")[0] == 0
    return here


def test_compare_says_which_differences_are_resolved(two: Here, tmp_path: Path) -> None:
    code, out, _ = two("compare", "runs/good", "runs/bad")
    assert code == 0 and "evaluated" in out and "published" not in out
    (line,) = [line for line in out.splitlines() if "pass@1 " in line and "worse" in line]
    assert "first" in line and "-" in line and "not resolved" not in line
    good, bad = (read_outcome(tmp_path / f"runs/{name}/evaluation") for name in ("good", "bad"))
    single, voted = pairs_of(good, bad)
    assert (single.metric, voted.metric, single.problems) == ("pass@1", "maj@5", 60)
    assert single.difference.high < 0 and single.difference.lost > single.difference.gained
    for pair in pairs_of(good, good):
        assert pair.difference.value == 0 and pair.told.endswith(": not resolved")


def test_the_files_of_compare_hold_the_differences(two: Here, tmp_path: Path) -> None:
    runs = ("runs/good", "runs/bad", "runs/apart")
    assert two("compare", *runs, "json=both.json", "csv=both.csv")[0] == 0
    found = orjson.loads((tmp_path / "both.json").read_bytes())
    assert ["differences" in row for row in found] == [False, True, False]
    good, bad = (read_outcome(tmp_path / f"runs/{name}/evaluation") for name in ("good", "bad"))
    pairs = list(pairs_of(good, bad))
    for written, pair in zip(found[1]["differences"], pairs, strict=True):
        assert (written["benchmark"], written["metric"]) == (pair.benchmark, pair.metric)
        assert written["difference"] == round(pair.difference.value, 6) and written["problems"] == 60
        assert written["low"] <= written["difference"] <= written["high"] < 0
        assert (written["better"], written["worse"]) == (pair.difference.gained, pair.difference.lost)
        assert written["resolved"] is True
    with (tmp_path / "both.csv").open() as file:
        lines = list(csv.DictReader(file))
    names = [name for name in lines[0] if name.startswith("first.")]
    assert len(names) == 2 * 7 and list(lines[0])[-14:] == names
    assert [line["first.maj@5.resolved"] for line in lines] == ["", "true", ""]
    assert float(lines[1]["first.pass@1.difference"]) == round(pairs[0].difference.value, 6)


def test_status_calls_a_finished_evaluation_evaluated(two: Here) -> None:
    code, out, _ = two("status", "runs/good")
    assert code == 0 and "runs/good: evaluated" in out and "evaluation" in out and "published" not in out
    assert orjson.loads(two("status", "runs/good", "json=true")[1])[0]["state"] == "evaluated"


def test_evaluations_without_a_common_set_are_not_compared(two: Here) -> None:
    out = two("compare", "runs/good", "runs/apart")[1]
    assert "first" in out and "other" in out and "worse" not in out


def test_compare_takes_evaluations_beside_runs(two: Here) -> None:
    assert two("generate", *REHEARSED, "data.size=4", "run.dir=runs/made")[0] == 0
    code, out, _ = two("compare", "runs", "json=true")
    assert code == 0 and {row["task"] for row in orjson.loads(out)} == {"evaluations", "solutions"}
    assert two("report", "runs", "out=page.html")[0] == 0


def test_the_page_has_bars_curves_differences_and_samples_of_each_kind(two: Here, tmp_path: Path) -> None:
    assert two("report", "runs/good", "runs/bad", "out=page.html", "rows=1")[0] == 0
    page = (tmp_path / "page.html").read_text()
    for words in (
        "A single sample is right (pass@1)",
        "The vote among all samples is right",
        "first: over k samples",
        "Against wrong=0.1",
        "By level and subject",
    ):
        assert f"<h3>{words}</h3>" in page
    for kind in ("right", "wrong", "unfinished", "none"):
        assert f"sample 0: {kind};" in page or f": {kind}; " in page
    assert "What is 0 + 3?" in page


def test_a_damaged_evaluation_is_a_failure_told_in_one_line(two: Here, tmp_path: Path) -> None:
    (tmp_path / "runs/good/evaluation/evaluation.json").write_text("{}")
    for command in ("compare", "report"):
        code, _, err = two(command, "runs/good")
        assert code == 1 and err.count("\n") == 1 and "score the run again" in err
