"""When a vote is settled before all samples are drawn: the rules of adaptive sampling.

Both rules look at the votes alone, so that the same samples always settle at the same number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction


def is_settled(classes: Sequence[int | None], left: int, confidence: float = 1.0) -> bool:
    """Whether `left` more samples need not be drawn.

    `classes` are those of a `Vote`: of each sample the number of its class, in the order of their first
    samples; None did not vote. The vote is settled when no class, seen or not, can take the lead with all of
    `left`; or, with `confidence` below 1, when the two largest classes have at least that `lead_probability`.
    """
    sizes = Counter(number for number in classes if number is not None)
    if not sizes:
        return left == 0
    leader = max(sizes, key=lambda number: (sizes[number], -number))
    lead = sizes.pop(leader)
    # Of equal classes the earlier one wins, and one that nobody has voted for yet would be the last.
    if left <= lead and all((size + left, -number) < (lead, -leader) for number, size in sizes.items()):
        return True
    second = max(sizes.values(), default=0)
    return confidence < 1 and lead_probability(lead, second) >= Fraction(confidence)


def lead_probability(lead: int, second: int) -> Fraction:
    """How likely the class with `lead` votes is more frequent than the one with `second`, exactly.

    It is the probability that a share is over 1/2 under Beta(lead + 1, second + 1): what a uniform prior
    becomes by these votes. This is the stopping rule of Adaptive-Consistency (arXiv 2305.11860, section 3),
    which stops at 0.95. As a posterior it holds however often one looks. It leaves out all other classes.
    """
    number = lead + second + 1
    chosen = total = 1  # ways to choose 0 of them
    for k in range(lead):
        chosen = chosen * (number - k) // (k + 1)
        total += chosen
    return Fraction(total, 2**number)
