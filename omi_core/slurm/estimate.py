"""What is left of a run in tokens, GPU hours and time: from its own shards, else from a stated assumption.

It is an estimate: replicas are taken to be equally fast and samples equally long, and the time that jobs wait
in the queue is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omi_core.config import Generate
from omi_core.slurm.script import replicas
from omi_core.slurm.times import limit_seconds
from omi_core.store.manifests import working_seconds


@dataclass(frozen=True)
class Measured:
    """What the shards of a run that ended by themselves did.

    `tokens` are new tokens per sample, where those that were not needed have none; `rate` is new tokens per
    second of one replica, `start_up` seconds until the teacher stood ready. `full` says whether some shard
    had work enough to fill its engine; the rate of those alone is taken then.
    """

    shards: int
    samples: int
    tokens: float
    rate: float | None
    start_up: float
    full: bool


@dataclass(frozen=True)
class Estimate:
    """What `samples` missing samples will take.

    `tokens` is a bound where nothing is measured. None is what cannot be told: `seconds` of a job from its
    start to its end, all its sessions together; how often it `requeues` itself at its time limit.
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
    )


def estimate(config: Generate, samples: int, measured: Measured | None) -> Estimate:
    """What `samples` missing samples will take on the cluster of a config."""
    cluster = config.cluster
    each = replicas(config)
    shards = max(1, min(config.tasks * each, samples))
    jobs = math.ceil(shards / each)
    gpus = cluster.gpus_per_node * config.teacher.nodes
    limit = limit_seconds(cluster.time) if cluster.kind == "slurm" else None
    tokens = round(samples * (measured.tokens if measured else config.sampling.max_tokens))
    rate = measured.rate if measured and measured.rate else cluster.tokens_per_second
    seconds, requeues = None, None
    if rate:
        start_up = measured.start_up if measured else 0.0
        seconds, requeues = _sessions(tokens / shards / rate, start_up, limit, cluster.signal_seconds)
    bound = None if limit is None or not gpus else jobs * gpus * limit / 3600
    return Estimate(samples, jobs, shards, gpus, tokens, rate, seconds, requeues, bound)


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
