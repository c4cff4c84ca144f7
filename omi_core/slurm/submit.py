"""Submitting a run: [canary] -> generate array -> gate -> reduce array -> publish, and back at once.

A run that is a step of a pipeline has one job more, `advance`, which submits the next steps. The last job of
every chain is `rescue`: it waits for the one before it to fail, and sends it again.

The gate, reduce and publish jobs wait with dependencies. The gate opens when every key is on disk; else it
submits the next attempt with a chain of its own and cancels the rest of this one, so nothing waits for a
job that can no longer succeed, and nothing is published with a hole. What the user's submit limit leaves no
room for is left to the gate, too: the rest of the array, and the jobs behind it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from omi_core.cluster_options import Cluster
from omi_core.config import Generate
from omi_core.slurm import commands
from omi_core.slurm.limits import Fitting, Limits, fit, queued_jobs, read_limits, windows
from omi_core.slurm.script import ON_GPUS, Job, account_of, canary_gpus, replicas, submit_job
from omi_core.stages.reduce import part_count
from omi_core.stages.run import Run
from omi_core.store import ledger
from omi_core.store.attempts import Attempt, new_attempt, next_number
from omi_core.store.keys import count_keys, keys_within, missing_ranges, split_ranges


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

    def any(self) -> bool:
        """Whether there is a key at all."""
        return len(self.array) > 0 or self.canary is not None


def shares(run: Run[Generate], missing: np.ndarray, canary: bool) -> Shares:
    """Splits the missing keys of a run: the canary gets the first samples of its first records."""
    if not canary or not len(missing):
        return Shares(None, missing)
    wanted = run.config.cluster.canary
    samples = run.plan.samples
    chosen = np.zeros(run.plan.keys, dtype=bool)
    todo = keys_within(missing, run.plan.keys)
    ordinals = np.unique(np.flatnonzero(todo) // samples)[: wanted.records]
    for ordinal in ordinals.tolist():
        of_record = np.flatnonzero(todo[ordinal * samples : (ordinal + 1) * samples])[: wanted.samples]
        chosen[ordinal * samples + of_record] = True
    return Shares(missing_ranges(~chosen), missing_ranges(~todo | chosen))


@dataclass(frozen=True)
class Site:
    """What the user may submit, and how many jobs wait or run there already (0 where that is no matter)."""

    limits: Limits
    queued: int = 0


def ask_site(cluster: Cluster) -> Site:
    """What the user may submit now under this account, partition and qos. Raises SlurmError."""
    limits = read_limits(cluster.partition, account_of(cluster, on_gpus=True), cluster.qos)
    return Site(limits, 0 if limits.max_submit_jobs is None else queued_jobs())


class Chain:
    """Makes and submits the jobs of one chain; with `dry` they are only made, and nothing is written.

    `after` is the dependency of its first jobs. `of_pipeline` says that the run is a step, None as it lies on
    disk. `submitted` lists the jobs so far; `unsent` is how many
    samples were left to the gate to submit.
    """

    def __init__(
        self,
        run: Run[Generate],
        site: Site,
        dry: bool = False,
        after: str | None = None,
        of_pipeline: bool | None = None,
    ) -> None:
        self._of_pipeline = run.layout.pipeline is not None if of_pipeline is None else of_pipeline
        self._run = run
        self._site = site
        self._dry = dry
        self._after = after
        self.submitted: list[Submitted] = []
        self.unsent = 0

    def generate(
        self, shares: Shares, exclude: str | None = None, again: bool = False, tasks: int | None = None
    ) -> list[Submitted]:
        """The whole chain for these keys, or as much of it as there is room for in the queue.

        `exclude` names nodes to stay away from; `again` marks, for the ledger, keys of an attempt that got
        little done; `tasks` is the number of shards, by default one for each replica of the config's tasks.

        Raises:
            SlurmError: a job is refused; those before it are submitted.
        """
        per_job = replicas(self._run.config)
        tasks = min(tasks or self._run.config.tasks * per_job, count_keys(shares.array))
        beside = 1 if shares.canary is None else 2
        now = self._fit(math.ceil(tasks / per_job), beside)
        array = shares.array
        if now.generate * per_job < tasks:
            tasks, pieces = now.generate * per_job, split_ranges(array, tasks, self._run.whole)
            array = np.concatenate(pieces[:tasks])
            self.unsent = count_keys(shares.array) - count_keys(array)
        after, number = self._after, 0
        if shares.canary is not None:
            attempt = self._attempt(shares.canary, 1)
            number = attempt.number
            after = f"afterok:{self._send('canary', number, 0, after=after, attempt=number)}"
        if len(array):
            attempt = self._attempt(array, tasks)
            number = attempt.number
            after = "afterany:" + ":".join(self._arrays(attempt, after, exclude, again))
        return self._gate(number, after, now.reduce)

    def gate(self, number: int, after: str) -> list[Submitted]:
        """Gate and what is behind it, for an attempt whose jobs, which `after` names, are there already.

        Raises:
            SlurmError: a job is refused; those before it are submitted.
        """
        return self._gate(number, after, self._fit(0, 1).reduce)

    def _gate(self, number: int, after: str | None, reduce_jobs: int) -> list[Submitted]:
        gate = self._send("gate", number, after=after, attempt=number)
        if reduce_jobs:
            self.reduce(f"afterok:{gate}", reduce_jobs)
        return self.submitted

    def reduce(self, after: str | None = None, jobs: int | None = None) -> list[Submitted]:
        """The jobs behind the gate; a reduce job takes several parts when there is no room for one each.

        Raises:
            SubmitLimit: there is no room for them in the queue.
        """
        parts = part_count(self._run)
        if jobs is None:
            jobs = self._fit(0, 0).reduce
            if not jobs:
                raise commands.SubmitLimit("queue", "no room for the reduce and publish jobs")
        array = (0, jobs - 1, self._run.config.cluster.cpu_throttle)
        reduce = self._send("reduce", parts, jobs, after=after or self._after, array=array)
        return self.publish(f"afterany:{reduce}")

    def publish(self, after: str | None = None) -> list[Submitted]:
        """Publish and what is behind it.

        Raises:
            SlurmError: a job is refused; those before it are submitted.
        """
        return self.tail(self._send("publish", part_count(self._run), after=after))

    def tail(self, publish: str) -> list[Submitted]:
        """What is behind the publish job of that id. Raises as `publish`."""
        last = self._send("advance", after=f"afterany:{publish}") if self._of_pipeline else publish
        self._send("rescue", after=f"afternotok:{last}")
        return self.submitted

    def _fit(self, generate: int, beside: int) -> Fitting:
        """What there is room for of a chain with this many generate jobs."""
        behind = 3 if self._of_pipeline else 2  # publish, advance, rescue
        return fit(
            generate, part_count(self._run), beside, self._site.limits, self._site.queued, behind=behind
        )

    def _attempt(self, ranges: np.ndarray, tasks: int) -> Attempt:
        """An attempt over that many shards: array tasks times the replicas of each."""
        if self._dry:
            first = 1 if self._run.config.run.fresh else next_number(self._run.layout)
            tasks = min(tasks, count_keys(ranges))
            return Attempt(first + len(self.submitted), tasks, ranges, self._run.whole)
        return new_attempt(self._run.layout, ranges, tasks, self._run.whole)

    def _arrays(self, attempt: Attempt, after: str | None, exclude: str | None, again: bool) -> list[str]:
        """The windows of a generate array: ids of their jobs."""
        jobs = math.ceil(attempt.tasks / replicas(self._run.config))
        throttle = self._run.config.cluster.throttle
        ids: list[str] = []
        for window in windows(jobs, self._site.limits):
            if throttle and ids:
                # A throttle is an array's own: two arrays at once would run twice as many tasks.
                after = f"afterany:{ids[-1]}"
            job = {"after": after, "array": (0, len(window) - 1, throttle), "exclude": exclude}
            written = {"attempt": attempt.number, "again": again}
            ids.append(self._send("generate", attempt.number, window.start, **job, **written))
        return ids

    def _send(
        self,
        stage: str,
        *arguments: int,
        after: str | None = None,
        array: tuple[int, int, int] | None = None,
        exclude: str | None = None,
        **entry: Any,
    ) -> str:
        """Submits one job and writes it down, with what `entry` adds; returns its id."""
        layout, config = self._run.layout, self._run.config
        gpus = canary_gpus(config) if stage == "canary" else None
        job = Job(
            name=f"{layout.root.name}.{stage}",
            stage=stage,
            arguments=(str(layout.root.absolute()), stage, *map(str, arguments)),
            logs=layout.logs.absolute(),
            array=array,
            after=after,
            token=self._run.plan.fingerprint[:12],
            exclude=exclude,
            nodes=config.teacher.nodes if stage in ON_GPUS else 1,
            tasks=replicas(config) if stage in ON_GPUS and gpus is None else 1,
            gpus=gpus,
        )
        identifier = f"<{stage}>" if self._dry else self._submit(job)
        self.submitted.append(Submitted(job, identifier))  # first: a ledger on a full disk must not hide it
        if not self._dry:
            ledger.append(
                layout.ledger, {"stage": stage, "job": identifier, "array": array, "after": after, **entry}
            )
        return identifier

    def _submit(self, job: Job) -> str:
        try:
            return submit_job(self._run.config.cluster, job)
        except (commands.Busy, commands.SubmitLimit):
            raise
        except commands.SlurmError as error:
            if job.exclude is None:
                raise
            print(
                f"warning: without {job.exclude} the site refuses the job ({error}); sent to any node",
                flush=True,
            )
            return submit_job(self._run.config.cluster, replace(job, exclude=None))
