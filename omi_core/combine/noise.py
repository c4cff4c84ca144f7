"""Which solutions are replaced by bad ones, and by which: a wrong one of the problem, or another's.

These are the two kinds of noise of OpenMathInstruct-2 (https://arxiv.org/abs/2410.01560). The share is met to
the row. No bad solution is used twice for a problem, nor where the problem has it already, so no row becomes
a duplicate. It is drawn by hashes of seed, problem and solution: of the same rows, those that a smaller share
replaces are among those that a larger one does, by the same solutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
import numpy.typing as npt

from omi_core.combine.chosen_rows import Chosen, Numbers, Pairs
from omi_core.combine.combine_options import decimal_share
from omi_core.options import ConfigError
from omi_core.publish.fair import splitmix


@dataclass(frozen=True, slots=True)
class Replacing:
    """Rows that get another solution, by their number among all, ascending; and whose, by its number."""

    rows: Numbers
    by: Numbers


def replacing(chosen: Chosen, share: float, seed: int, wrong: Pairs | None) -> Replacing:
    """What takes the place of this share of the taken rows: of the `wrong` ones, else of each other's.

    `by` are numbers among the wrong ones, or among all rows. Raises ConfigError: there are too few.
    """
    count = floor(decimal_share(share) * len(chosen.taken) + Fraction(1, 2))
    draws = splitmix(chosen.pairs.keys(), "noise", seed)
    if wrong is None:
        may, by = _of_others(chosen.pairs, draws, seed)
        by = chosen.taken[by]
    else:
        may, by = _of_the_same(chosen.pairs, draws, wrong, seed)
    if len(may) < count:
        why = (
            "have a wrong solution to take its place"
            if wrong is not None
            else "can get that of another problem"
        )
        raise ConfigError(
            f"noise.share={share:g}: is {count:,} of {len(chosen.taken):,} rows, and {len(may):,} {why}; "
            "lower it" + ("" if wrong is None else ", or give more of them by noise.wrong")
        )
    first = np.argsort(draws[may], kind="stable")[:count]
    rows = chosen.taken[may[first]]
    order = np.argsort(rows)
    return Replacing(rows[order], by[first][order])


def _of_the_same(
    rows: Pairs, draws: npt.NDArray[np.uint64], wrong: Pairs, seed: int
) -> tuple[Numbers, Numbers]:
    """Rows with a wrong solution for each, one after another as both are drawn; and its number."""
    keys = wrong.keys()
    usable = np.sort(np.unique(keys, return_index=True)[1])
    usable = usable[~np.isin(keys[usable], rows.keys())]
    given = _in_turn(wrong.problem[usable], splitmix(keys[usable], "wrong", seed))
    taken = _in_turn(rows.problem, draws)
    # Where both are the n-th of their problem, they meet.
    _, at_row, at_given = np.intersect1d(taken, given, assume_unique=True, return_indices=True)
    return at_row.astype(np.int64), usable[at_given]


def _in_turn(problems: npt.NDArray[np.uint64], draws: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A key for each row, of its problem and its place among those of its problem as they are drawn."""
    order = np.lexsort((draws, problems))
    starts = np.flatnonzero(np.diff(problems[order], prepend=~problems[order[:1]]))
    place = np.arange(len(problems)) - np.repeat(starts, np.diff(starts, append=len(problems)))
    keys = np.empty(len(problems), np.uint64)
    keys[order] = splitmix(problems[order], "turn") + place.astype(np.uint64)
    return keys


def _of_others(rows: Pairs, draws: npt.NDArray[np.uint64], seed: int) -> tuple[Numbers, Numbers]:
    """Rows with the row of another problem for each, none of them twice.

    The rows of a problem stand together, problems in a drawn order. A row gets the solution that lies as many
    places further as the largest problem has rows, which is of another problem.
    """
    count = len(rows.problem)
    order = np.lexsort((draws, rows.problem, splitmix(rows.problem, "donor", seed)))
    most = int(np.unique(rows.problem, return_counts=True)[1].max(initial=0))
    by = np.empty(count, np.int64)
    by[order] = np.roll(order, -most)
    given = Pairs(rows.problem, rows.solution[by]).keys()
    # The first of those that would give a problem the same text, as they are drawn.
    by_draw = np.argsort(draws, kind="stable")
    once = np.zeros(count, np.bool_)
    once[by_draw[np.unique(given[by_draw], return_index=True)[1]]] = True
    may = once & (rows.problem != rows.problem[by]) & ~np.isin(given, rows.keys())
    return np.flatnonzero(may), by[may]
