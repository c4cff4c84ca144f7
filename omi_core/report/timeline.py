"""When samples came in: by the manifests of shards, and for killed ones by their journals' last write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omi_core.report.facts import Facts, Shard

_POINTS = 97


@dataclass(frozen=True)
class Growth:
    """`samples[k]` samples were there `seconds[k]` after `origin` (seconds since the epoch).

    `drawn` says how samples between the known moments are placed: "exact" (all shards left a timeline) or
    "straight" (evenly between a shard's first and last sample). `placeless` samples have no known time.
    """

    origin: float
    seconds: np.ndarray
    samples: np.ndarray
    drawn: str
    placeless: int


def growth(run: Facts) -> Growth | None:
    """Samples over time; None where nothing is known of any time."""
    curves = [curve for shard in run.shards for curve in _curves(shard)]
    if not curves:
        return None
    starts = list(run.attempts.values()) + [float(curve[0, 0]) for curve in curves]
    origin = min(starts)
    end = max(float(curve[-1, 0]) for curve in curves)
    at = np.linspace(origin, end, _POINTS)
    total = np.zeros(_POINTS)
    for curve in curves:
        total += np.interp(at, curve[:, 0], curve[:, 1], left=0.0)
    placed = sum(int(curve[-1, 1]) for curve in curves)
    exact = all(shard.timeline for shard in run.timed) and not run.untimed
    everything = sum(shard.samples for shard in run.shards)
    return Growth(origin, at - origin, total, "exact" if exact else "straight", everything - placed)


def _curves(shard: Shard) -> list[np.ndarray]:
    """(time, samples so far) rows, one curve per stretch of work; none where no time is known."""
    if shard.seconds is None or shard.started is None:
        # Killed or at work: what it wrote was there when it wrote last.
        return [_curve([(shard.written, shard.samples)])] if shard.written and shard.samples else []
    made = min(shard.generated or 0, shard.samples)
    first = shard.first_sample if shard.first_sample is not None else shard.seconds
    points: Sequence[tuple[float, float]] = shard.timeline or [(first, min(made, 1)), (shard.seconds, made)]
    curves = [_curve([(shard.started + second, count) for second, count in [(0.0, 0), *points]])]
    if before := shard.samples - made:  # of the same task before it was put back in the queue
        curves.append(_curve([(shard.started, before)]))
    return curves


def _curve(points: Sequence[tuple[float, float]]) -> np.ndarray:
    return np.array(points, dtype=float).reshape(-1, 2)
