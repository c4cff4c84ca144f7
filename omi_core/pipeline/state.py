"""The state of a pipeline: each of its steps, from their files, the ledgers and one look at Slurm's queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError
from omi_core.pipeline import step_progress
from omi_core.pipeline.definition import Pipeline, Step, read_pipeline
from omi_core.slurm import commands, states
from omi_core.slurm.failures import log_line, words_of
from omi_core.slurm.run_status import Status, gather_readable
from omi_core.store import ledger
from omi_core.store.layout import Layout
from omi_core.training.training_directory import is_training
from omi_core.training.training_status import TrainingStatus, gather_training

Entry = dict[str, Any]
Seen = Mapping[states.TaskKey, states.TaskState]


@dataclass
class StepStatus:
    """A step: `done`, `to do`, or as its run or its job is.

    Of a run that is being made, and of a training, there is its own status. `of` is its name in the recipe,
    `cell` what it uses of the recipe's cells.
    """

    name: str
    command: str
    state: str
    rows_in: int | None = None
    rows_out: int | None = None
    hash: str | None = None
    reason: str | None = None
    run: Status | None = None
    training: TrainingStatus | None = None
    of: str = ""
    cell: dict[str, Any] = field(default_factory=dict)


@dataclass
class PipelineStatus:
    """What `jobs.status` shows of a pipeline."""

    root: str
    state: str
    recipe: str = ""
    steps: list[StepStatus] = field(default_factory=list)
    note: str | None = None

    @property
    def done(self) -> int:
        return sum(step.state == "done" for step in self.steps)


def gather_pipeline(root: Path) -> PipelineStatus:
    """The status of a pipeline; one that cannot be read is `unreadable`, and says why in its note."""
    try:
        return _gather(read_pipeline(root), str(root))
    except (ConfigError, ValueError, KeyError, TypeError, OSError) as error:
        return PipelineStatus(str(root), "unreadable", note=f"{root}: {' '.join(str(error).split())}")


def _gather(pipeline: Pipeline, root: str) -> PipelineStatus:
    status = PipelineStatus(root, "", pipeline.recipe)
    live: dict[str, bool] = {}  # job that waits or runs -> it runs
    seen: Seen = {}
    look = step_progress.Look(pipeline)
    entries = {step.name: step_entries(look, step) for step in pipeline.steps}
    try:
        seen = states.query_submitted([entry for of_step in entries.values() for entry in of_step])
        for key, task in seen.items():
            if task.state in states.ACTIVE:
                live[key.job_id] = live.get(key.job_id, False) or task.state in ("RUNNING", "COMPLETING")
    except commands.SlurmError as error:
        status.note = f"Slurm does not answer ({error}); what follows is from the pipeline's files"
    done = set(look.done())
    status.steps = [
        _step(look, step, step.name in done, entries[step.name], live, seen) for step in pipeline.steps
    ]
    status.state = _state(pipeline, status, live)
    return status


def _step(
    look: step_progress.Look,
    step: Step,
    done: bool,
    entries: list[Entry],
    live: dict[str, bool],
    seen: Seen,
) -> StepStatus:
    pipeline = look.pipeline
    status = StepStatus(step.name, step.command, "to do", of=step.of or step.name, cell=step.cell)
    if (made := look.result(step) if done else None) is not None:
        status.state, status.rows_in, status.rows_out = "done", made.rows_in, made.rows_out
        status.hash = made.hash
        return status
    status.reason = look.failure(step)
    jobs = [live[entry["job"]] for entry in entries if entry["job"] in live]
    if step.trains and is_training(pipeline.directory(step)):
        status.training = gather_training(pipeline.directory(step))
    if step.is_run and not step.cell and Layout(pipeline.directory(step)).plan.is_file():
        status.run = gather_readable(pipeline.directory(step))
        status.state = status.run.state
    elif jobs:
        status.state = "running" if any(jobs) else "waiting"
        if status.training is not None:
            status.training.state = status.state
    elif reason := status.reason or _ended(pipeline, step, entries, seen):
        status.state, status.reason = "failed", reason
    elif status.training is not None:
        status.state = status.training.state
    elif look.entries(step):
        status.state = "stopped"
    return status


def _ended(pipeline: Pipeline, step: Step, entries: list[Entry], seen: Seen) -> str | None:
    """Why the jobs of a step ended without a result, as far as its ledger or Slurm tells."""
    if not step.is_chain:
        return _killed(pipeline, [e for e in entries if e["stage"] == step.work_stage][-1:], seen)
    ends = ledger.since(ledger.read(Layout(pipeline.directory(step)).ledger), "chain")[-1:]
    return next((entry["reason"] for entry in ends if entry["stage"] == "end"), None)


def _killed(pipeline: Pipeline, last: list[Entry], seen: Seen) -> str | None:
    """Why a step's job ended that could not write it down itself, for it was killed."""
    for entry in last:
        key = states.TaskKey(entry["job"], None)
        if (task := seen.get(key)) is not None and task.state in states.FAILURES - {"CANCELLED"}:
            log, line = log_line(pipeline.layout, key)
            return ": ".join(filter(None, (f"job {key}", words_of(task), line or log)))
    return None


def _state(pipeline: Pipeline, status: PipelineStatus, live: dict[str, bool]) -> str:
    """One word, as the table in docs/pipeline.md has it."""
    if status.done == len(status.steps):
        return "finished"
    if live:
        return "running" if any(live.values()) else "waiting"
    entries = ledger.read(pipeline.layout.ledger)
    if not entries:
        return "planned"
    if status.note is not None:
        return "unknown"
    return "cancelled" if entries[-1]["stage"] == "cancel" else "stopped"


def step_entries(look: step_progress.Look, step: Step) -> list[Entry]:
    """The lines of ledgers about jobs of a step, oldest first."""
    entries = look.entries(step)
    if step.is_chain:
        entries = ledger.read(Layout(look.pipeline.directory(step)).ledger)
    return [entry for entry in entries if entry.get("job")]
