"""What a command keeps of its options for the jobs, and what it says when it cannot write."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from omi_core.cluster_options import Cluster
from omi_core.config import Generate
from omi_core.slurm import commands, sending, submit
from omi_core.slurm.script import Job
from omi_core.slurm.submit import Site
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import open_run
from omi_core.store import ledger
from tests.slurm.composing import LIMITS, compose

WORK = ("+cluster=slurm", "cluster.partition=x", "teacher=rehearsal", "data.size=4", "samples=2")


@pytest.fixture
def cancelled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Jobs that were cancelled, at a site that takes every job as 1, 2, ..."""
    gone: list[str] = []
    numbers = iter(range(1, 100))
    monkeypatch.setattr(sending, "ask_site", lambda config: Site(LIMITS))
    monkeypatch.setattr(commands, "scancel", gone.extend)

    def take(cluster: Cluster, job: Job) -> str:
        return str(next(numbers))

    monkeypatch.setattr(submit, "submit_job", take)
    return gone


def test_jobs_and_later_gates_go_by_the_options_of_the_last_command(
    tmp_path: Path, cancelled: list[str]
) -> None:
    place = f"run.dir={tmp_path / 'run'}"
    sending.submit_missing(plan_generate(compose(*WORK, place, "engine.max_num_seqs=8")), by="generate")
    later = compose(*WORK, place, "engine.max_num_seqs=2", "cluster.partition=y", "tasks=3")
    run = plan_generate(later)
    run.layout.ledger.unlink()  # nothing of the first is in the queue any more
    sending.submit_missing(run, by="generate")
    kept = open_run(run.layout).config
    assert isinstance(kept, Generate)
    assert (kept.engine.max_num_seqs, kept.cluster.partition, kept.tasks) == (2, "y", 3)


@pytest.mark.parametrize("stage", ["generate", "gate", "publish", "rescue"])
def test_a_ledger_that_cannot_be_written_takes_the_chain_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cancelled: list[str],
    stage: str,
) -> None:
    append = ledger.append

    def full(path: Path, entry: dict[str, object]) -> None:
        if entry["stage"] == stage:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        append(path, entry)

    monkeypatch.setattr(ledger, "append", full)
    run = plan_generate(compose(*WORK, f"run.dir={tmp_path / 'run'}"))
    assert sending.submit_missing(run, by="generate") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("failed: ") and "No space left on device" in line and "ledger.jsonl" in line
    last = {"generate": 1, "gate": 2, "publish": 4, "rescue": 5}[stage]
    assert cancelled == [str(job) for job in range(last, 0, -1)]


def test_a_logs_directory_that_cannot_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "ask_site", lambda config: Site(LIMITS))
    run = plan_generate(compose(*WORK, f"run.dir={tmp_path / 'run'}"))
    run.layout.logs.write_text("a file of that name")
    assert sending.submit_missing(run, by="generate") == 1
    assert "logs" in capsys.readouterr().err.splitlines()[-1]
