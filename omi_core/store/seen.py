"""Which samples of a plan are on disk: a count and a digest, told from the indexes of the journals.

What is made of samples keeps these two, and is finished as long as they are those of what is there now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from omi_core.records import Seen
from omi_core.store.frames import Frame
from omi_core.store.index import contents
from omi_core.store.keys import refuse_outside

_LANES = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03))


class Survey:
    """Adds up the samples of journals for consecutive ranges of ordinals.

    `bounds` are the n + 1 ordinals at which the n ranges begin and the last one ends; `samples` is how many
    a record has in the plan. Give the journals in the order in which they are read: of two samples with one
    key the first counts. Memory: a byte for each key, and some 50 for each key of one journal.
    """

    def __init__(self, bounds: Sequence[int], samples: int) -> None:
        self._bounds = np.array(bounds, dtype=np.int64)
        self._samples = samples
        self._done = np.zeros((bounds[-1] - bounds[0]) * samples, dtype=bool)
        self._counts = np.zeros(len(bounds) - 1, dtype=np.int64)
        self._sums = np.zeros((len(_LANES), len(bounds) - 1), dtype=np.uint64)

    def add(self, path: Path, frames: Iterable[Frame]) -> None:
        """Counts the frames of the journal at `path`. Raises KeyOutsidePlan for a sample too many."""
        first, last = int(self._bounds[0]), int(self._bounds[-1])
        within = [frame for frame in frames if frame.first < last and frame.last >= first]
        if not within:
            return
        keys = np.concatenate([frame.keys for frame in within]).astype(np.int64)
        crcs = np.repeat([frame.crc for frame in within], [len(frame.keys) for frame in within])
        asked = (keys[:, 0] >= first) & (keys[:, 0] < last)
        keys, crcs = keys[asked], crcs[asked]
        refuse_outside(keys, path, last, self._samples)
        at = (keys[:, 0] - first) * self._samples + keys[:, 1]
        new = ~self._done[at]
        self._done[at] = True
        self._count(keys[new], crcs[new])

    def _count(self, keys: np.ndarray, crcs: np.ndarray) -> None:
        ranges = np.searchsorted(self._bounds, keys[:, 0], "right") - 1
        self._counts += np.bincount(ranges, minlength=len(self._counts))
        # The frame's checksum speaks for the text. A sum, for their order does not matter.
        names = _mixed((keys[:, 0] * self._samples + keys[:, 1]).astype(np.uint64)) + crcs.astype(np.uint64)
        for lane, sums in zip(_LANES, self._sums, strict=True):
            np.add.at(sums, ranges, _mixed(names ^ lane))

    def seen(self) -> list[Seen]:
        """What there is of each range."""
        digests = ("".join(f"{value:016x}" for value in sums) for sums in self._sums.T.tolist())
        return [Seen(count, digest) for count, digest in zip(self._counts.tolist(), digests, strict=True)]

    @property
    def done(self) -> np.ndarray:
        """Whether a key is there: bool of shape (ordinals * samples,), from the first ordinal on."""
        return self._done


def survey(journals: Iterable[Path], bounds: Sequence[int], samples: int) -> Survey:
    """The survey of whole journals, by their indexes. Raises KeyOutsidePlan."""
    found = Survey(bounds, samples)
    for path in journals:
        found.add(path, contents(path).frames)
    return found


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit of a value reaches every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
