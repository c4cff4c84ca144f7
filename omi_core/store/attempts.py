"""Attempts of the generate stage: which keys each takes on, and what each of its tasks gets of them.

The keys of an attempt are fixed when it is made, so that its tasks agree on their shares however much is
written meanwhile.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import orjson

from omi_core.hints import hint
from omi_core.store.files import fsync_path, read_json, write_atomic
from omi_core.store.keys import count_keys, one_share, running_sizes
from omi_core.store.layout import Layout
from omi_core.store.seals import with_check, without_check

_ATTEMPT = re.compile(r"(\d{4,})(-\d{5,})?\.json(l\.zst)?")


class AttemptDamaged(ValueError):
    """An attempt's file is gone or damaged: which samples its tasks share is not known any more."""


@dataclass(frozen=True)
class Attempt:
    """Number (from 1), number of tasks, and the flattened keys taken on: int64 ranges of shape (r, 2).

    Shares are cut at multiples of `whole` keys.
    """

    number: int
    tasks: int
    ranges: np.ndarray
    whole: int = 1

    def share(self, task: int) -> np.ndarray:
        """The key ranges of one task, shape (r, 2)."""
        if not 0 <= task < self.tasks:
            raise IndexError(f"attempt {self.number} has no task {task}, only {self.tasks}")
        return one_share(self.ranges, self._ends, task, self.tasks, self.whole)

    @cached_property
    def _ends(self) -> np.ndarray:
        return running_sizes(self.ranges)

    def share_size(self, task: int) -> int:
        """Keys of one task's share."""
        return count_keys(self.share(task))

    @property
    def keys(self) -> int:
        return count_keys(self.ranges)


def new_attempt(layout: Layout, ranges: np.ndarray, tasks: int, whole: int = 1) -> Attempt:
    """Writes the next attempt, durably; two processes never get the same number."""
    keys = count_keys(ranges)
    tasks = max(1, min(tasks, keys))
    layout.generate.mkdir(exist_ok=True)
    temporary = layout.generate / f".attempt.{secrets.token_hex(4)}.tmp"
    row = {"tasks": tasks, "keys": keys, "ranges": ranges.tolist()} | ({"whole": whole} if whole > 1 else {})
    write_atomic(temporary, orjson.dumps(with_check(row)))
    try:
        number = next_number(layout)
        while True:
            with suppress(FileExistsError):
                os.link(temporary, layout.attempt(number))
                break
            number += 1
    finally:
        temporary.unlink()
    fsync_path(layout.generate)
    return Attempt(number, tasks, ranges, whole)


def read_attempt(layout: Layout, number: int) -> Attempt:
    """An attempt that was made before. Raises AttemptDamaged."""
    path = layout.attempt(number)
    try:
        row = without_check(read_json(path))
        ranges = np.array(row["ranges"], dtype=np.int64).reshape(-1, 2)
        if count_keys(ranges) != row["keys"]:
            raise ValueError("its ranges do not hold its keys")
        return Attempt(number, int(row["tasks"]), ranges, int(row.get("whole", 1)))
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        again = hint("resume", layout.root)
        raise AttemptDamaged(
            f"{path}: gone or damaged ({why}); to send its samples again: {again}"
        ) from error


def next_number(layout: Layout) -> int:
    """The number that the next attempt will have, also after those of which only journals are left."""
    paths = layout.generate.iterdir() if layout.generate.is_dir() else ()
    names = (_ATTEMPT.fullmatch(path.name) for path in paths)
    return max((int(found[1]) for found in names if found), default=0) + 1
