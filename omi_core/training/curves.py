"""The curve of a stage: a line of figures for each step, in a file that goes on after a kill."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from omi_core.store.files import write_atomic

CURVE = "curve.jsonl"
Point = dict[str, Any]


class CurveFile:
    """The file of a stage's curve; only one process writes it."""

    def __init__(self, stage: Path) -> None:
        self._path = stage / CURVE

    def cut(self, step: int) -> None:
        """Keeps the steps up to this one: those after it are done again."""
        kept = [point for point in read_curve(self._path.parent) if point["step"] <= step]
        write_atomic(self._path, b"".join(orjson.dumps(point) + b"\n" for point in kept))

    def tokens(self) -> int:
        """Tokens seen up to its last step."""
        points = read_curve(self._path.parent)
        return points[-1]["tokens"] if points else 0

    def add(self, point: Point) -> None:
        with self._path.open("ab") as file:
            file.write(orjson.dumps(point) + b"\n")

    def sync(self) -> None:
        """Makes what was added durable."""
        with self._path.open("ab") as file:
            os.fsync(file.fileno())


def read_curve(stage: Path) -> list[Point]:
    """The steps of a stage so far; a torn last line is left out."""
    path = stage / CURVE
    if not path.is_file():
        return []
    points = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            points.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            break
    return points


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many of the points, equally spaced, the first and the last one included."""
    if len(points) <= most:
        return list(points)
    return [points[round(at * (len(points) - 1) / (most - 1))] for at in range(most)]
