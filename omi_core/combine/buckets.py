"""Sorting more lines than fit into memory: each is thrown into a bucket by its key, and each bucket sorted.

The first bits of a key choose the bucket, so the buckets in order are all lines in the order of their keys,
however many buckets there are. Memory: one bucket, and a buffer for each.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from math import ceil, log2
from pathlib import Path

import zstandard

from omi_core.publish.parts import PartError, decompress, part_path, split_lines
from omi_core.stages.reduce import made_part
from omi_core.store.files import fsync_tree, rename

BUCKET_BYTES = 64 << 20  # of lines in one bucket, on average
KEY = 16  # hex digits before each line
_MOST_BITS = 10
_BUFFER_BYTES = 64 << 10


def parts_of_buckets(
    size: float,
    work: Path,
    fingerprint: str,
    fill: Callable[[Buckets], None],
    write: Callable[[list[bytes], int], None],
) -> list[Path]:
    """Makes a part of every bucket in `work`/mixed; returns their paths, in order.

    `fill` adds all lines, of about `size` bytes; `write` makes the part of a number out of a bucket's lines,
    each behind its `KEY`, in the order of their keys; of equal ones the line that was added first comes
    first. What a killed process finished is not done again. Raises PartError and OSError.
    """
    bits = min(max(0, ceil(log2(max(size, 1) / BUCKET_BYTES))), _MOST_BITS)
    buckets, folder = work / "buckets", work / "mixed"
    folder.mkdir(exist_ok=True)
    missing = [n for n in range(1 << bits) if made_part(part_path(folder, n), fingerprint) is None]
    if missing and not buckets.is_dir():
        _fill(buckets, bits, fill)
    for number in missing:
        bucket = buckets / _name(number)
        write(sorted(_lines(bucket), key=lambda line: line[:KEY]), number)
        os.truncate(bucket, 0)  # it is not read again, and the dataset takes the room
    return [part_path(folder, number) for number in range(1 << bits)]


def _name(bucket: int) -> str:
    return f"{bucket:04d}.zst"


def _fill(buckets: Path, bits: int, fill: Callable[[Buckets], None]) -> None:
    """Throw every line into its bucket; the directory has its name when all of them are on disk."""
    scratch = buckets.with_name("buckets.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    writer = Buckets(scratch, bits)
    fill(writer)
    writer.finish()
    fsync_tree(scratch)
    rename(scratch, buckets)


class Buckets:
    """Appends lines to one file per bucket, in frames: files are opened only to append a full buffer."""

    def __init__(self, folder: Path, bits: int) -> None:
        self._shift = 64 - bits
        self._paths = [folder / _name(bucket) for bucket in range(1 << bits)]
        self._buffers = [bytearray() for _ in self._paths]
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
        for path in self._paths:
            path.touch()

    def add(self, key: int, line: bytes) -> None:
        """Append a line, newline included, with its key of 64 bits."""
        bucket = key >> self._shift
        buffer = self._buffers[bucket]
        buffer += b"%016x" % key
        buffer += line
        if len(buffer) >= _BUFFER_BYTES:
            self._flush(bucket)

    def finish(self) -> None:
        """Write what is left."""
        for bucket, buffer in enumerate(self._buffers):
            if buffer:
                self._flush(bucket)

    def _flush(self, bucket: int) -> None:
        with self._paths[bucket].open("ab") as file:
            file.write(self._compressor.compress(bytes(self._buffers[bucket])))
        self._buffers[bucket].clear()


def _lines(bucket: Path) -> Iterator[bytes]:
    try:
        with bucket.open("rb") as file:
            for lines in split_lines(decompress(file)):
                yield from lines
    except zstandard.ZstdError as error:
        raise PartError(f"{bucket}: damaged ({error}); remove {bucket.parent} and start again") from error
