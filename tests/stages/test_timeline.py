"""The timeline of a shard: few points, each of them exact, whatever the rhythm of its samples."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.stages.timeline import MOST_POINTS, Timeline


def moments(seed: int, count: int, mean_gap: float) -> list[float]:
    """Rising times in bursts and pauses: many gaps are 0, few are a thousand times the mean."""
    draw = random.Random(seed)
    at, out = draw.uniform(0, 100 * mean_gap), []
    for _ in range(count):
        out.append(round(at, 3))
        at += mean_gap * draw.choice([0, 0, 0.001, 1, 1, 2, draw.paretovariate(0.7)])
    return out


@given(st.integers(0, 2**32), st.integers(0, 3000), st.sampled_from([1e-4, 0.01, 1.0, 300.0]))
@settings(deadline=None)
def test_points_are_the_last_of_each_stretch_of_the_finest_cut_that_fits(
    seed: int, count: int, mean_gap: float
) -> None:
    timeline, points = Timeline(), []
    for number, second in enumerate(moments(seed, count, mean_gap), 1):
        points.append((second, number))
        timeline.add(second, number)
        assert len(timeline.points) <= MOST_POINTS
    stretch = 2.0**-6
    while len({second // stretch for second, _ in points}) > MOST_POINTS:
        stretch *= 2
    assert timeline.points == list({second // stretch: (second, n) for second, n in points}.values())


@pytest.mark.parametrize(
    ("samples", "seconds"), [(1, 0.0), (200, 3600.0), (201, 3600.0), (100_000, 0.5), (100_000, 86_400.0)]
)
def test_an_even_flow_of_samples_stays_an_even_line(samples: int, seconds: float) -> None:
    timeline = Timeline()
    for number in range(1, samples + 1):
        timeline.add(seconds * number / samples, number)
    assert timeline.points[-1] == (seconds, samples)
    gaps = [b - a for (_, a), (_, b) in zip(timeline.points, timeline.points[1:], strict=False)]
    assert max(gaps, default=0) <= max(samples // 30, 2)
