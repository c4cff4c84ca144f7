"""A whole run on this machine: the stages one after another, in the shape in which Slurm runs them.

The tasks of the generate array run in this process and share one running teacher.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from omi_core.config import Generate
from omi_core.publish.dataset import recover
from omi_core.publish.parts import PartError
from omi_core.stages import gate
from omi_core.stages.generate import run_shard
from omi_core.stages.progress import Progress
from omi_core.stages.publish import publish_run
from omi_core.stages.reduce import (
    discard_damaged,
    finished_parts,
    part_count,
    part_paths,
    part_range,
    run_part,
)
from omi_core.stages.run import Run, outcome, published_whole
from omi_core.stages.stopping import Stop, Stopped
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt
from omi_core.store.files import lock
from omi_core.store.flight import forget_kills
from omi_core.store.keys import count_keys
from omi_core.teachers import open_teacher
from omi_core.teachers.restarting import RestartingTeacher
from omi_core.teachers.teacher import EngineNotStarted

# A second round is for frames found damaged after the first; more would hide a fault that does not go away.
_ROUNDS = 3


class KeysMissing(RuntimeError):
    """Keys are missing after every shard has ended well."""


def run_locally(run: Run, stop: Stop) -> dict[str, Any]:
    """Brings a run to its published dataset from wherever it stands; returns `stats.json`.

    Raises:
        Stopped: `stop` was asked for; everything finished so far is on disk.
        LockTaken: another process works on this run.
    """
    with lock(run.layout.lock):
        recover(outcome(run))
        stats = published_whole(run)
        if stats is not None:
            return stats
        generate(run, stop)
        reduce(run, stop)
        try:
            return publish(run)
        except PartError as error:
            gate.warn(str(error))
            discard_damaged(part_paths(run, part_count(run)))
            reduce(run, stop)
            return publish(run)


def generate(run: Run, stop: Stop) -> None:
    """Generates what is missing, in as many rounds as it takes.

    Raises:
        KeysMissing: after the last one more is missing than `run.min_coverage` allows.
        Stopped: as of `run_locally`.
    """
    for _ in range(_ROUNDS):
        ranges = gate.missing(run)
        if not count_keys(ranges):
            return
        try:
            _generate_once(run, ranges, stop)
        except EngineNotStarted as error:
            if stop.asked():
                raise Stopped from error  # the signal ended the engine's processes as well
            raise
    left = count_keys(gate.missing(run))
    if left > run.plan.keys * (1 - run.config.run.min_coverage):
        raise KeysMissing(f"{run.layout.root}: {left} samples are still missing after {_ROUNDS} rounds")


def _generate_once(run: Run[Generate], ranges: np.ndarray, stop: Stop) -> None:
    config = run.config
    forget_kills(run.layout.generate, "")
    attempt = new_attempt(run.layout, ranges, config.tasks, run.whole)
    entry = {"stage": "generate", "attempt": attempt.number, "tasks": attempt.tasks, "keys": attempt.keys}
    ledger.append(run.layout.ledger, entry)
    done = run.plan.keys - attempt.keys
    started = time.monotonic()
    with (
        RestartingTeacher(lambda: open_teacher(config.teacher, config.engine, config.sampling)) as teacher,
        Progress("generate", "samples", run.plan.keys, done) as progress,
    ):
        start_up = time.monotonic() - started
        for task in range(attempt.tasks):
            if stop.asked():
                break
            run_shard(
                run,
                attempt,
                task,
                teacher,
                stop,
                lambda sample: progress.advance(1, sample.completion_tokens),
                start_up if task == 0 else 0.0,
            )
    if stop.asked():
        raise Stopped


def reduce(run: Run, stop: Stop) -> None:
    """Reduces every part that is not finished yet."""
    parts = part_count(run)
    done = finished_parts(run, parts)
    sizes = [last - first for first, last in (part_range(run.plan.records, parts, p) for p in range(parts))]
    with Progress("reduce", "records", run.plan.records, sum(sizes[part] for part in done)) as progress:
        for part in range(parts):
            if part not in done:
                run_part(run, part, parts, stop, progress.advance)
    ledger.append(run.layout.ledger, {"stage": "reduce", "tasks": parts})


def publish(run: Run) -> dict[str, Any]:
    """Publishes the run's parts."""
    stats = publish_run(run, part_count(run))
    ledger.append(run.layout.ledger, {"stage": "publish", "rows": stats["rows"]})
    return stats
