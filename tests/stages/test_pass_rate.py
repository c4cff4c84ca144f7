"""The share of right samples of a problem: as a column, as a filter, and as the input of a second run."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as parquet
import pytest

from omi_core import open_run
from omi_core.config import load_generate
from omi_core.options import ConfigError
from omi_core.publish.verify import verify
from omi_core.stages.local import run_locally
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop

SAMPLES = 8


def made(directory: Path, **values: Any) -> Run[Any]:
    base: dict[str, Any] = {
        "run": {"dir": str(directory)},
        "teacher": {
            "name": "rehearsal",
            "kind": "rehearsal",
            "model": "rehearsal",
            "rehearsal": {"wrong": 0.5},
        },
        "data": {"size": 40, "split": "test", "answer": "answer"},
        "samples": SAMPLES,
        "publish": {"pass_rate": True},
        "cluster": {"workers": 1},
    }
    for key, value in values.items():
        base[key] = base.get(key, {}) | value if isinstance(value, dict) else value
    run = plan_generate(load_generate(base))
    run_locally(run, Stop())
    return run


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Run[Any]:
    """A run with every right sample as a row: no filter takes one away."""
    return made(tmp_path_factory.mktemp("runs") / "solved", filters={"wrong_arithmetic": False})


def rates(run: Run[Any]) -> dict[str, float]:
    """RECORD -> share of its samples that are right, from their texts."""
    records = {record.ordinal: record for record in open_run(run.layout.root).records()}
    right: Counter[str] = Counter()
    for sample in open_run(run.layout.root).samples():
        record = records[sample.ordinal]
        right[record.id] += f"\\boxed{{{record.expected_answer}}}" in sample.text
    return {record.id: right[record.id] / SAMPLES for record in records.values()}


def test_the_column_is_the_share_of_right_samples(solved: Run[Any]) -> None:
    expected = rates(solved)
    rows = list(open_run(solved.layout.root).rows())
    assert rows and {row["pass_rate"] for row in rows} > {0.25, 0.5}
    assert {row["record_id"]: row["pass_rate"] for row in rows} == {
        name: rate for name, rate in expected.items() if rate
    }
    verify(solved.layout.dataset)


def test_without_a_ground_truth_there_is_no_pass_rate(tmp_path: Path) -> None:
    run = made(tmp_path / "run", data={"answer": None, "size": 10})
    assert {row["pass_rate"] for row in open_run(run.layout.root).rows()} == {None}


@pytest.mark.parametrize(
    ("bounds", "reasons"),
    [
        ({"min_pass_rate": 0.5}, ["too_hard"]),
        ({"max_pass_rate": 0.5}, ["too_easy"]),
        ({"min_pass_rate": 0.3, "max_pass_rate": 0.6}, ["too_easy", "too_hard"]),
    ],
    ids=str,
)
def test_problems_outside_the_bounds_are_dropped_and_counted(
    tmp_path: Path, solved: Run[Any], bounds: dict[str, float], reasons: list[str]
) -> None:
    run = made(tmp_path / "run", answers=bounds, filters={"wrong_arithmetic": False})
    least, most = bounds.get("min_pass_rate", 0), bounds.get("max_pass_rate", 1)
    wanted = [row for row in open_run(solved.layout.root).rows() if least <= row["pass_rate"] <= most]
    assert list(open_run(run.layout.root).rows()) == wanted
    stats = open_run(run.layout.root).stats
    assert stats is not None
    assert [name for name in ("too_easy", "too_hard") if stats["counts"]["selection"].get(name)] == reasons


@pytest.mark.parametrize("bounds", [[0, 0.3], [0.4, 0.6], [0.7, 1]])
def test_a_second_run_takes_the_problems_that_were_too_hard(
    tmp_path: Path, solved: Run[Any], bounds: list[float]
) -> None:
    data = {"origin": "file", "path": str(solved.layout.root), "pass_rate": bounds}
    run = made(tmp_path / "second", data=data, seed=1)
    expected = {name for name, rate in rates(solved).items() if bounds[0] <= rate <= bounds[1]}
    again = list(open_run(run.layout.root).records())
    assert {record.id for record in again} == expected
    assert [record.ordinal for record in again] == list(range(len(again)))
    left_out = run.plan.skipped["pass_rate"]
    assert left_out == 40 - len(again)


def test_the_column_is_kept_where_datasets_are_combined(tmp_path: Path, solved: Run[Any]) -> None:
    words = [f"inputs=[{solved.layout.root}]", "publish.provenance=true", f"run.dir={tmp_path / 'all'}"]
    done = subprocess.run([sys.executable, "-m", "jobs.combine", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "all/dataset/data").glob("*.parquet")
    rows = parquet.read_table(file, columns=["pass_rate"]).to_pylist()
    assert rows == [{"pass_rate": row["pass_rate"]} for row in open_run(solved.layout.root).rows()]
    asked = [sys.executable, "-m", "jobs.combine", *words, "publish.pass_rate=true"]
    refused = subprocess.run(asked, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "publish.pass_rate: not read by jobs.combine, which keeps the column" in refused.stderr


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data": {"pass_rate": [0, 0.3]}}, "data.pass_rate: only with data.path=RUN"),
        ({"data": {"pass_rate": [0.3]}}, r"data.pass_rate=\[0.3\]: give the least and the most"),
        ({"data": {"pass_rate": [0.5, 0.3]}}, "give the least and the most"),
        ({"answers": {"min_pass_rate": 0.6, "max_pass_rate": 0.5}}, "more than answers.max_pass_rate=0.5"),
    ],
    ids=str,
)
def test_bounds_that_are_none_are_refused(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(tmp_path / "run", **values)


def test_another_task_does_not_read_pass_rates(tmp_path: Path, solved: Run[Any]) -> None:
    data = {"origin": "file", "path": str(solved.layout.root), "pass_rate": [0, 1]}
    with pytest.raises(ConfigError, match="data.pass_rate: not read by task=problems"):
        made(
            tmp_path / "run",
            data=data,
            task={"name": "problems"},
            style=["similar"],
            publish={"pass_rate": False},
        )


def test_the_counts_of_the_input_say_why_problems_are_left_out(tmp_path: Path, solved: Run[Any]) -> None:
    data = {"origin": "file", "path": str(solved.layout.root), "pass_rate": [0, 0.3]}
    run = made(tmp_path / "second", data=data)
    stats = orjson.loads((run.layout.dataset / "stats.json").read_bytes())
    assert stats["counts"]["skipped_input_rows"] == run.plan.skipped
