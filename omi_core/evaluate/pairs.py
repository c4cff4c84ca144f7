"""Two evaluations of the same problems: how they differ, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from omi_core.evaluate.bootstrap import Difference, paired
from omi_core.evaluate.figures import MAJORITY, PASS, per_problem
from omi_core.evaluate.outcome import Scored
from omi_core.evaluate.tallies import Tally

_SEED = 0
_INTERVAL = {"difference": "value", "low": "low", "high": "high"}


@dataclass(frozen=True, slots=True)
class Pair:
    """What the second of two evaluations has more than the first, over the problems that both have."""

    benchmark: str
    metric: str
    problems: int
    difference: Difference

    @property
    def told(self) -> str:
        """+3.1 points (-0.4 to 6.6), 40 better, 28 worse: not resolved"""
        found = self.difference
        value, low, high = (each * 100 for each in (found.value, found.low, found.high))
        end = "" if found.resolved else ": not resolved"
        return (
            f"{value:+.1f} points ({low:+.1f} to {high:+.1f}), {found.gained} better, {found.lost} worse{end}"
        )

    def to_json(self) -> dict[str, Any]:
        """What `jobs.compare` writes of it: the difference and its interval as shares in [-1, 1]."""
        found = self.difference
        return {
            "benchmark": self.benchmark,
            "metric": self.metric,
            "problems": self.problems,
            **{key: round(getattr(found, value), 6) for key, value in _INTERVAL.items()},
            "better": found.gained,
            "worse": found.lost,
            "resolved": found.resolved,
        }


def pairs_of(first: Scored, second: Scored) -> Iterator[Pair]:
    """For each benchmark in both: the differences in pass@1 and, with equally many samples, in the vote.

    Raises:
        ValueError: a file of an evaluation is damaged.
    """
    others = {tally.benchmark: tally for tally in second.tallies()}
    for one in first.tallies():
        if one.benchmark in others:
            yield from _pairs(one, others[one.benchmark])


def _pairs(one: Tally, other: Tally) -> Iterator[Pair]:
    places = {problem["record_id"]: at for at, problem in enumerate(other.problems)}
    common = [
        (at, places[problem["record_id"]])
        for at, problem in enumerate(one.problems)
        if problem["record_id"] in places
    ]
    if not common:
        return
    first, second = (
        per_problem(tally.part(np.array(at)), _SEED)
        for tally, at in zip((one, other), zip(*common, strict=True), strict=True)
    )
    yield Pair(one.benchmark, "pass@1", len(common), paired(first[PASS][:, 0], second[PASS][:, 0], _SEED))
    if one.samples == other.samples > 1:
        voted = paired(first[MAJORITY][:, -1], second[MAJORITY][:, -1], _SEED)
        yield Pair(one.benchmark, f"maj@{one.samples}", len(common), voted)
