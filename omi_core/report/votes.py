"""Accuracy against the number of samples that vote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Accuracy:
    """Shares of records solved with `samples` samples each: by the majority's answer, by any of them."""

    samples: int
    majority: float
    solved: float


def accuracy_by_votes(counts: Mapping[str, Any], samples: int) -> list[Accuracy]:
    """Points in rising number of samples; none without a ground truth.

    They come from `truth.draws.K`: the number of draws of K samples each, how many had the right majority,
    and how many a right sample. With one sample and with all `samples` of a record they follow from the
    counts of the whole, too, also where `samples` is no power of two.
    """
    truth = counts.get("truth", {})
    if not truth.get("samples") or not truth.get("records"):
        return []
    single = truth.get("equal", 0) / truth["samples"]
    points = {1: Accuracy(1, single, single)}
    for size, drawn in truth.get("draws", {}).items():
        if drawn.get("draws"):
            majority, solved = drawn.get("majority", 0), drawn.get("solved", 0)
            points[int(size)] = Accuracy(int(size), majority / drawn["draws"], solved / drawn["draws"])
    # This many votes per record only where every record has all its samples.
    if samples > 1 and counts.get("samples") == counts.get("records", 0) * samples:
        majority, solved = truth.get("majority_equal", 0), truth.get("records_solved", 0)
        points[samples] = Accuracy(samples, majority / truth["records"], solved / truth["records"])
    return [points[size] for size in sorted(points)]
