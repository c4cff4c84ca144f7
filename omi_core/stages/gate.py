"""The gate before reduce: are all keys of the plan on disk, and whole?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from omi_core.run.index import set_aside
from omi_core.run.keys import missing_ranges, settled
from omi_core.stages.run import Run


def missing(run: Run, warn: Callable[[str], None]) -> np.ndarray:
    """The key ranges still to be generated, int64 of shape (r, 2), every journal read and checked.

    Damaged frames are set aside, so that their keys count as missing, and told to `warn`. A run whose
    samples were given has nothing to generate.
    """
    if not run.plan.complete:
        return np.empty((0, 2), dtype=np.int64)
    found = settled(run.layout.journals(), run.plan.records, run.plan.samples, verify=True)
    for damage in found.damage:
        set_aside(damage.path, damage)
        warn(f"{damage}; set aside, its samples are generated again")
    return missing_ranges(found.done)


def count(ranges: np.ndarray) -> int:
    """Keys in half-open ranges of shape (r, 2)."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())
