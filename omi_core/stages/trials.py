"""What a trial run tells of its setting: how fast one replica goes on, and what a row costs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omi_core.metrics import METRICS
from omi_core.stages.run import Run
from omi_core.store.manifests import read_manifests


@dataclass(frozen=True)
class TrialFigures:
    """Of one replica: seconds until it stood ready, samples and new tokens per second while it was full.

    `gpus` are those of a replica, 0 without any. `accepted` is the share of samples that become rows. `full`:
    requests were waiting for a seat, so that the speed is that of a long run; else it is that of the whole
    trial, its tail included.
    """

    gpus: int
    start_up: float
    samples_per_second: float
    tokens_per_second: float
    accepted: float
    full: bool

    @property
    def rows_per_second(self) -> float:
        return self.samples_per_second * self.accepted

    @property
    def seconds_per_row(self) -> float | None:
        """GPU seconds, or without GPUs seconds of the replica; None: no row was made."""
        return (self.gpus or 1) / self.rows_per_second if self.rows_per_second else None


def trial_figures(run: Run[Any], accepted: float) -> TrialFigures | None:
    """What the shards of a run say; None before one has ended."""
    shards = [manifest for manifest in read_manifests(run.layout).values() if manifest["samples"]]
    if not shards:
        return None
    teacher = run.config.teacher
    speeds = [_speed(shard) for shard in shards]
    samples = sum(shard["samples"] for shard in shards)
    tokens = sum(shard["completion_tokens"] for shard in shards) / samples
    speed = sum(speed for speed, _ in speeds) / len(speeds)
    return TrialFigures(
        gpus=teacher.tensor_parallel * teacher.pipeline_parallel if run.config.cluster.gpus_per_node else 0,
        start_up=max(shard["start_up"] for shard in shards),
        samples_per_second=speed,
        tokens_per_second=speed * tokens,
        accepted=accepted,
        full=all(full for _, full in speeds),
    )


def _speed(shard: Mapping[str, Any]) -> tuple[float, bool]:
    """Samples per second between the first that came back and the last that was begun, if that is a stretch.

    Before it the engine fills up, behind it seats stay empty; both are short in a long run.
    """
    points: list[tuple[float, int]] = [(0.0, 0), *map(tuple, shard.get("timeline", []))]
    first, last = shard.get("first_sample") or 0.0, shard["last_admitted"]
    seconds = [point[0] for point in points]
    begin, end = (points[bisect_right(seconds, at) - 1] for at in (first, last))
    in_between = end[1] - begin[1]
    if in_between >= shard["samples"] / 4:
        return in_between / (end[0] - begin[0]), True
    return shard["samples"] / max(shard["seconds"], 1e-9), False


def samples_alike(run: Run[Any]) -> str:
    """What runs have in common whose samples are of one distribution.

    An argument that is only passed on to the engine may change what it computes, so it counts.
    """
    return f"{run.plan.fingerprint} {sorted(run.config.engine.extra.items())}"


def accepted_shares(stats: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, float]:
    """Share of samples that become rows, over all trials that sample alike: (which, counts) of each trial."""
    total: dict[str, list[float]] = {}
    for alike, counts in stats:
        ratio = METRICS["kept_share"].ratio
        assert ratio is not None
        part, whole = ratio({"counts": counts})
        both = total.setdefault(alike, [0.0, 0.0])
        both[0] += part or 0.0
        both[1] += whole or 0.0
    return {alike: part / whole if whole else 0.0 for alike, (part, whole) in total.items()}
