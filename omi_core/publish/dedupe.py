"""Which rows were seen before: an open-addressing hash set of 128-bit keys in one numpy array.

A Python set of digests takes over 100 bytes a row; this one takes 16 bytes a slot, 22 to 43 bytes a row,
and is probed a batch at a time. The chance that two different rows are taken for one is below n² / 2^128,
the birthday bound for the 127 bits kept: under 1e-24 for 14 million rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def digest_keys(keys: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """128 bits for each key, as two columns."""
    digests = b"".join([hashlib.blake2b(key, digest_size=16).digest() for key in keys])
    return np.frombuffer(digests, np.dtype("<u8")).reshape(-1, 2).astype(np.uint64)


class SeenRows:
    """A set that holds up to `capacity` keys; memory: 16 bytes x the power of two >= 4/3 `capacity`."""

    def __init__(self, capacity: int) -> None:
        slots = 1 << max(10, (capacity * 4 // 3).bit_length())
        self._low = np.zeros(slots, np.uint64)
        self._high = np.zeros(slots, np.uint64)
        self._mask = np.uint64(slots - 1)
        self._free = slots - 1

    def add(self, digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Add the keys of these digests; True where one is new, so that of equal ones only the first is.

        Raises ValueError when more keys come than the set was made for.
        """
        low, high = digests[:, 0] | np.uint64(1), digests[:, 1]  # 0 marks a free slot
        order = np.lexsort((high, low))  # stable: the first of equal keys comes first
        repeated = (low[order[1:]] == low[order[:-1]]) & (high[order[1:]] == high[order[:-1]])
        first = np.sort(np.delete(order, np.flatnonzero(repeated) + 1))
        new = np.zeros(len(digests), np.bool_)
        new[first] = self._insert(low[first], high[first])
        return new

    def has(self, digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which of these digests are in the set; it stays as it is."""
        low, high = digests[:, 0] | np.uint64(1), digests[:, 1]
        found = np.zeros(len(digests), np.bool_)
        pending = np.arange(len(digests))
        slot = high & self._mask
        while len(pending):
            at = slot[pending]
            here = (self._low[at] == low[pending]) & (self._high[at] == high[pending])
            found[pending[here]] = True
            pending = pending[~here & (self._low[at] != 0)]
            slot[pending] = (slot[pending] + np.uint64(1)) & self._mask
        return found

    def _insert(self, low: npt.NDArray[np.uint64], high: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Insert distinct keys by linear probing, all of them one step at a time."""
        if len(low) > self._free:
            raise ValueError("the set of seen rows is full: more rows came than were announced")
        new = np.zeros(len(low), np.bool_)
        pending = np.arange(len(low))
        slot = high & self._mask
        while len(pending):
            at = slot[pending]
            free = self._low[at] == 0
            # Several keys may want one free slot: all write, the one that is read back has it.
            self._low[at[free]] = low[pending[free]]
            self._high[at[free]] = high[pending[free]]
            here = (self._low[at] == low[pending]) & (self._high[at] == high[pending])
            new[pending[here & free]] = True
            pending = pending[~here]
            slot[pending] = (slot[pending] + np.uint64(1)) & self._mask
        self._free -= int(new.sum())
        return new
