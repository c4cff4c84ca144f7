"""What is left of a run in tokens, GPU hours and time: from its own shards, else from a stated assumption.

It is an estimate: replicas are taken to be equally fast and samples equally long, and the time that jobs wait
in the queue is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.slurm.script import replicas
from omi_core.slurm.times import limit_seconds
from omi_core.stages.run import Run
from omi_core.store.layout import Layout
from omi_core.store.manifests import read_manifests, working_seconds
from omi_core.store.plan import read_plan
from omi_core.teachers.teacher_options import REWARD

# Seconds; small models on one GPU took 60 to 88, large ones take minutes.
ASSUMED_START_UP = 60.0
_LOOKED_AT = 20


@dataclass(frozen=True)
class Measured:
    """What the shards of a run that ended by themselves did.

    `tokens` are new tokens per sample, where those that were not needed have none; `rate` is new tokens per
    second of one replica, `start_up` seconds until the teacher stood ready, `tail` those in which there was
    nothing more to begin. `full` says whether some shard had work enough to fill its engine; the rate of
    those alone is taken then.
    """

    shards: int
    samples: int
    tokens: float
    rate: float | None
    start_up: float
    full: bool
    tail: float = 0.0


@dataclass(frozen=True)
class StartUp:
    """Seconds until an engine stands ready, and what says so."""

    seconds: float
    source: str


@dataclass(frozen=True)
class Estimate:
    """What `samples` missing samples will take.

    `tokens` is a bound where nothing is measured. None is what cannot be told: `seconds` of a job from its
    start to its end, all its sessions together; how often it `requeues` itself at its time limit. Of these
    seconds its engines take `start_up` to start, and the last samples are a `tail` with idle seats.
    """

    samples: int
    jobs: int
    shards: int
    gpus: int
    tokens: int
    rate: float | None
    seconds: float | None
    requeues: int | None
    bound_hours: float | None
    start_up: float = 0.0
    tail: float = 0.0

    @property
    def lost(self) -> float:
        """The share of the time in which seats are idle: start-up and tail."""
        return min(1.0, (self.start_up + self.tail) / self.seconds) if self.seconds else 0.0

    @property
    def gpu_hours(self) -> float | None:
        return None if self.seconds is None else self.jobs * self.gpus * self.seconds / 3600


def measure(manifests: Iterable[Mapping[str, Any]], in_flight: int) -> Measured | None:
    """What these manifests say; None without a sample. `in_flight` samples fill an engine."""
    shards = [manifest for manifest in manifests if manifest["samples"]]
    if not shards:
        return None
    full = [shard for shard in shards if shard["samples"] >= in_flight]
    seconds = sum(working_seconds(shard) for shard in full or shards)
    samples = sum(shard["samples"] for shard in shards)
    settled = samples + sum(shard.get("unneeded", 0) for shard in shards)
    return Measured(
        shards=len(full or shards),
        samples=samples,
        tokens=sum(shard["completion_tokens"] for shard in shards) / settled,
        rate=sum(shard["completion_tokens"] for shard in full or shards) / seconds if seconds else None,
        start_up=sum(shard["start_up"] for shard in shards) / len(shards),
        full=bool(full),
        tail=sum(shard["seconds"] - shard.get("last_admitted", shard["seconds"]) for shard in full or shards)
        / len(full or shards),
    )


def start_up(run: Run[Any], measured: Measured | None) -> StartUp | None:
    """How long engines of a run's teacher take to start; None where it has none of its own to start.

    By its own shards, else by those of the last runs beside it with the same teacher, else assumed.
    """
    teacher = run.config.teacher
    if measured is not None:
        return StartUp(measured.start_up, "measured")
    if teacher.kind not in ("vllm", REWARD):
        return None
    if (seconds := _earlier_start_up(run)) is not None:
        return StartUp(seconds, "as in an earlier run")
    return StartUp(ASSUMED_START_UP, "assumed")


def _earlier_start_up(run: Run[Any]) -> float | None:
    own = run.layout.root.absolute()
    with suppress(OSError):
        beside = [path for path in own.parent.iterdir() if path != own and path.is_dir()]
        for folder in sorted(beside, key=lambda path: path.stat().st_mtime, reverse=True)[:_LOOKED_AT]:
            layout = Layout(folder)
            if not layout.plan.exists():
                continue
            with suppress(ConfigError):
                if read_plan(layout).content.get("teacher") != run.plan.content["teacher"]:
                    continue
                shards = [shard["start_up"] for shard in read_manifests(layout).values()]
                if started := [seconds for seconds in shards if seconds]:
                    return sum(started) / len(started)
    return None


def estimate(
    config: Generate, samples: int, measured: Measured | None, started: StartUp | None = None
) -> Estimate:
    """What `samples` missing samples will take on the cluster of a config, with engines that start so."""
    cluster = config.cluster
    each = replicas(config)
    shards = max(1, min(config.tasks * each, samples))
    jobs = math.ceil(shards / each)
    gpus = cluster.gpus_per_node * config.teacher.nodes
    limit = limit_seconds(cluster.time) if cluster.kind == "slurm" else None
    tokens = round(samples * (measured.tokens if measured else config.sampling.max_tokens))
    rate = measured.rate if measured and measured.rate else cluster.tokens_per_second
    seconds, requeues, starts = None, None, 0.0
    if rate:
        start = started.seconds if started else measured.start_up if measured else 0.0
        work = tokens * (1 + config.run.repeat) / shards / rate  # what is drawn a second time takes time, too
        seconds, requeues = _sessions(work, start, limit, cluster.signal_seconds)
        starts = start * (1 + (requeues or 0))
    bound = None if limit is None or not gpus else jobs * gpus * limit / 3600
    tail = measured.tail if measured else 0.0
    return Estimate(samples, jobs, shards, gpus, tokens, rate, seconds, requeues, bound, starts, tail)


def tasks_that_lose(config: Generate, found: Estimate, share: float) -> int:
    """How many tasks there may be so that start-up and tail take no more than a share of their time."""
    overhead = found.start_up + found.tail
    if found.seconds is None or not overhead:
        return config.tasks
    work = found.shards * max(0.0, found.seconds - overhead)
    return max(1, int(work * share / (1 - share) / overhead / replicas(config)))


def _sessions(
    work: float, start_up: float, limit: int | None, signal: int
) -> tuple[float | None, int | None]:
    """Seconds of a job with `work` seconds to generate, and how often it starts up again.

    Both are None where a session ends before it could begin to generate.
    """
    if limit is None:
        return start_up + work, 0
    usable = limit - signal - start_up
    if usable <= 0:
        return None, None
    sessions = max(1, math.ceil(work / usable))
    return sessions * start_up + work, sessions - 1
