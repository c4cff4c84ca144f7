"""A run of scores of an evaluation tells what the scores choose: rm@k beside pass@k and maj@k."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.evaluate.outcome import read_outcome
from omi_core.stages.best_of_samples import show_best_of_samples
from omi_core.stages.run import open_run
from omi_core.store.layout import Layout
from tests.conftest import Here
from tests.jobs.evaluating import REHEARSED, benchmark, sums

EVALUATE = ("evaluate", *REHEARSED, "benchmarks=[mine.yaml]", "samples=4", "teacher.rehearsal.wrong=0.5")
SCORE = ("score", *REHEARSED, "input=run", "run.dir=scores", "teacher.rehearsal.wrong=0.1")


def done(here: Here, *words: str) -> str:
    code, out, err = here(*words)
    assert code == 0, out + err
    return out


@pytest.fixture
def told(here: Here, tmp_path: Path) -> str:
    """An evaluation and its scores, and what was printed of them."""
    benchmark(tmp_path, "mine", sums(12), "level: level")
    done(here, *EVALUATE, "run.dir=run")
    return done(here, *SCORE)


def figures(directory: Path) -> dict[tuple[Any, ...], Any]:
    return {(each.group, each.metric, each.k): each for each in read_outcome(directory).figures}


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_figures_are_those_that_the_evaluation_makes_of_the_scores(
    here: Here, tmp_path: Path, told: str
) -> None:
    for name in ("pass@1 %", "maj@4 %", "pass@4 %", "rm@4 %", "weighted@4 %", "pairs in order %"):
        assert name in told, told
    done(here, *EVALUATE, "run.dir=run", "scores=scores")
    found = figures(tmp_path / "scores/scored")
    assert found == figures(tmp_path / "run/scored-scores")
    plain = figures(tmp_path / "run/evaluation")
    assert {key: found[key] for key in plain} == plain and len(found) > len(plain)
    ranked = found[None, "best", 4]
    assert ranked.low < found[None, "pass", 1].value < ranked.value < ranked.high
    assert 0.7 < found[None, "in_order", None].value < 1
    assert "| mine | 12 |" in (tmp_path / "scores/scored/README.md").read_text()


def test_status_and_page_show_them(here: Here, tmp_path: Path, told: str) -> None:
    shown = done(here, "status", "scores")
    assert "scores: published" in shown and "rm@4 %" in shown and "samples with a score" in shown
    done(here, "report", "scores", "out=page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("The best sample by score is right", "rm@k", "maj@k", "pass@k", "mine: over k samples"):
        assert words in page


def test_they_are_made_again_where_they_are_gone_and_not_where_they_are_there(
    here: Here, tmp_path: Path, told: str
) -> None:
    place = tmp_path / "scores/scored"
    before = files_in(place)
    made = (place / "stats.json").stat().st_mtime_ns
    assert "rm@4 %" in done(here, *SCORE)
    assert (place / "stats.json").stat().st_mtime_ns == made
    (place / "evaluation.json").write_text("{")  # files that are cut short are not whole
    (place / "problems.jsonl").unlink()
    assert "rm@4 %" in done(here, *SCORE)
    assert files_in(place) == before
    shutil.rmtree(place)
    assert "rm@4 %" in done(here, *SCORE) and files_in(place) == before
    (tmp_path / "run").rename(tmp_path / "away")
    assert here("status", "scores")[0] == 0 and files_in(place) == before


def test_an_evaluation_of_other_samples_is_told_of_and_the_scores_stand(
    tmp_path: Path, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a job finds it that publishes the scores: jobs.score itself would refuse such an input."""
    path = tmp_path / "run/evaluation/problems.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    other = orjson.loads(lines[3])
    other["verdicts"][other["verdicts"].index("right")] = "wrong"
    more = orjson.loads(lines[0]) | {"record_id": "f" * 32}
    rows = [orjson.dumps(each) + b"\n" for each in (other, more)]
    for changed in ([*lines[:3], rows[0], *lines[4:]], lines[1:], [*lines, rows[1]], [*lines, b"{}\n"]):
        path.write_bytes(b"".join(changed))
        shutil.rmtree(tmp_path / "scores/scored", ignore_errors=True)
        capsys.readouterr()
        show_best_of_samples(open_run(Layout(tmp_path / "scores")))
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith("warning: no figures by score: ") and "score" in line
        assert not (tmp_path / "scores/scored").exists()


def test_scores_of_a_run_of_solutions_make_none(here: Here, tmp_path: Path) -> None:
    done(here, "generate", *REHEARSED, "data.size=4", "samples=3", "run.dir=run")
    assert "rm@" not in done(here, *SCORE)
    assert not (tmp_path / "scores/scored").exists()
