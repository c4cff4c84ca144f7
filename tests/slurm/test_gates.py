"""What the gate does with samples that are missing, Slurm's part left out: tests/cluster has it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from omi_core.config import Generate, load_generate
from omi_core.slurm import commands, gates
from omi_core.slurm.links import refuse_unknown
from omi_core.slurm.states import TaskKey, TaskState
from omi_core.stages import gate
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt
from omi_core.store.files import write_json
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
    with pytest.raises(gates.ChainEnded, match="job 5 is not in the chain"):
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


Seen = dict[TaskKey, TaskState]


def tell(monkeypatch: pytest.MonkeyPatch, run: Run[Generate], own: str, **seen: str) -> list[str]:
    """This process is job `own`, and Slurm says of the others what `seen` says; the list of what is sent."""
    monkeypatch.setenv("SLURM_JOB_ID", own)
    found = {TaskKey(name.removeprefix("j"), None): TaskState(state) for name, state in seen.items()}

    def query(entries: Iterable[dict[str, Any]]) -> Seen:
        jobs = {entry["job"] for entry in entries}
        return {key: state for key, state in found.items() if key.job_id in jobs}

    sent: list[str] = []

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            return lambda *arguments, **_: sent.append(" ".join(map(str, [name, *arguments])))

    monkeypatch.setattr(gates.states, "query_submitted", query)
    monkeypatch.setattr(gates, "_send", lambda run, words, send, again: send(Recorder()))
    monkeypatch.setattr(gates.commands, "scancel", lambda jobs: sent.append(f"cancel {' '.join(jobs)}"))
    return sent


def chained(run: Run[Generate], *stages: str, attempt: int = 1) -> None:
    """Lines of the ledger for jobs 11, 12, … of these stages."""
    for number, stage in enumerate(stages, 11):
        array = [0, 0, 0] if stage == "reduce" else None
        entry = {"stage": stage, "job": str(number), "array": array, "after": None}
        ledger.append(run.layout.ledger, entry | ({"attempt": attempt} if stage == "gate" else {}))


CHAIN = ("gate", "reduce", "publish", "rescue")


def test_a_gate_sends_another_one_behind_an_array_that_lives(
    run: Run[Generate], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = attempt(run, 1)
    chained(run, *CHAIN)
    sent = tell(monkeypatch, run, "11", j1="RUNNING")
    with pytest.raises(gates.GoesOn, match="job 1 still waits or runs; another gate waits for it"):
        gates.pass_generate(run, number)
    assert sent == ["cancel 13 12", f"gate {number} afterany:1", "cancel 14"]
    assert not [e for e in ledger.read(run.layout.ledger) if e["stage"] == "end"]


def test_gates_that_start_early_again_and_again_end_the_chain(
    run: Run[Generate], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = attempt(run, 1)
    chained(run, *["gate"] * 4)
    sent = tell(monkeypatch, run, "14", j1="PENDING")
    with pytest.raises(gates.ChainEnded, match="though 4 gates were to wait for it; to continue"):
        gates.pass_generate(run, number)
    assert sent == ["cancel "]


@pytest.mark.parametrize(
    ("state", "trouble", "sent", "words"),
    [
        ("FAILED", None, ["cancel ", "publish", "cancel "], "1 x unknown.*attempt 2"),
        ("NODE_FAIL", None, ["cancel ", "publish", "cancel "], "1 x node failure.*attempt 2"),
        ("FAILED", ("LockTaken", "in use"), ["cancel ", "publish", "cancel "], "1 x lock taken"),
        ("FAILED", ("OSError", "[Errno 28] full"), ["cancel "], "1 x disk: OSError: .*full.*to continue"),
        ("FAILED", ("PartError", "reduce it"), ["cancel "], "1 x error: PartError: reduce it"),
        ("CANCELLED", None, ["cancel "], "1 x cancelled.*to continue"),
        ("RUNNING", None, ["cancel ", "tail 13", "cancel "], "job 13 still waits or runs"),
    ],
)
def test_what_becomes_of_a_publish_that_failed(
    run: Run[Generate],
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    trouble: tuple[str, str] | None,
    sent: list[str],
    words: str,
) -> None:
    attempt(run, TASKS)
    chained(run, *CHAIN)
    if trouble:
        run.layout.logs.mkdir()
        write_json(run.layout.job_trouble("13"), dict(zip(("class", "message"), trouble, strict=True)))
    done = tell(monkeypatch, run, "14", j13=state)
    with pytest.raises(gates.ChainEnded, match=words):
        gates.pass_publish(run)
    assert done == sent


def test_publish_is_sent_again_so_often_and_no_more(
    run: Run[Generate], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt(run, TASKS)
    chained(run, *CHAIN, "publish", "publish", "rescue")
    tell(monkeypatch, run, "17", j16="FAILED")
    with pytest.raises(gates.ChainEnded, match="after 3 attempts"):
        gates.pass_publish(run)


def test_a_rescue_job_completes_what_a_killed_gate_has_begun_to_send(
    run: Run[Generate], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt(run, 1)
    chained(run, *CHAIN)
    ledger.append(run.layout.ledger, {"stage": "resend", "reason": "samples are missing"})
    second = attempt(run, 0)
    ledger.append(run.layout.ledger, {"stage": "gate", "job": "20", "attempt": second, "after": None})
    sent = tell(monkeypatch, run, "14", j2="RUNNING", j13="CANCELLED")
    with pytest.raises(gates.GoesOn, match="job 2 still waits or runs"):
        gates.pass_publish(run)
    assert sent == ["cancel 20", "cancel 20", f"gate {second} afterany:2", "cancel "]


def test_a_gate_that_a_person_cancelled_ends_the_chain_before_anything_is_sent(
    run: Run[Generate], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt(run, 1)
    chained(run, *CHAIN)
    sent = tell(monkeypatch, run, "13", j1="RUNNING", j11="CANCELLED", j12="CANCELLED")
    with pytest.raises(gates.ChainEnded, match=r"the gate \(job 11\) was cancelled; to continue"):
        gates.pass_reduce(run, 1)
    assert sent == ["cancel 14"]


def test_no_job_of_a_run_that_was_cancelled_sends_anything(
    run: Run[Generate], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = attempt(run, 1)
    chained(run, *CHAIN)
    ledger.append(run.layout.ledger, {"stage": "cancel", "jobs": ["11"]})
    sent = tell(monkeypatch, run, "11")
    for call in (lambda: gates.pass_generate(run, number), lambda: gates.pass_publish(run)):
        with pytest.raises(gates.ChainEnded, match="was cancelled; to continue"):
            call()
    assert sent == []


def test_a_task_that_nobody_wrote_down_does_nothing(
    run: Run[Generate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    refuse_unknown(run.layout)  # nothing was submitted: somebody runs a task by hand
    chained(run, "gate")
    with pytest.raises(gates.ChainEnded, match="job 99 is not in the chain"):
        refuse_unknown(run.layout)
    monkeypatch.setenv("SLURM_JOB_ID", "11")
    refuse_unknown(run.layout)
