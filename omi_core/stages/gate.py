"""The gate before reduce: are all keys of the plan on disk, and whole?"""

from __future__ import annotations

import sys

import numpy as np

from omi_core.stages.run import Run
from omi_core.store.index import set_aside
from omi_core.store.keys import missing_ranges, settled


class ImportDamaged(RuntimeError):
    """A journal of imported samples is broken: they cannot be generated again, only imported again."""


def missing(run: Run, mend: bool = True) -> np.ndarray:
    """The key ranges still to be generated, int64 of shape (r, 2), every journal read and checked.

    The keys of damaged frames are missing. To `mend` is to set these aside, with a warning on stderr.

    Raises:
        ImportDamaged: frames are damaged in a run whose samples were given, which has nothing to generate.
    """
    found = settled(run.layout.journals(), run.plan.records, run.plan.samples, verify=True)
    if not run.plan.complete:
        if found.damage and mend:
            raise ImportDamaged(f"{found.damage[0]}; import the samples again with run.fresh=true")
        return np.empty((0, 2), dtype=np.int64)
    for damage in found.damage if mend else ():
        set_aside(damage.path, damage)
        warn(f"{damage}; set aside, its samples are generated again")
    return missing_ranges(found.done)


def warn(line: str) -> None:
    """A line on stderr about something mended on the way."""
    print(f"warning: {line}", file=sys.stderr, flush=True)
