"""Error bars: how far a mean over problems might have come out otherwise.

Problems are drawn again with replacement, `DRAWS` times. What differs from one problem to the next holds the
chance of sampling, too, so these intervals cover both. Two good and two bad problems are added before
(Agresti and Coull, 1998): without them 0 of 30 would read as certainty. With one sample a problem these are a
right and a wrong one; where problems differ by less, as means over many samples do, so do those added.
Intervals are those of 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS = 2000
_ADDED = 2
_LEVEL = (2.5, 97.5)
_CELLS = 1 << 21  # of an array at once


def intervals(values: np.ndarray, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the means of columns; `values` in [0, 1], of shape (problems, columns).

    `samples` are those of each problem: means over them differ by chance at least. A few problems that
    happen to be alike tell little of how alike others are, either.
    """
    mean = values.mean(axis=0)
    most = np.sqrt(mean * (1 - mean))  # how far values with this mean can differ, when all are 0 or 1
    share = np.divide(values.std(axis=0), most, out=np.ones_like(mean), where=most > 0)
    share = np.clip(share, min(samples, len(values)) ** -0.5, 1.0)
    added = np.repeat([mean - share * mean, mean + share * (1 - mean)], _ADDED, axis=0)
    return _around(values, added, seed)


def plain_intervals(values: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """As `intervals`, of values of any size, such as numbers of tokens; nothing is added."""
    return _around(values, values[:0], seed)


def sampling_intervals(
    right: np.ndarray, n: int, table: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the same problems answered anew: samples are drawn again within each problem.

    `right` of shape (problems,) says how many of `n` are right, `table` of shape (n + 1, columns) what that
    comes to.
    """
    rng = np.random.default_rng(seed)
    shares = (right + 0.5) / (n + 1)  # Jeffreys: a problem with all samples right may have been lucky
    step = max(1, _CELLS // (len(right) * table.shape[1]))
    sizes = (min(step, DRAWS - start) for start in range(0, DRAWS, step))
    means = [table[rng.binomial(n, shares, (many, len(shares)))].mean(axis=1) for many in sizes]
    low, high = np.percentile(np.concatenate(means), _LEVEL, axis=0)
    mean = table[right].mean(axis=0)
    return np.minimum(low, mean), np.maximum(high, mean)


@dataclass(frozen=True, slots=True)
class Difference:
    """How two evaluations of the same problems differ: the second's mean minus the first's.

    `gained` problems are better in the second, `lost` ones worse.
    """

    value: float
    low: float
    high: float
    gained: int
    lost: int

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def paired(first: np.ndarray, second: np.ndarray, seed: int) -> Difference:
    """The difference of two means over the same problems, each of shape (problems,), drawn together.

    Added are a gain and a loss as large as the largest difference (Agresti and Min, 2005).
    """
    apart = (second - first)[:, None]
    largest = np.abs(apart).max() or 1.0
    low, high = _around(apart, np.array([[-largest], [largest]]), seed)
    return Difference(
        float(apart.mean()),
        float(low[0]),
        float(high[0]),
        int(np.count_nonzero(apart > 1e-12)),
        int(np.count_nonzero(apart < -1e-12)),
    )


def _around(values: np.ndarray, added: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    drawn = _means(np.concatenate([values, added]), seed)
    low, high = np.percentile(drawn, _LEVEL, axis=0)
    mean = values.mean(axis=0)
    return np.minimum(low, mean), np.maximum(high, mean)


def _means(values: np.ndarray, seed: int) -> np.ndarray:
    """Means of problems drawn again, of shape (DRAWS, columns); a few draws at a time, so memory is flat."""
    rng = np.random.default_rng(seed)
    count = len(values)
    step = max(1, _CELLS // count)
    means = []
    for start in range(0, DRAWS, step):
        many = min(step, DRAWS - start)
        picked = rng.integers(0, count, (many, count), dtype=np.int32)
        picked += np.arange(many, dtype=np.int32)[:, None] * count
        weights = np.bincount(picked.ravel(), minlength=many * count).reshape(many, count)
        means.append(weights @ values / count)
    return np.concatenate(means)
