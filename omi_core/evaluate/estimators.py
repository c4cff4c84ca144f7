"""What k samples of a problem would have come to, expected over all choices of k of the n samples there are.

Every estimate is an array of shape (problems, n) whose column k - 1 is for k samples, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import comb

import numpy as np

# Up to this many samples of a problem the vote is counted over every subset, beyond it over seeded draws.
MOST_COUNTED = 64
DRAWS = 1000
# Of one problem: a class for each of very many samples makes counting slow, and draws nearly exact.
_MOST_CLASSES = 24


def pass_at_k(right: np.ndarray, n: int) -> np.ndarray:
    """Whether any of k samples is right; `right` of shape (problems,) says how many of the `n` are.

    1 - C(n - right, k) / C(n, k), as in arXiv 2107.03374.
    """
    return _pass_table(n)[right]


@cache
def _pass_table(n: int) -> np.ndarray:
    """Shape (n + 1, n): by how many are right."""
    rows = [[1 - comb(n - right, k) / comb(n, k) for k in range(1, n + 1)] for right in range(n + 1)]
    return np.array(rows)


def majority_at_k(classes: np.ndarray, right: np.ndarray, seed: int) -> np.ndarray:
    """Whether the suite's vote among k samples is right.

    `classes` of shape (problems, n) has the class of each sample in the vote over all of them, -1 for one
    that has no vote; `right`, bool of the same shape, which samples are right. A class is right when one of
    its samples is. In a draw the largest class wins, of equal ones that with the lowest sample index. Counted
    over all subsets, or over DRAWS of them drawn by `seed`, see `MOST_COUNTED`.
    """
    out = np.empty(classes.shape)
    patterns: dict[bytes, np.ndarray] = {}
    for number, (row, correct) in enumerate(zip(classes, right, strict=True)):
        winners = np.unique(row[correct & (row >= 0)])
        key = row.tobytes() + winners.tobytes()
        if key not in patterns:
            patterns[key] = _majority(row, winners, seed)
        out[number] = patterns[key]
    return out


def _majority(row: np.ndarray, winners: np.ndarray, seed: int) -> np.ndarray:
    n = len(row)
    if not len(winners):
        return np.zeros(n)
    groups = len(np.unique(row[row >= 0]))
    if groups == len(winners):  # any vote at all is a right one
        return pass_at_k(np.array([np.count_nonzero(row >= 0)]), n)[0]
    if n > MOST_COUNTED or groups > _MOST_CLASSES:
        return _drawn(row, np.ones(n), winners, seed)
    subsets = np.sum([_subsets_won(row, int(winner)) for winner in winners], axis=0)
    return subsets[1:] / np.array([float(comb(n, k)) for k in range(1, n + 1)])


def _subsets_won(row: np.ndarray, winner: int) -> np.ndarray:
    """How many subsets of each size the class `winner` wins, float64 of shape (n + 1,).

    Summed over the votes that it wins with and over its first sample in the subset. The other classes have
    fewer votes then, or as many and begin later; their subsets are counted by multiplying polynomials, in
    which the factor of x^j is in how many ways a class has j samples. Classes that cannot have so many are
    one with those that have no vote: any of their samples may be there.
    """
    n = len(row)
    own = np.flatnonzero(row == winner)
    others = [np.flatnonzero(row == other) for other in np.unique(row[row >= 0]) if other != winner]
    total = np.zeros(n + 1)
    for votes in range(1, len(own) + 1):
        large = [places for places in others if len(places) >= votes]
        free = n - len(own) - sum(map(len, large))
        loose = _binomials(free)
        below = [_binomials(len(places))[:votes] for places in large]
        fixed = loose
        for factor in below:
            fixed = np.convolve(fixed, factor)
        for at, place in enumerate(own[: len(own) - votes + 1]):
            later = [int(np.count_nonzero(places > place)) for places in large]
            ways = fixed
            if any(count >= votes for count in later):
                ways = loose
                for factor, count in zip(below, later, strict=True):
                    ways = np.convolve(ways, np.append(factor, float(comb(count, votes))))
            # The subset has `votes` of its own, this one and others after it.
            ways = ways[: n + 1 - votes] * float(comb(len(own) - at - 1, votes - 1))
            total[votes : votes + len(ways)] += ways
    return total


@cache
def _binomials(size: int) -> np.ndarray:
    return np.array([float(comb(size, j)) for j in range(size + 1)])


def _drawn(row: np.ndarray, weights: np.ndarray, winners: np.ndarray, seed: int) -> np.ndarray:
    """The share of draws of each size that one of `winners` wins, by the sum of its samples' weights.

    A draw of k is the first k of a random order, so that each order gives one of every size.
    """
    n = len(row)
    groups = np.unique(row[row >= 0])
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (DRAWS, 1)), axis=1)
    best = np.full((DRAWS, n), -np.inf)
    begins = np.full((DRAWS, n), n)
    won = np.zeros((DRAWS, n), dtype=bool)
    for group in groups:
        member = row[order] == group
        sums = np.cumsum(np.where(member, weights[order], 0.0), axis=1)
        first = np.minimum.accumulate(np.where(member, order, n), axis=1)
        there = first < n
        ahead = there & ((sums > best) | ((sums == best) & (first < begins)))
        best, begins = np.where(ahead, sums, best), np.where(ahead, first, begins)
        won = np.where(ahead, group in winners, won)
    return won.mean(axis=0)


def best_at_k(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Whether that of k samples with the highest score is right (rm@k); of equal ones the first.

    `scores` and `right` have the shape (problems, n).
    """
    n = scores.shape[1]
    order = np.argsort(-scores, axis=1, kind="stable")
    # Of subsets of k, C(n - 1 - r, k - 1) have the sample of rank r as their best.
    share = np.array([[comb(n - 1 - r, k - 1) / comb(n, k) for k in range(1, n + 1)] for r in range(n)])
    return np.take_along_axis(right, order, axis=1).astype(float) @ share


def weighted_at_k(classes: np.ndarray, right: np.ndarray, scores: np.ndarray, seed: int) -> np.ndarray:
    """As `majority_at_k` where votes weigh as much as their scores, over seeded draws."""
    rows: Sequence[np.ndarray] = [
        _drawn(row, weights, np.unique(row[correct & (row >= 0)]), seed)
        for row, correct, weights in zip(classes, right, scores, strict=True)
    ]
    return np.array(rows)


def pairs_in_order(scores: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Of each problem the share of pairs of a right and a wrong sample whose right one scores higher.

    All have the shape (problems, n), the result (problems,). Equal scores are half in order; a problem
    without such a pair has NaN.
    """
    found = np.full(len(scores), np.nan)
    for at, (own, high, low) in enumerate(zip(scores, right, wrong, strict=True)):
        if high.any() and low.any():
            found[at] = np.heaviside(own[high][:, None] - own[low][None, :], 0.5).mean()
    return found
