"""What the gate does with samples that are missing, Slurm's part left out: tests/cluster has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omi_core.config import Generate, load_generate
from omi_core.run import ledger
from omi_core.run.attempts import new_attempt
from omi_core.slurm import commands, gates
from omi_core.stages import gate
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.teachers import open_teacher

TASKS = 4


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run[Generate]:
    """A run of 8 records on a cluster that only writes down what is submitted."""
    values: dict[str, Any] = {
        "run": {"dir": str(tmp_path / "run")},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": {"size": 8, "answer": "answer"},
        "samples": 2,
        "cluster": {"kind": "slurm", "max_attempts": 3},
        "tasks": TASKS,
    }
    run = plan_generate(load_generate(values))

    def unknown(jobs: object) -> dict[str, str]:
        raise commands.NotInstalled("squeue", "not here")

    monkeypatch.delenv("SLURM_JOB_ID", raising=False)  # of a job that the tests run in
    monkeypatch.setattr(gates.states, "query_submitted", unknown)
    monkeypatch.setattr(gates, "_send", lambda *arguments: None)
    ledger.append(run.layout.ledger, {"stage": "chain", "by": "test", "keys": run.plan.keys})
    return run


def attempt(run: Run[Generate], done: int, again: bool = False) -> int:
    """Makes an attempt at all that is missing, and generates the shares of its first `done` tasks."""
    made = new_attempt(run.layout, gate.missing(run), TASKS)
    entry = {"stage": "generate", "attempt": made.number, "job": str(made.number), "array": [0, 3, 0]}
    ledger.append(run.layout.ledger, {**entry, "again": again})
    config = run.config
    with open_teacher(config.teacher, config.engine, config.sampling) as teacher:
        for task in range(done):
            run_shard(run, made, task, teacher, Stop(), lambda sample: None)
    return made.number


@pytest.mark.parametrize(
    ("done", "words"),
    [(0, "attempt 2 of 3"), (1, "attempt 2 of 3"), (2, "half is done"), (3, "half is done")],
)
def test_an_attempt_counts_unless_half_of_it_was_done(run: Run[Generate], done: int, words: str) -> None:
    with pytest.raises(gates.ChainEnded, match=f"{TASKS - done} x unknown.*sent again, {words}"):
        gates.pass_generate(run, attempt(run, done))


def test_after_so_many_attempts_that_came_to_little_the_chain_ends(run: Run[Generate]) -> None:
    attempt(run, 0)
    attempt(run, 0, again=True)
    with pytest.raises(gates.ChainEnded, match=r"after 3 attempts\); to continue: python -m jobs"):
        gates.pass_generate(run, attempt(run, 1, again=True))
    assert ledger.read(run.layout.ledger)[-1]["stage"] == "end"


def test_attempts_that_bring_the_end_nearer_may_be_any_number(run: Run[Generate]) -> None:
    attempt(run, 0)
    attempt(run, 0, again=True)
    for missing in (8, 4):
        number = attempt(run, 2)
        with pytest.raises(gates.ChainEnded, match=f"{missing} of 16 samples .* sent again, half is done"):
            gates.pass_generate(run, number)


def test_a_gate_that_nobody_wrote_down_sends_nothing(
    run: Run[Generate], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = attempt(run, 1)
    ledger.append(run.layout.ledger, {"stage": "gate", "job": "6", "after": None})
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    before = ledger.read(run.layout.ledger)
    with pytest.raises(gates.ChainEnded, match="job 5 is none of the chain"):
        gates.pass_generate(run, number)
    assert ledger.read(run.layout.ledger) == before
    monkeypatch.setenv("SLURM_JOB_ID", "6")
    with pytest.raises(gates.ChainEnded, match="sent again"):
        gates.pass_generate(run, number)


def test_the_gate_opens_when_nothing_is_missing(
    run: Run[Generate], capsys: pytest.CaptureFixture[str]
) -> None:
    gates.pass_generate(run, attempt(run, TASKS))
    assert "gate: 16 of 16 samples are there" in capsys.readouterr().out


def test_samples_that_no_job_was_to_generate_are_a_window_and_no_failure(run: Run[Generate]) -> None:
    made = new_attempt(run.layout, gate.missing(run)[:1] // 2, 2)  # the first half of the keys
    entry = {"stage": "generate", "attempt": made.number, "job": "1", "array": None, "again": False}
    ledger.append(run.layout.ledger, entry)
    with open_teacher(run.config.teacher, run.config.engine, run.config.sampling) as teacher:
        for task in range(made.tasks):
            run_shard(run, made, task, teacher, Stop(), lambda sample: None)
    with pytest.raises(
        gates.WindowSent, match="8 of 16 samples are missing, for which the queue had no room"
    ):
        gates.pass_generate(run, made.number)
