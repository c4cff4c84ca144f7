"""How a training stands: from its files, and of one on Slurm one look at the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.slurm import commands, states
from omi_core.store import ledger
from omi_core.store.files import LockTaken, lock, read_json
from omi_core.store.layout import Layout
from omi_core.training.training_directory import PROGRESS, is_made, training_directory


@dataclass
class TrainingStatus:
    """What `jobs.status` shows of a training; the figures are those of the step that was told last.

    `state` is finished, running, waiting or stopped, or unreadable, as `note` says.
    """

    root: str
    state: str
    stage: str | None = None
    number: int = 0
    stages: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    pair_accuracy: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    memory_bytes: int | None = None
    jobs: tuple[str, ...] = ()
    result: str | None = None
    note: str | None = None


def gather_training(root: Path) -> TrainingStatus:
    """The status of the training in a directory."""
    try:
        fingerprint = training_directory(root).read(lambda raw: raw["fingerprint"])
        status = TrainingStatus(str(root), "stopped")
        if (root / PROGRESS).is_file():
            told: dict[str, Any] = read_json(root / PROGRESS)
            for name in ("stage", "number", "stages", "step", "steps", "loss", "tokens_per_second"):
                setattr(status, name, told[name])
            status.pair_accuracy = told.get("pair_accuracy")  # of a reward model
            status.seconds_left, status.memory_bytes = told["seconds_left"], int(told["memory_bytes"])
    except (ConfigError, OSError, ValueError, KeyError, TypeError) as error:
        return TrainingStatus(str(root), "unreadable", note=f"{root}: {' '.join(str(error).split())}")
    if is_made(root / "model", fingerprint):
        status.state, status.result = "finished", str(root / "model")
        return status
    _add_jobs(status, root)
    if not status.jobs and _at_work(root):
        status.state = "running"
    return status


def _add_jobs(status: TrainingStatus, root: Path) -> None:
    entries = [entry for entry in ledger.read(Layout(root).ledger) if entry.get("job")]
    if not entries:
        return
    try:
        seen = states.query_submitted(entries)
    except commands.SlurmError as error:
        status.note = f"Slurm does not answer ({error}); what is shown is from the files of the training"
        return
    live = {key.job_id: task.state for key, task in seen.items() if task.state in states.ACTIVE}
    status.jobs = tuple(live)
    if live:
        at_work = any(state in ("RUNNING", "COMPLETING") for state in live.values())
        status.state = "running" if at_work else "waiting"


def _at_work(root: Path) -> bool:
    """Whether a process holds the training."""
    try:
        with lock(Layout(root).lock):
            return False
    except LockTaken:
        return True
    except OSError:  # not ours to lock
        return False


def lines_of(status: TrainingStatus) -> Iterator[tuple[str, str]]:
    """(name, words) of what is shown in full."""
    if status.jobs:
        yield "job", ", ".join(status.jobs)
    if status.stage is not None:
        of = f" ({status.number} of {status.stages})" if status.stages > 1 else ""
        yield "stage", f"{status.stage}{of}"
        yield "step", words_of_step(vars(status) | {"seconds_left": _left(status)})
    if status.result:
        yield "model", status.result
    elif status.state == "stopped":
        yield "to go on", f"the same command again, or {hint('resume', status.root)}"
    yield "curves", str(Path(status.root, "training.html"))


def _left(status: TrainingStatus) -> float:
    return (status.seconds_left or 0.0) if status.state == "running" else 0.0


def words_of_step(step: dict[str, Any]) -> str:
    """A step's figures for people, in a line."""
    from omi_core.slurm.times import in_words

    words = f"{step['step']:,} of {step['steps']:,}, loss {step['loss']:.4f}"
    if step.get("pair_accuracy") is not None:
        words += f", {step['pair_accuracy']:.1%} of pairs in order"
    if step["tokens_per_second"]:
        words += f", {step['tokens_per_second']:,.0f} tokens/s"
    if step["seconds_left"]:
        words += f", {in_words(step['seconds_left'])} left"
    return f"{words}, {step['memory_bytes'] / 2**30:.2f} GiB"
