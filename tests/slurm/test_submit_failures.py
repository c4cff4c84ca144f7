"""What a command says when it cannot write while it submits, and that no half chain is left."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from jobs import _slurm
from omi_core.config import Generate
from omi_core.run import ledger
from omi_core.slurm import commands, submit
from omi_core.slurm.script import Job
from omi_core.slurm.submit import Site
from omi_core.stages.planning import plan_generate
from tests.slurm.composing import LIMITS, compose

WORK = ("+cluster=slurm", "cluster.partition=x", "teacher=rehearsal", "data.size=4", "samples=2")


@pytest.fixture
def cancelled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Jobs that were cancelled, at a site that takes every job as 1, 2, ..."""
    gone: list[str] = []
    numbers = iter(range(1, 100))
    monkeypatch.setattr(_slurm, "ask_site", lambda config: Site(LIMITS))
    monkeypatch.setattr(commands, "scancel", gone.extend)

    def take(config: Generate, job: Job) -> str:
        return str(next(numbers))

    monkeypatch.setattr(submit, "submit", take)
    return gone


@pytest.mark.parametrize("stage", ["generate", "gate", "publish"])
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
    assert _slurm.submit_missing(run, by="generate") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("failed: ") and "No space left on device" in line and "ledger.jsonl" in line
    assert cancelled == {"generate": ["1"], "gate": ["2", "1"], "publish": ["4", "3", "2", "1"]}[stage]


def test_a_logs_directory_that_cannot_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_slurm, "ask_site", lambda config: Site(LIMITS))
    run = plan_generate(compose(*WORK, f"run.dir={tmp_path / 'run'}"))
    run.layout.logs.write_text("a file of that name")
    assert _slurm.submit_missing(run, by="generate") == 1
    assert "logs" in capsys.readouterr().err.splitlines()[-1]
