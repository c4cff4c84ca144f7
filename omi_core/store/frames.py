"""The bytes of a journal: independent zstd frames of whole JSON lines, each announced by a header.

The header is a zstd *skippable frame* (RFC 8878, 3.1.2), so `zstd -dc file | jq` reads a journal as plain
JSON lines, while a reader of this module walks from header to header and, after damage, finds the next one
by its signature. The signature begins with a byte that UTF-8 never holds and every header carries its own
checksum, so no model output can look like one.

Layout of a header, little-endian:

    offset  bytes  what
         0      4  skippable-frame magic 0x184D2A5A
         4      4  size of what follows, 40
         8      8  signature
        16     28  seven uint32: compressed length, raw length, CRC-32 of the compressed bytes, lines,
                   lines with finish_reason "error", first ordinal, last ordinal
        44      4  CRC-32 of the 44 bytes before
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import orjson
import zstandard

HEADER_BYTES = 48
_PREFIX = struct.pack("<II8s", 0x184D2A5A, HEADER_BYTES - 8, b"\xffOMIJNL\x01")
_FIELDS = struct.Struct("<7I")
_CRC = struct.Struct("<I")
NO_KEYS = np.empty((0, 2), dtype="<u4")
_SEARCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a frame lies and what it holds.

    `length` counts header and compressed bytes, `raw` the JSON lines; `keys` is a uint32 array of shape
    (count, 2), the (ordinal, sample index) of each line in order, or of shape (0, 2) where only the header
    was read. Keys take no part in equality.
    """

    offset: int
    length: int
    raw: int
    crc: int
    count: int
    errors: int
    first: int
    last: int
    keys: np.ndarray = field(default_factory=lambda: NO_KEYS, compare=False, repr=False)

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a journal that holds no readable frame; its keys count as missing.

    `first` and `last` are the ordinals it held, where a header or the index still says so.
    """

    path: Path
    offset: int
    length: int
    reason: str
    first: int | None = None
    last: int | None = None

    @property
    def end(self) -> int:
        return self.offset + self.length

    def __str__(self) -> str:
        held = "" if self.first is None else f", ordinals {self.first} to {self.last}"
        return f"{self.path}: {self.reason} in bytes {self.offset} to {self.end}{held}"


class FrameDamaged(Exception):
    """A frame cannot be read; `damage` says which, for `set_aside`."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(f"{damage}; set it aside and generate its keys again")
        self.damage = damage


def encode(lines: bytes, keys: np.ndarray, errors: int, offset: int) -> tuple[Frame, bytes]:
    """A frame for `lines` and its bytes, to be appended at `offset`.

    `keys` has shape (n, 2), one row per line. Raises ValueError for an empty frame or one over 4 GiB.
    """
    if not len(keys) or len(lines) >= 1 << 32:
        raise ValueError(f"a frame holds 1 or more lines and less than 4 GiB, not {len(lines)} bytes")
    keys = np.ascontiguousarray(keys, dtype="<u4")
    body = zstandard.ZstdCompressor(level=3, write_checksum=True, write_content_size=True).compress(lines)
    first, last = int(keys[:, 0].min()), int(keys[:, 0].max())
    crc = zlib.crc32(body)
    header = _PREFIX + _FIELDS.pack(len(body), len(lines), crc, len(keys), errors, first, last)
    frame = Frame(offset, HEADER_BYTES + len(body), len(lines), crc, len(keys), errors, first, last, keys)
    return frame, header + _CRC.pack(zlib.crc32(header)) + body


def parse_header(data: bytes, offset: int) -> Frame | None:
    """The frame (without keys) announced by the header at the start of `data`, which lies at `offset`."""
    if len(data) < HEADER_BYTES or not data.startswith(_PREFIX):
        return None
    if _CRC.unpack_from(data, HEADER_BYTES - 4)[0] != zlib.crc32(data[: HEADER_BYTES - 4]):
        return None
    length, raw, crc, count, errors, first, last = _FIELDS.unpack_from(data, len(_PREFIX))
    return Frame(offset, HEADER_BYTES + length, raw, crc, count, errors, first, last)


def read_header(fd: int, offset: int) -> Frame | None:
    """The frame (without keys) whose header lies at `offset` of `fd`, or None."""
    return parse_header(os.pread(fd, HEADER_BYTES, offset), offset)


def frame_lines(fd: int, frame: Frame, path: Path) -> bytes:
    """The JSON lines of `frame`. Raises FrameDamaged when header, checksum or content is not what it says."""
    data = os.pread(fd, frame.length, frame.offset)
    reason = _fault(data, frame)
    if reason is None:
        try:
            lines = zstandard.ZstdDecompressor().decompress(memoryview(data)[HEADER_BYTES:])
            if len(lines) == frame.raw:
                return lines
            reason = "a frame of another size than its header says"
        except zstandard.ZstdError as error:
            reason = f"no zstd frame ({error})"
    raise FrameDamaged(Damage(path, frame.offset, frame.length, reason, frame.first, frame.last))


def read_frame(frame: Frame, path: Path) -> bytes:
    """As `frame_lines`, of a file that is opened for it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return frame_lines(fd, frame, path)
    finally:
        os.close(fd)


def check(fd: int, frame: Frame, path: Path) -> Damage | None:
    """Damage when the bytes of `frame` are not those that were written, else None. Decompresses nothing."""
    reason = _fault(os.pread(fd, frame.length, frame.offset), frame)
    if reason is None:
        return None
    return Damage(path, frame.offset, frame.length, reason, frame.first, frame.last)


def _fault(data: bytes, frame: Frame) -> str | None:
    if parse_header(data, frame.offset) != frame:
        return "no frame header"
    if len(data) != frame.length:
        return "a frame cut short"
    if zlib.crc32(memoryview(data)[HEADER_BYTES:]) != frame.crc:
        return "a wrong checksum"
    return None


def keys_of(lines: bytes) -> np.ndarray:
    """The (ordinal, sample index) of every JSON line, uint32 of shape (n, 2). Raises ValueError.

    A line without `sample`, such as a record of a plan, has index 0.
    """
    try:
        rows = [orjson.loads(line) for line in lines.splitlines()]
        flat = [number for row in rows for number in (row["ordinal"], row.get("sample", 0))]
        return np.array(flat, dtype="<u4").reshape(-1, 2)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"not the lines of a journal: {error}") from error


def scan(fd: int, path: Path, start: int, stop: int, size: int) -> Iterator[Frame | Damage]:
    """Every frame (with keys) and every damaged stretch in bytes [start, stop) of a file of `size` bytes.

    Bytes after the last frame that can be the beginning of one yield nothing when `stop` is the end of the
    file: they are a write that is under way, or was cut off.
    """
    at = start
    while at < stop:
        found = _frame_at(fd, path, at, stop)
        if isinstance(found, Damage):
            following = _next_header(fd, at + 1, stop)
            torn = found.end > stop or stop - at < HEADER_BYTES
            if torn and following is None and stop == size:
                return
            end = min(found.end, stop if following is None else following)
            found = Damage(path, at, end - at, found.reason, found.first, found.last)
        yield found
        at = found.end


def _frame_at(fd: int, path: Path, at: int, stop: int) -> Frame | Damage:
    """The frame at `at`, or damage that reaches as far as its header, if it has one, says it would."""
    header = read_header(fd, at)
    if header is None:
        return Damage(path, at, stop - at, "no frame header")
    if header.end > stop:
        return Damage(path, at, header.length, "a frame cut short", header.first, header.last)
    try:
        keys = keys_of(frame_lines(fd, header, path))
    except FrameDamaged as error:
        return error.damage
    except ValueError as error:
        return Damage(path, at, header.length, str(error), header.first, header.last)
    if len(keys) != header.count:
        return Damage(path, at, header.length, "lines missing", header.first, header.last)
    return replace(header, keys=keys)


def _next_header(fd: int, start: int, stop: int) -> int | None:
    """Offset of the first whole valid header that begins in [start, stop), or None; reads 1 MiB at a time."""
    while start < stop:
        data = os.pread(fd, _SEARCH_BYTES + HEADER_BYTES, start)
        at = data.find(_PREFIX)
        while at >= 0 and start + at < stop:
            if parse_header(data[at : at + HEADER_BYTES], start + at) is not None:
                return start + at
            at = data.find(_PREFIX, at + 1)
        if len(data) < _SEARCH_BYTES + HEADER_BYTES:
            return None
        start += _SEARCH_BYTES
    return None
