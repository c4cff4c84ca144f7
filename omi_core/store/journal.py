"""Journals: the append-only files in which shards leave their samples, and how the reduce stage reads them.

A journal is a file of frames (`frames`) with an index beside it (`index`). One process writes it; any
number read it, also meanwhile. A sample is safe once the `flush` after its `add` has returned.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson

from omi_core.records import Sample
from omi_core.store.files import fsync_path, lock, write_all
from omi_core.store.frames import (
    NO_KEYS,
    Damage,
    Frame,
    FrameDamaged,
    check,
    encode,
    frame_lines,
    read_frame,
    read_header,
)
from omi_core.store.index import IndexWriter, contents, forget_set_aside

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_KEY_LIMIT = 1 << 32


class DuplicateKey(ValueError):
    """A key that this journal already holds was added again."""


class AppendFailed(OSError):
    """A frame could not be written (disk full, quota, I/O error); everything written before is safe."""


class JournalShared(AppendFailed):
    """The journal has changed under its writer: another process writes it, too."""


class JournalWriter:
    """The one writer of the journal at `path`; use it as a context manager.

    Entering locks the journal (LockTaken when it still has a writer after `wait` seconds, which `waiting`
    can cut short, see `files.lock`), cuts a torn tail, mends the index and sets
    `keys`, the keys on disk by then, uint32 of shape (n, 2). What is broken in the middle stays as it is.
    Leaving flushes, also on the way out of an exception. A frame is written when `flush_samples` samples or
    `flush_bytes` bytes of JSON wait, or the oldest has waited `flush_seconds`.
    """

    def __init__(
        self,
        path: Path,
        flush_samples: int = 256,
        flush_bytes: int = 1 << 20,
        flush_seconds: float = 5.0,
        wait: float = 0.0,
        waiting: Callable[[str], bool] | None = None,
    ) -> None:
        self.path = Path(path)
        self._wait, self._waiting = wait, waiting
        self.flush_samples = flush_samples
        self.flush_bytes = flush_bytes
        self.flush_seconds = flush_seconds
        self.keys = NO_KEYS
        self._seen: set[int] = set()
        self._buffer: list[tuple[bytes, int, int, bool]] = []
        self._bytes = 0
        self._oldest = 0.0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            own = self.path.with_name(self.path.name + ".lock")
            stack.enter_context(lock(own, self._wait, self._waiting))
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            stack.callback(os.close, self._fd)
            fsync_path(self.path.parent)
            frames = self._recover()
            self._index = IndexWriter(self.path, frames)
            stack.callback(self._index.close)
            self._open = stack.pop_all()
        self.keys = np.concatenate([NO_KEYS, *(frame.keys for frame in frames)])
        self._seen = {ordinal << 32 | index for ordinal, index in self.keys.tolist()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        except AppendFailed as failed:
            if error is None:
                raise
            error.add_note(f"and what was left could not be flushed: {failed}")
        finally:
            self._open.close()

    def __contains__(self, key: tuple[int, int]) -> bool:
        """Whether the sample (ordinal, index) is on disk or buffered."""
        return key[0] << 32 | key[1] in self._seen

    def add(self, sample: Sample) -> None:
        """Buffer `sample`, and flush when that is due.

        Raises DuplicateKey or ValueError, and then the sample is not taken; or AppendFailed from the flush,
        and then it stays buffered like the others.
        """
        if not (0 <= sample.ordinal < _KEY_LIMIT and 0 <= sample.index < _KEY_LIMIT):
            raise ValueError(f"{self.path}: key ({sample.ordinal}, {sample.index}) is not two 32-bit numbers")
        key = sample.ordinal << 32 | sample.index
        if key in self._seen:
            raise DuplicateKey(f"{self.path}: already holds sample {sample.index} of record {sample.ordinal}")
        line = encode_sample(sample)
        self._seen.add(key)
        if not self._buffer:
            self._oldest, self._bytes = time.monotonic(), 0
        self._bytes += len(line)
        self._buffer.append((line, sample.ordinal, sample.index, sample.finish_reason == "error"))
        if len(self._buffer) >= self.flush_samples or self._bytes >= self.flush_bytes:
            self.flush()
        else:
            self.flush_if_due()

    def flush_if_due(self) -> None:
        """Flush when the oldest buffered sample has waited `flush_seconds`; call it when no sample comes."""
        if self._buffer and time.monotonic() - self._oldest >= self.flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered as one frame and make it durable.

        Raises AppendFailed with the file cut back to its last whole frame and the buffer kept, so that the
        call can be repeated once there is space.
        """
        if not self._buffer:
            return
        lines, ordinals, indices, errors = zip(*self._buffer, strict=True)
        keys = np.array([ordinals, indices], dtype="<u4").T
        frame, data = encode(b"".join(lines), keys, sum(errors), self._end)
        self._append(frame, data)
        self._index.append(frame)

    def _append(self, frame: Frame, data: bytes) -> None:
        if self._torn:
            self._cut()
        # Where the file system has no locks this is what notices a second writer.
        if os.fstat(self._fd).st_size != self._end:
            raise JournalShared(
                errno.EBUSY, "changed under its writer; is another process writing it?", str(self.path)
            )
        try:
            write_all(self._fd, data)
            os.fsync(self._fd)
        except BaseException as error:
            # Also when a signal's handler raises: else the frame could be written a second time.
            self._torn = True
            with suppress(OSError):
                self._cut()
            if not isinstance(error, OSError):
                raise
            why = f"cannot append {len(data)} bytes ({error.strerror}); what was flushed before is safe"
            raise AppendFailed(error.errno, why, str(self.path)) from error
        # No call between these two, so no handler can raise there.
        written: list[tuple[bytes, int, int, bool]] = []
        self._end = frame.end
        self._buffer = written

    def _recover(self) -> list[Frame]:
        """Cut the journal behind its last whole frame and return its frames."""
        forget_set_aside(self.path, os.fstat(self._fd).st_size)
        found = contents(self.path)
        frames = found.frames
        # A crash of the machine can leave a last frame of the right length with other bytes in it.
        while frames and check(self._fd, frames[-1], self.path) is not None:
            frames.pop()
        # Never into what is set aside: a new frame there would be left out with it.
        self._end = max([0, *(piece.end for piece in [*frames, *found.set_aside])])
        self._torn = found.size > self._end
        if self._torn:
            self._cut()
        return frames

    def _cut(self) -> None:
        os.ftruncate(self._fd, self._end)
        os.fsync(self._fd)
        self._torn = False


def encode_sample(sample: Sample) -> bytes:
    """One JSON line. Lone surrogates, which a tokenizer can leave in text and UTF-8 has no form for, become
    U+FFFD."""
    row = sample.to_json()
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        clean: dict[str, Any] = {
            name: _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value
            for name, value in row.items()
        }
        return orjson.dumps(clean, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A frame of one journal, without its keys; the ordinals in it that are asked for (sorted, int64); and
    the bytes of JSON it holds per ordinal, on average."""

    path: Path
    frame: Frame
    ordinals: np.ndarray
    density: float


def read_samples(
    journals: Sequence[Path],
    first: int,
    last: int,
    on_frames: Callable[[Path, list[Frame]], None] | None = None,
    window_bytes: int = 32 << 20,
    cache_bytes: int = 256 << 20,
) -> Iterator[list[Sample]]:
    """The samples of each record with `first <= ordinal < last`, in order of ordinal, sorted by index.

    A record without samples yields nothing. Of samples with the same key the first counts, by position of
    the journal in `journals`, then by position in the journal; pass them sorted. Records are gathered in
    windows of about `window_bytes` of JSON; what a frame holds for later windows waits in a cache of
    `cache_bytes`, so memory does not grow with the journals, apart from some 8 bytes per record and frame.
    `on_frames` is told, before the first record, what each journal holds by then: what comes later is not
    read. Raises FrameDamaged where damage may hold asked-for ordinals.
    """
    pieces = list(_overlapping(journals, first, last, on_frames))
    if not pieces:
        return
    bounds = _windows(pieces, window_bytes)
    uses: list[list[int]] = [[] for _ in bounds]
    for number, piece in enumerate(pieces):
        for window in np.unique(np.searchsorted(bounds, piece.ordinals, "right") - 1):
            uses[window].append(number)
    cache = _Cache(pieces, bounds, cache_bytes)
    for window, numbers in enumerate(uses):
        gathered: defaultdict[int, dict[int, Sample]] = defaultdict(dict)
        for number in numbers:
            for sample in cache.take(number, window):
                gathered[sample.ordinal].setdefault(sample.index, sample)
        for ordinal in sorted(gathered):
            by_index = gathered.pop(ordinal)
            yield [by_index[index] for index in sorted(by_index)]


def read_record(frames: Iterable[tuple[Path, int]], ordinal: int) -> list[Sample]:
    """The samples of one record, sorted by index, from frames of which each is given as its journal and where
    it begins there. Of samples with the same key the first counts.

    Raises:
        FrameDamaged: a frame is not what was written there.
        FileNotFoundError: a journal is gone.
    """
    by_index: dict[int, Sample] = {}
    for path, offset in frames:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if (frame := read_header(fd, offset)) is None:
                raise FrameDamaged(Damage(path, offset, 1, "no frame header"))
            rows = map(orjson.loads, frame_lines(fd, frame, path).splitlines())
        finally:
            os.close(fd)
        for row in rows:
            if row["ordinal"] == ordinal:
                by_index.setdefault(row["sample"], Sample.from_json(row))
    return [by_index[index] for index in sorted(by_index)]


def _overlapping(
    journals: Iterable[Path],
    first: int,
    last: int,
    tell: Callable[[Path, list[Frame]], None] | None,
) -> Iterator[_Piece]:
    for path in journals:
        found = contents(path)
        if tell is not None:
            tell(path, found.frames)
        for damage in found.damage:
            if damage.first is None or damage.last is None or first <= damage.last and damage.first < last:
                raise FrameDamaged(damage)
        for frame in found.frames:
            if frame.first < last and frame.last >= first:
                ordinals = np.unique(frame.keys[:, 0].astype(np.int64))
                density = frame.raw / len(ordinals)
                ordinals = ordinals[(ordinals >= first) & (ordinals < last)]
                if ordinals.size:
                    yield _Piece(path, replace(frame, keys=NO_KEYS), ordinals, density)


def _windows(pieces: list[_Piece], window_bytes: int) -> list[int]:
    """First ordinals of consecutive windows of about `window_bytes` of JSON each, the last one open-ended."""
    low = min(int(piece.ordinals[0]) for piece in pieces)
    high = max(int(piece.ordinals[-1]) for piece in pieces)
    expected = np.zeros(high - low + 1)
    for piece in pieces:
        expected[piece.ordinals - low] += piece.density
    total = np.cumsum(expected)
    bounds, start = [low], 0
    while True:
        before = total[start - 1] if start else 0.0
        start = max(start + 1, int(np.searchsorted(total, before + window_bytes, "right")))
        if start >= len(total):
            return bounds
        bounds.append(low + start)


class _Cache:
    """Decoded samples of frames that reach into later windows, least recently used dropped first.

    A dropped frame is read again when its next window comes; each frame is otherwise read once.
    """

    def __init__(self, pieces: list[_Piece], bounds: list[int], limit: int) -> None:
        self._pieces, self._bounds, self._limit = pieces, bounds, limit
        self._kept: OrderedDict[int, dict[int, list[Sample]]] = OrderedDict()
        self._size = 0

    def take(self, number: int, window: int) -> list[Sample]:
        """The samples of piece `number` in `window`; windows are asked for in rising order."""
        by_window = self._kept.pop(number, None)
        if by_window is None:
            by_window = self._read(number, window)
            samples = by_window.pop(window, [])
            self._size += sum(map(_footprint, by_window.values()))
        else:
            samples = by_window.pop(window, [])
            self._size -= _footprint(samples)
        if by_window:
            self._kept[number] = by_window
        while self._size > self._limit and self._kept:
            dropped = self._kept.popitem(last=False)[1]
            self._size -= sum(map(_footprint, dropped.values()))
        return samples

    def _read(self, number: int, window: int) -> dict[int, list[Sample]]:
        piece = self._pieces[number]
        by_window: dict[int, list[Sample]] = {}
        low, high = int(piece.ordinals[0]), int(piece.ordinals[-1])
        for line in read_frame(piece.frame, piece.path).splitlines():
            row = orjson.loads(line)
            if low <= row["ordinal"] <= high:
                at = bisect_right(self._bounds, row["ordinal"]) - 1
                if at >= window:
                    by_window.setdefault(at, []).append(Sample.from_json(row))
        return by_window


def _footprint(samples: list[Sample]) -> int:
    """Bytes of memory, about: a Sample with its numbers takes some 300 beside its text."""
    return sum(sys.getsizeof(sample.text) + sys.getsizeof(sample.reasoning or "") + 300 for sample in samples)
