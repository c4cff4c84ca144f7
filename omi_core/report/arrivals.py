"""When samples came in: by the timelines of shards, and for killed ones by their journals' last write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from omi_core.report.facts import Facts, Shard

_POINTS = 97


@dataclass(frozen=True)
class Growth:
    """`samples[k]` samples were there `seconds[k]` after `origin` (seconds since the epoch).

    `placeless` samples have no known time.
    """

    origin: float
    seconds: np.ndarray
    samples: np.ndarray
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
    everything = sum(shard.samples for shard in run.shards)
    return Growth(origin, at - origin, total, everything - placed)


def _curves(shard: Shard) -> list[np.ndarray]:
    """(time, samples so far) rows, one curve per stretch of work; none where no time is known."""
    if shard.seconds is None or shard.started is None:
        # Killed or at work: what it wrote was there when it wrote last.
        return [_curve([(shard.written, shard.samples)])] if shard.written and shard.samples else []
    # A frame that was set aside as damaged takes samples back.
    made = min(shard.generated or 0, shard.samples)
    points = [(second, min(count, made)) for second, count in shard.timeline]
    curves = [_curve((shard.started + second, count) for second, count in [(0.0, 0), *points])]
    if before := shard.samples - made:  # of the same task before it was put back in the queue
        curves.append(_curve([(shard.started, before)]))
    return curves


def _curve(points: Iterable[tuple[float, float]]) -> np.ndarray:
    return np.array(list(points), dtype=float).reshape(-1, 2)
