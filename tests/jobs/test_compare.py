"""The command `jobs.compare`, and how commands that look at runs take their arguments."""

from __future__ import annotations

import csv
from pathlib import Path

import orjson
import pytest

from omi_core.store.files import write_json
from tests.conftest import Here

REHEARSAL = ("teacher=rehearsal", "data.size=20", "cluster.workers=1")


@pytest.fixture
def sweep(here: Here) -> None:
    """runs/votes with a run for samples=1 and samples=3."""
    assert here("generate", "-m", *REHEARSAL, "samples=1,3", "run.root=runs/votes")[0] == 0


MISTAKES = [
    ([], "RUN: missing; give a run directory"),
    (["nowhere"], "nowhere: no such run; give a run directory"),
    (["mien"], "mien: no such run (did you mean mine?)"),
    (["x*"], "x*: no such run"),
    (["empty"], "empty: neither a run (it has no plan.json) nor a folder that holds runs"),
    (["mine", "jsn=true"], "jsn: no such option (did you mean json?)"),
    (["mine", "--json"], "--json: no such flag; options are NAME=VALUE"),
    (["mine", "csv=true", "json=true"], "csv=true json=true: both would go to stdout"),
    (["mine", "csv=no/where.csv"], "no/where.csv: not a file that can be written"),
    (["broken"], "runs/broken/plan.json: not a plan this version can read"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(a) or "none" for a, _ in MISTAKES])
def test_a_mistake_is_one_line_with_exit_code_2(
    here: Here, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("mine", "broken"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        write_json(tmp_path / "runs" / name / "plan.json", {})
    code, out, err = here("compare", *arguments)
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert (code, out) == (2, "")


@pytest.mark.usefixtures("sweep")
def test_a_sweep_is_a_row_per_cell_led_by_what_differs(here: Here) -> None:
    code, out, err = here("compare", "runs/votes")
    assert (code, err) == (0, "")
    header, *rows = [line.split() for line in out.splitlines() if "published" in line or " stage " in line]
    assert header[0] == "samples"
    columns = "stage coverage single voted agree each kept rows /s hours per row"
    assert " ".join(header[1:]) == columns
    # Runs stand in the order of their names, which end in a fingerprint.
    assert sorted(row[:3] for row in rows) == [["1", "published", "100.0%"], ["3", "published", "100.0%"]]
    assert "no GPU took part" in out
    assert "rehearsals measure the suite" in out


@pytest.mark.usefixtures("sweep")
def test_files_hold_the_figures_of_stats_json(here: Here, tmp_path: Path) -> None:
    assert here("compare", "votes", "csv=a.csv", "json=a.json")[0] == 0
    code, out, _ = here("compare", "votes", "json=true")
    rows = orjson.loads((tmp_path / "a.json").read_bytes())
    assert orjson.loads(out) == rows
    with (tmp_path / "a.csv").open() as file:
        table = list(csv.DictReader(file))
    for row, line in zip(rows, table, strict=True):
        stats = orjson.loads((tmp_path / row["directory"] / "dataset/stats.json").read_bytes())
        assert row["rows"] == stats["rows"] == int(line["rows"])
        assert row["content_hash"] == stats["content_hash"]
        assert row["options"] == {"samples": int(line["samples"]) // 20}
        truth = stats["counts"]["truth"]
        assert row["single_accuracy"] == truth["equal"] / truth["samples"]


@pytest.mark.usefixtures("sweep")
def test_a_run_is_named_by_its_path_its_name_a_folder_or_a_glob(here: Here, tmp_path: Path) -> None:
    first, second = sorted((tmp_path / "runs/votes").iterdir())
    for words, expected in [
        ([f"runs/votes/{first.name}"], [first]),
        ([first.name, "root=runs/votes"], [first]),
        (["votes"], [first, second]),
        ([str(tmp_path / "runs/votes")], [first, second]),
        (["votes/*"], [first, second]),
        (["runs/vo*"], [first, second]),
        ([f"votes/*{second.name[-3:]}", "votes"], [second, first]),
        (["--", "votes"], [first, second]),
    ]:
        code, out, err = (
            here("compare", *words, "json=true")
            if "--" not in words
            else here("compare", "json=true", *words)
        )
        assert code == 0, err
        assert [row["run"] for row in orjson.loads(out)] == [run.name for run in expected], words


def test_a_run_moved_aside_is_compared_only_when_named(here: Here) -> None:
    for _ in range(2):
        assert here("generate", *REHEARSAL, "samples=1", "run.dir=runs/a", "run.fresh=true")[0] == 0
    for words, expected in [(["runs"], ["a"]), (["a", "a.old-1"], ["a", "a.old-1"])]:
        _, out, _ = here("compare", *words, "json=true")
        assert [row["run"] for row in orjson.loads(out)] == expected


def test_solutions_from_elsewhere_have_no_coverage_and_no_hours(here: Here, tmp_path: Path) -> None:
    lines = [{"problem": "1+1?", "generated_solution": f"It is \\boxed{{{n}}}."} for n in (2, 2, 3)]
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    assert here("reduce", "input=in.jsonl", "run.dir=runs/r", "cluster.workers=1")[0] == 0
    _, out, _ = here("compare", "r", "json=true")
    (row,) = orjson.loads(out)
    assert row["agreement"] == pytest.approx(2 / 3, abs=1e-6)
    for name in ("coverage", "task_hours", "gpu_hours", "tokens_per_solution", "single_accuracy"):
        assert row[name] is None
    code, out, _ = here("compare", "r")
    assert code == 0
    assert "-" in out.splitlines()[-2].split()


def test_dialogues_are_compared_and_shown_by_their_tokens(here: Here, tmp_path: Path) -> None:
    for style in ("debate", "interview"):
        options = ("task=dialogues", f"style={style}", f"run.dir=runs/{style}")
        assert here("generate", *REHEARSAL, *options)[0] == 0
    code, out, _ = here("compare", "runs")
    assert code == 0
    assert "tokens" in out and not {"single", "voted", "agree"} & set(out.split())
    rows = orjson.loads(here("compare", "runs", "json=true")[1])
    for row, style in zip(rows, ("debate", "interview"), strict=True):
        stats = orjson.loads((tmp_path / f"runs/{style}/dataset/stats.json").read_bytes())
        assert row["options"] == {"style": [style]}
        assert row["tokens"] == stats["tokens"]
        assert f"{stats['rows']:,} rows, {stats['tokens']:,} tokens" in here("status", f"runs/{style}")[1]


def test_help_shows_every_option(here: Here) -> None:
    code, out, _ = here("compare", "--help")
    assert code == 0
    for word in ("root=runs", "csv=null", "json=null", "RUN", "python -m jobs.compare"):
        assert word in out
