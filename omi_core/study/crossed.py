"""Means over seeds and problems at once, with intervals that hold for other seeds and other problems.

Every seed is asked the same problems, so what is measured is a table of seeds by problems, and both are
samples: with five seeds of a training another five would come out otherwise, as other problems would. The
variance of the mean is that of the two-way layout with random effects, without interaction beyond the rest,

    (MS_seeds + MS_problems - MS_rest) / (seeds * problems),

at least what seeds alone, or problems alone, would give; its degrees of freedom are Satterthwaite's (1946),
of those two and the rest. Few seeds thus make wide intervals, and no number of problems narrows them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Crossed:
    """A mean over a table of seeds by problems, its standard error, and the degrees of freedom of that.

    `spread` is the standard deviation of the seeds' means; NaN with one seed, as is `error`.
    """

    mean: float
    spread: float
    error: float
    freedom: float
    seeds: int
    problems: int

    @property
    def interval(self) -> tuple[float, float]:
        """Where the mean is with a confidence of `LEVEL`; unbounded with one seed or problem."""
        if math.isnan(self.error):
            return -math.inf, math.inf
        half = self.error * quantile((1 + LEVEL) / 2, self.freedom) if self.error else 0.0
        return self.mean - half, self.mean + half

    def above(self, value: float) -> float:
        """The probability of a mean as high as this one, or higher, if the true one were `value`."""
        if math.isnan(self.error):
            return 1.0
        if not self.error:  # every seed and problem says the same
            return 0.0 if self.mean > value else 1.0
        return tail((self.mean - value) / self.error, self.freedom)

    def below(self, value: float) -> float:
        """As `above`, of a mean as low or lower."""
        return Crossed(-self.mean, self.spread, self.error, self.freedom, self.seeds, self.problems).above(
            -value
        )


def crossed(table: npt.NDArray[np.float64]) -> Crossed:
    """The mean of a table of shape (seeds, problems), each at least 1. Raises ValueError: it is empty."""
    seeds, problems = table.shape
    if not table.size:
        raise ValueError("a mean needs a seed and a problem")
    mean = float(table.mean())
    of_seeds, of_problems = table.mean(axis=1), table.mean(axis=0)
    spread = float(of_seeds.std(ddof=1)) if seeds > 1 else math.nan
    if seeds == 1 or problems == 1:
        return Crossed(mean, spread, math.nan, math.nan, seeds, problems)
    rest = table - of_seeds[:, None] - of_problems + mean
    free = np.array([seeds - 1, problems - 1, (seeds - 1) * (problems - 1)], float)
    squares = (
        np.array(
            [
                problems * ((of_seeds - mean) ** 2).sum(),
                seeds * ((of_problems - mean) ** 2).sum(),
                (rest**2).sum(),
            ]
        )
        / free
    )
    squares[squares < 1e-24] = 0.0
    variance = max(squares[0] + squares[1] - squares[2], squares[0], squares[1])
    if not variance:
        return Crossed(mean, spread, 0.0, math.inf, seeds, problems)
    freedom = variance**2 / (squares**2 / free).sum()
    # No less than seeds alone have: the sum above takes the rest for a part where it is only taken off.
    freedom = max(float(freedom), float(min(free[:2])))
    return Crossed(mean, spread, math.sqrt(variance / table.size), freedom, seeds, problems)


def tail(t: float, freedom: float) -> float:
    """The probability that Student's t with these degrees of freedom is `t` or more."""
    if math.isinf(freedom):
        return 0.5 * math.erfc(t / math.sqrt(2))
    import mpmath

    within = freedom / (freedom + t * t)
    half = 0.5 * float(mpmath.betainc(freedom / 2, 0.5, 0, within, regularized=True))
    return half if t > 0 else 1 - half


def quantile(share: float, freedom: float) -> float:
    """The value that this share, of 0.5 or more, of Student's t does not exceed."""
    low, high = 0.0, 1.0
    while tail(high, freedom) > 1 - share:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle, freedom) > 1 - share else (low, middle)
    return high
