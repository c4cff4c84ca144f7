"""Which row is seen when: the same for any number of processes, after any kill.

Rows are numbered over all epochs; update `n` takes the rows from n * batch on. Each epoch is shuffled by the
seed and its number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np


def update_steps(rows: int, epochs: float, batch: int, steps: int | None) -> int:
    """Updates of a stage. The last one is filled up with rows of a further epoch."""
    return steps or max(1, math.ceil(rows * epochs / batch - 1e-9))


def example_order(rows: int, seen: int, seed: int) -> Iterator[int]:
    """The numbers of the first `seen` rows, epoch after epoch."""
    for epoch in range(math.ceil(seen / rows)):
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        yield from order[: seen - epoch * rows].tolist()


def micro_batch(batch: int, processes: int, most: int) -> int:
    """The largest number up to `most` that divides the share of a process; 0: there is no such share."""
    share, rest = divmod(batch, processes)
    return 0 if rest else next(size for size in range(min(most, share), 0, -1) if share % size == 0)
