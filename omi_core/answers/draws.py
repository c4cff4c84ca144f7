"""How good a vote of fewer samples would have been: a record's samples are cut into disjoint draws.

A draw of k is k samples that follow each other. It takes no new comparison: the classes of the vote over all
samples and the verdicts against the ground truth tell whose majority a draw would have had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omi_core.answers.policy import Verdict


@dataclass(frozen=True, slots=True)
class Draws:
    """`number` draws of `size` samples each, and in how many the majority, or any sample, is right."""

    size: int
    number: int
    majority: int
    solved: int


def count_draws(classes: Sequence[int | None], verdicts: Sequence[Verdict | None]) -> Iterator[Draws]:
    """The draws of 1, 2, 4, … samples of one record, up to as many as it has; what is left over is in none.

    `classes` are those of `Vote`, `verdicts` compare each sample with the ground truth; both are None for a
    sample without an answer, which takes its place in a draw and has no vote. Ties go to the class that
    comes first, as in `vote`. A majority is right when one of its samples in the draw is EQUAL, so it never
    is where no sample of the draw is.
    """
    right = [
        group if verdict is Verdict.EQUAL else None for group, verdict in zip(classes, verdicts, strict=True)
    ]
    usual = next((group for group in right if group is not None), -1)
    if right:  # alone, each sample that is right is the majority, too
        hits = len(right) - right.count(None)
        yield Draws(1, len(right), hits, hits)
    size = 2
    while size <= len(right):
        number = len(right) // size
        majority = solved = 0
        for start in range(0, number * size, size):
            hits = right[start : start + size]
            if 2 * hits.count(usual) > size:  # of most draws, and told in a fraction of the time
                solved += 1
                majority += 1
            elif hits.count(None) < size:
                solved += 1
                majority += _winner(classes[start : start + size]) in hits
        yield Draws(size, number, majority, solved)
        size *= 2


def _winner(classes: Sequence[int | None]) -> int | None:
    groups = dict.fromkeys(classes)  # as a set, but in order
    groups.pop(None, None)
    # Of equal counts max takes the first; counting anew for each group beats a Counter for so few.
    return max(groups, key=classes.count) if len(groups) > 1 else next(iter(groups))
