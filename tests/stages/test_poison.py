"""Records that crash the engine: the others get their samples, those are quarantined, with the reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.config import Generate, load_generate
from omi_core.stages.local import generate, run_locally
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.store.journal import read_samples
from omi_core.teachers.teacher import EngineFailed

SIZE, SAMPLES = 24, 4


def planned(directory: Path, poison: str | None, **values: Any) -> Run[Generate]:
    rehearsal = {"poison": poison, "latency": 0.002} | values.pop("rehearsal", {})
    base: dict[str, Any] = {
        "run": {"dir": str(directory), "flush_samples": 16, "max_error_rate": 0.5},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal", "rehearsal": rehearsal},
        "data": {"size": SIZE, "split": "test", "answer": "answer"},
        "samples": SAMPLES,
        "engine": {"max_num_seqs": 10},
        "cluster": {"workers": 1},
    }
    for key, value in values.items():
        base[key] = base.get(key, {}) | value if isinstance(value, dict) else value
    return plan_generate(load_generate(base))


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The texts of all records, in order."""
    from omi_core.store.plan import Records

    run = planned(tmp_path_factory.mktemp("problems") / "run", None)
    return [Records(run.layout.records)[ordinal].text for ordinal in range(SIZE)]


def by_record(run: Run[Generate]) -> dict[int, list[str | None]]:
    """Record -> the error of each of its samples (None: none)."""
    found: dict[int, list[str | None]] = {}
    for samples in read_samples(run.layout.journals(), 0, SIZE):
        for sample in samples:
            found.setdefault(sample.ordinal, []).append(sample.error)
    return found


@pytest.mark.parametrize("tasks", [1, 3])
def test_the_poisoned_record_alone_is_quarantined(tmp_path: Path, problems: list[str], tasks: int) -> None:
    run = planned(tmp_path / "run", problems[7], tasks=tasks)
    generate(run, Stop())
    errors = by_record(run)
    assert all(errors[ordinal] == [None] * SAMPLES for ordinal in range(SIZE) if ordinal != 7)
    for error in errors[7]:
        assert error is not None
        assert error.startswith(
            "EngineFailed: the engine crashed 3 times with it in flight, the last time: Value"
        )
    manifests = [orjson.loads(path.read_bytes()) for path in run.layout.generate.glob("*-*.json")]
    assert sum(manifest["restarts"] for manifest in manifests) == 3
    assert sum(manifest["errors"] for manifest in manifests) == SAMPLES


def test_the_rest_of_the_dataset_is_what_it_would_be_without_the_poison(
    tmp_path: Path, problems: list[str]
) -> None:
    import polars as pl

    def rows(run: Run[Generate]) -> list[dict[str, Any]]:
        run_locally(run, Stop())
        return pl.read_parquet(run.layout.dataset / "data/*.parquet").to_dicts()

    whole = rows(planned(tmp_path / "whole", None))
    holed = rows(planned(tmp_path / "holed", problems[7]))
    assert holed == [row for row in whole if row["problem"] != problems[7]]
    assert len(holed) < len(whole)


def test_an_engine_that_never_makes_a_sample_accuses_nobody_to_the_end(tmp_path: Path) -> None:
    run = planned(tmp_path / "run", " ")  # in every problem
    with pytest.raises(EngineFailed, match="is poison"):
        generate(run, Stop())
    assert by_record(run) == {}


def test_engines_are_started_again_only_so_often(tmp_path: Path, problems: list[str]) -> None:
    run = planned(tmp_path / "run", problems[7], engine={"restarts": 1})
    with pytest.raises(EngineFailed):
        generate(run, Stop())
    errors = by_record(run)
    assert sum(map(len, errors.values())) == (SIZE - 1) * SAMPLES  # but all the others are there
    generate(run, Stop())
    assert [error is None for error in by_record(run)[7]] == [False] * SAMPLES


@pytest.mark.slow
def test_a_crash_of_the_whole_process_is_laid_at_the_same_door(tmp_path: Path, problems: list[str]) -> None:
    """A native crash takes the command with it; typed again, it goes on, and in the end knows who it was."""
    poison = problems[7][:40]
    assert sum(poison in problem for problem in problems) == 1
    command = [sys.executable, "-m", "jobs.generate", "teacher=rehearsal", f"data.size={SIZE}", "samples=4"]
    command += ["data.split=test", "run.dir=run", "cluster.workers=1", "engine.max_num_seqs=10"]
    command += [
        "teacher.rehearsal.latency=0.002",
        "run.max_error_rate=0.5",
        "teacher.rehearsal.poison_kills=true",
    ]
    command += ["teacher.rehearsal.poison=" + '"' + poison.replace('"', '\\"') + '"']
    runs = [subprocess.run(command, cwd=tmp_path, capture_output=True, text=True) for _ in range(4)]
    assert [run.returncode for run in runs] == [-6, -6, -6, 0], runs[-1].stderr
    stats = orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())
    assert stats["counts"]["finish"]["error"] == SAMPLES
