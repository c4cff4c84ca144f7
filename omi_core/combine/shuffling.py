"""Shuffling more rows than fit into memory: each is thrown into a bucket by a hash, and each bucket sorted.

The hash of a row is that of the seed, its input and its place there. Its first bits choose the bucket, so the
buckets in order are all rows in the order of their hashes, however many buckets there are. Memory: one
bucket, and a buffer for each; one byte for each row of an input, and 17 while rows of it are drawn.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from math import ceil, log2
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zstandard

from omi_core.combine.amounts import Amount
from omi_core.publish.fair import splitmix
from omi_core.publish.parts import (
    PartError,
    PartManifest,
    PartWriter,
    decompress,
    part_lines,
    part_path,
    split_lines,
)
from omi_core.publish.rows import MIXTURE
from omi_core.stages.reduce import made_part
from omi_core.store.files import fsync_tree, rename

BUCKET_BYTES = 64 << 20  # of lines in one bucket, on average
_MOST_BITS = 10
_BUFFER_BYTES = 64 << 10
_KEY = 16  # hex digits before each line


def shuffle(
    parts: Mapping[str, PartManifest], taken: Mapping[str, Amount], seed: int, work: Path
) -> list[Path]:
    """The rows of the inputs' parts, as often as `taken` says, as parts in a random order.

    What a killed process finished in `work` is not done again. Raises PartError and OSError.
    """
    bits = _bits(parts, taken)
    buckets, folder = work / "buckets", work / "mixed"
    folder.mkdir(exist_ok=True)
    fingerprint = next(iter(parts.values())).fingerprint
    missing = [n for n in range(1 << bits) if made_part(part_path(folder, n), fingerprint) is None]
    if missing and not buckets.is_dir():
        _fill(parts, taken, seed, bits, buckets)
    for number in missing:
        _sort(buckets / _name(number), folder, number, fingerprint)
    return [part_path(folder, number) for number in range(1 << bits)]


def _bits(parts: Mapping[str, PartManifest], taken: Mapping[str, Amount]) -> int:
    size = sum(part.size * taken[name].rows(part.rows) / part.rows for name, part in parts.items())
    return min(max(0, ceil(log2(max(size, 1) / BUCKET_BYTES))), _MOST_BITS)


def _name(bucket: int) -> str:
    return f"{bucket:04d}.zst"


def _fill(
    parts: Mapping[str, PartManifest], taken: Mapping[str, Amount], seed: int, bits: int, buckets: Path
) -> None:
    """Throw every row into its bucket; the directory has its name when all of them are on disk."""
    scratch = buckets.with_name("buckets.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    writer = _Buckets(scratch, bits)
    for name, part in parts.items():
        begin, amount = 0, taken[name]
        drawn = _drawn(name, part.rows, amount, seed)
        for lines in part_lines(part):
            end = begin + len(lines)
            copies = amount.every + amount.more * drawn[begin:end].astype(np.int64)
            keys = _keys(name, np.arange(begin, end, dtype=np.uint64), copies, seed)
            for at, key in zip(np.repeat(np.arange(len(lines)), copies).tolist(), keys.tolist(), strict=True):
                writer.add(key, lines[at])
            begin = end
    writer.finish()
    fsync_tree(scratch)
    rename(scratch, buckets)


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


class _Buckets:
    """Appends lines to one file per bucket, in frames: files are opened only to append a full buffer."""

    def __init__(self, folder: Path, bits: int) -> None:
        self._shift = 64 - bits
        self._paths = [folder / _name(bucket) for bucket in range(1 << bits)]
        self._buffers = [bytearray() for _ in self._paths]
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
        for path in self._paths:
            path.touch()

    def add(self, key: int, line: bytes) -> None:
        bucket = key >> self._shift
        buffer = self._buffers[bucket]
        buffer += b"%016x" % key
        buffer += line
        if len(buffer) >= _BUFFER_BYTES:
            self._flush(bucket)

    def finish(self) -> None:
        for bucket, buffer in enumerate(self._buffers):
            if buffer:
                self._flush(bucket)

    def _flush(self, bucket: int) -> None:
        with self._paths[bucket].open("ab") as file:
            file.write(self._compressor.compress(bytes(self._buffers[bucket])))
        self._buffers[bucket].clear()


def _sort(bucket: Path, folder: Path, number: int, fingerprint: str) -> None:
    """One bucket as a part, in the order of the hashes; of equal ones the input before comes first."""
    lines = sorted(_lines(bucket), key=lambda line: line[:_KEY])
    with PartWriter(folder, number, fingerprint=fingerprint, schema=MIXTURE) as part:
        for line in lines:
            part.append(line[_KEY:])
        part.finish()
    os.truncate(bucket, 0)  # it is not read again, and the dataset takes the room


def _lines(bucket: Path) -> Iterator[bytes]:
    try:
        with bucket.open("rb") as file:
            for lines in split_lines(decompress(file)):
                yield from lines
    except zstandard.ZstdError as error:
        raise PartError(f"{bucket}: damaged ({error}); remove {bucket.parent} and mix again") from error
