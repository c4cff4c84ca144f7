"""How a shard's samples came in over time, in few points however long it works."""

from __future__ import annotations

import orjson

# Enough for a chart's width, and some 3 kB of a manifest.
MOST_POINTS = 200
# A power of two, and so are all stretches: their borders are exact floats, and two make the next larger one.
_FIRST_STRETCH = 2.0**-6


class Timeline:
    """(seconds, samples so far) points of a count that grows.

    Time is cut into equal stretches, and of each in which samples came in the last point is kept. Stretches
    begin at 16 ms and double when there are more than `MOST_POINTS` points: every point is exact, and a line
    through them is off by no more than the samples of one stretch.
    """

    def __init__(self) -> None:
        self._stretch = _FIRST_STRETCH
        self._last_of: dict[int, tuple[float, int]] = {}

    @property
    def points(self) -> list[tuple[float, int]]:
        """At most `MOST_POINTS` points, seconds not falling; the last one is the last that was added."""
        return list(self._last_of.values())

    def as_json(self) -> orjson.Fragment:
        """`points` in one line, also within a file that is indented."""
        return orjson.Fragment(orjson.dumps(self.points))

    def add(self, seconds: float, samples: int) -> None:
        """`samples` are there, `seconds` after the start; neither may be less than before."""
        self._last_of[int(seconds // self._stretch)] = (seconds, samples)
        while len(self._last_of) > MOST_POINTS:
            self._stretch *= 2
            self._last_of = {int(point[0] // self._stretch): point for point in self._last_of.values()}
