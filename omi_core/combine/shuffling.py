"""Shuffling more rows than fit into memory: sorted by a hash of the seed, their input and their place.

Memory: one bucket, and a buffer for each; one byte for each row of an input, and 17 while rows of it are
drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from omi_core.combine.amounts import Amount
from omi_core.combine.buckets import KEY, Buckets, parts_of_buckets
from omi_core.publish.fair import splitmix
from omi_core.publish.parts import PartManifest, PartWriter, part_lines
from omi_core.publish.rows import MIXTURE


def shuffle(
    parts: Mapping[str, PartManifest], taken: Mapping[str, Amount], seed: int, work: Path
) -> list[Path]:
    """The rows of the inputs' parts, as often as `taken` says, as parts in a random order.

    What a killed process finished in `work` is not done again. Raises PartError and OSError.
    """
    size = sum(part.size * taken[name].rows(part.rows) / part.rows for name, part in parts.items())
    fingerprint = next(iter(parts.values())).fingerprint

    def fill(buckets: Buckets) -> None:
        for name, part in parts.items():
            _add(buckets, name, part, taken[name], seed)

    def write(lines: list[bytes], number: int) -> None:
        with PartWriter(work / "mixed", number, fingerprint=fingerprint, schema=MIXTURE) as part:
            for line in lines:
                part.append(line[KEY:])
            part.finish()

    return parts_of_buckets(size, work, fingerprint, fill, write)


def _add(buckets: Buckets, name: str, part: PartManifest, amount: Amount, seed: int) -> None:
    """Throw every row of an input into its bucket."""
    begin = 0
    drawn = _drawn(name, part.rows, amount, seed)
    for lines in part_lines(part):
        end = begin + len(lines)
        copies = amount.every + amount.more * drawn[begin:end].astype(np.int64)
        keys = _keys(name, np.arange(begin, end, dtype=np.uint64), copies, seed)
        for at, key in zip(np.repeat(np.arange(len(lines)), copies).tolist(), keys.tolist(), strict=True):
            buckets.add(key, lines[at])
        begin = end


def _drawn(name: str, rows: int, amount: Amount, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows of an input are drawn: those of the smallest hashes, which are all different."""
    if not amount.drawn:
        return np.zeros(rows, np.bool_)
    hashes = splitmix(np.arange(rows, dtype=np.uint64), "draw", seed, name)
    return hashes <= np.partition(hashes, amount.drawn - 1)[amount.drawn - 1]


def _keys(
    name: str, ordinals: npt.NDArray[np.uint64], copies: npt.NDArray[np.int64], seed: int
) -> npt.NDArray[np.uint64]:
    """A hash for each copy of each row."""
    number = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
    # The copies of a row are told apart by the upper bits; no input has 2^40 rows.
    return splitmix(
        np.repeat(ordinals, copies) | number.astype(np.uint64) << np.uint64(40), "order", seed, name
    )
