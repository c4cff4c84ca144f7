"""Submitting a run: [canary] -> generate array -> gate -> reduce array -> publish, and back at once.

The gate, reduce and publish jobs wait with dependencies. The gate opens when every key is on disk; else it
submits the next attempt with a chain of its own and cancels the rest of this one, so nothing waits for a
job that can no longer succeed, and nothing is published with a hole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from omi_core.config import Generate, Reduce
from omi_core.run import ledger
from omi_core.run.attempts import Attempt, new_attempt, next_number
from omi_core.slurm.limits import Limits, read_limits, windows
from omi_core.slurm.script import Job, replicas, submit
from omi_core.stages.reduce import part_count
from omi_core.stages.run import Run

# Jobs of a chain beside its arrays: canary, gate, publish, and room for one more chain's gate.
_BESIDE = 4


@dataclass(frozen=True)
class Submitted:
    """A job that Slurm has taken on."""

    job: Job
    id: str


@dataclass(frozen=True)
class Shares:
    """The keys of a chain: what the canary tries first (or None), and what the array takes on."""

    canary: np.ndarray | None
    array: np.ndarray


def shares(run: Run[Generate], missing: np.ndarray, canary: bool) -> Shares:
    """Splits the missing keys of a run: the canary gets the first samples of its first records."""
    if not canary or not len(missing):
        return Shares(None, missing)
    wanted = run.config.cluster.canary
    samples = run.plan.samples
    chosen = np.zeros(run.plan.keys, dtype=bool)
    todo = np.zeros(run.plan.keys, dtype=bool)
    for start, stop in missing.tolist():
        todo[start:stop] = True
    ordinals = np.unique(np.flatnonzero(todo) // samples)[: wanted.records]
    for ordinal in ordinals.tolist():
        of_record = np.flatnonzero(todo[ordinal * samples : (ordinal + 1) * samples])[: wanted.samples]
        chosen[ordinal * samples + of_record] = True
    return Shares(_ranges(chosen), _ranges(todo & ~chosen))


def _ranges(mask: np.ndarray) -> np.ndarray:
    padded = np.concatenate(([False], mask, [False]))
    return np.flatnonzero(padded[1:] != padded[:-1]).astype(np.int64).reshape(-1, 2)


def site_limits(config: Generate | Reduce) -> Limits:
    """What the user may submit under the account, partition and qos of a config."""
    cluster = config.cluster
    return read_limits(cluster.partition, cluster.account, cluster.qos)


class Chain:
    """Makes and submits the jobs of one chain; with `dry` they are only made, and nothing is written."""

    def __init__(self, run: Run[Generate], limits: Limits, dry: bool = False) -> None:
        self._run = run
        self._limits = limits
        self._dry = dry
        self.submitted: list[Submitted] = []

    def generate(self, shares: Shares, exclude: str | None = None) -> list[Submitted]:
        """The whole chain for these keys."""
        after, number = None, 0
        if shares.canary is not None:
            attempt = self._attempt(shares.canary, 1)
            number = attempt.number
            after = f"afterok:{self._one('canary', attempt, self._arguments('canary', attempt, 0))}"
        if len(shares.array):
            attempt = self._attempt(shares.array, self._run.config.tasks * replicas(self._run.config))
            number = attempt.number
            after = "afterany:" + ":".join(self._arrays(attempt, after, exclude))
        gate = self._send("gate", ("gate", str(number)), after=after, attempt=number)
        self.reduce(f"afterok:{gate}")
        return self.submitted

    def reduce(self, after: str | None) -> list[Submitted]:
        """The jobs behind the gate."""
        parts = part_count(self._run)
        throttle = self._run.config.cluster.cpu_throttle
        reduce = self._send("reduce", ("reduce", str(parts)), after=after, array=(0, parts - 1, throttle))
        self._send("publish", ("publish", str(parts)), after=f"afterany:{reduce}")
        return self.submitted

    def _attempt(self, ranges: np.ndarray, tasks: int) -> Attempt:
        """An attempt over that many shards: array tasks times the replicas of each."""
        if self._dry:
            keys = int((ranges[:, 1] - ranges[:, 0]).sum())
            first = 1 if self._run.config.run.fresh else next_number(self._run.layout)
            return Attempt(first + len(self.submitted), min(tasks, keys), ranges)
        return new_attempt(self._run.layout, ranges, tasks)

    def _arrays(self, attempt: Attempt, after: str | None, exclude: str | None) -> list[str]:
        """The windows of a generate array: ids of their jobs."""
        jobs = math.ceil(attempt.tasks / replicas(self._run.config))
        ids = []
        for window in windows(jobs, self._limits, reserved=_BESIDE):
            arguments = self._arguments("generate", attempt, window.first)
            array = (0, window.size - 1, self._run.config.cluster.throttle)
            ids.append(
                self._send(
                    "generate", arguments, after=after, array=array, attempt=attempt.number, exclude=exclude
                )
            )
        return ids

    def _one(self, stage: str, attempt: Attempt, arguments: tuple[str, ...]) -> str:
        return self._send(stage, arguments, attempt=attempt.number)

    @staticmethod
    def _arguments(stage: str, attempt: Attempt, offset: int) -> tuple[str, ...]:
        return (stage, str(attempt.number), str(offset))

    def _send(
        self,
        stage: str,
        arguments: tuple[str, ...],
        *,
        after: str | None = None,
        array: tuple[int, int, int] | None = None,
        attempt: int | None = None,
        exclude: str | None = None,
    ) -> str:
        layout = self._run.layout
        job = Job(
            name=f"{layout.root.name}.{stage}",
            stage=stage,
            arguments=(str(layout.root.absolute()), *arguments),
            logs=layout.logs.absolute(),
            array=array,
            after=after,
            comment=self._run.plan.fingerprint[:12],
            exclude=exclude,
        )
        if self._dry:
            identifier = f"<{stage}>"
        else:
            identifier = submit(self._run.config, job)
            entry = {"stage": stage, "attempt": attempt, "job": identifier, "array": array, "after": after}
            ledger.append(layout.ledger, entry)
        self.submitted.append(Submitted(job, identifier))
        return identifier
