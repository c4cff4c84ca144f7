"""What lies beside a journal: its index, a cache, and its list of frames set aside.

`<journal>.idx` has one JSON line per frame, written after the frame is durable, so that counting keys reads
no frame. The journal is the truth: wherever the index is missing, torn, stale or of another file, the
frames are scanned instead. `<journal>.bad` lists the stretches found damaged; it is never a cache. Every
line of both carries a checksum. Readers change neither journal nor index, since a writer may be at work.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from omi_core.store.files import lock, write_all, write_atomic
from omi_core.store.frames import Damage, Frame, check, read_header, scan
from omi_core.store.seals import seal, unseal

_MEMBERS = ("offset", "length", "raw", "count", "first", "last", "crc", "errors")  # of a frame, but for keys


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal holds, in the order of the file.

    `frames` have their keys; `damage` is what is broken and not yet set aside; `set_aside` what already
    was; `size` the bytes of the file when it was looked at, a torn tail included.
    """

    frames: list[Frame]
    damage: list[Damage]
    set_aside: list[Damage]
    size: int


def index_path(journal: Path) -> Path:
    return journal.with_name(journal.name + ".idx")


def bad_path(journal: Path) -> Path:
    return journal.with_name(journal.name + ".bad")


def contents(journal: Path, verify: bool = False) -> Contents:
    """The frames of `journal`, from its index where that can be trusted and by a scan elsewhere.

    With `verify` every byte is read and every checksum compared; without it a frame that the index knows
    is taken at its word until `read_lines` is asked for it. Raises FileNotFoundError.
    """
    journal = Path(journal)
    indexed = _read_index(journal)
    set_aside = _read_bad(journal)
    # Size after index: a writer at work appends to the journal first, so no frame looks newer than the file.
    fd = os.open(journal, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        trusted = _trusted(_without(indexed, set_aside), fd, size, verify)
        frames, damage = list(trusted), []
        if verify:
            damage = [found for frame in trusted if (found := check(fd, frame, journal)) is not None]
            frames = _without(frames, damage)
        for start, stop in _gaps([*trusted, *set_aside], size):
            for found in scan(fd, journal, start, stop, size):
                (frames if isinstance(found, Frame) else damage).append(found)  # type: ignore[arg-type]
    finally:
        os.close(fd)
    # The index may still know which ordinals a frame held whose header is gone.
    known = {(frame.offset, frame.end): frame for frame in indexed}
    damage = [_with_ordinals(found, known.get((found.offset, found.end))) for found in damage]
    frames.sort(key=lambda frame: frame.offset)
    damage.sort(key=lambda found: found.offset)
    return Contents(frames, damage, set_aside, size)


def whole_keys(journal: str) -> tuple[bytes, int] | None:
    """(keys as little-endian uint32 pairs, samples that are errors) by the index alone, a fraction of the
    work of `contents`; None unless it covers every byte of the journal, and nothing was set aside.

    The frames themselves are not looked at: for counting what a run has done so far, not for a gate.
    """
    try:
        with open(f"{journal}.idx", "rb", buffering=0) as file:
            lines = file.read().splitlines(keepends=True)
        size = os.stat(journal).st_size
    except OSError:
        return None
    keys, errors, end = [], 0, 0
    for line in lines:
        row = unseal(line)
        if row is None or row["offset"] != end:
            return None
        end += row["length"]
        errors += row["errors"]
        keys.append(binascii.a2b_base64(row["keys"]))
    return (b"".join(keys), errors) if end == size else None


def set_aside(journal: Path, damage: Damage) -> None:
    """Record `damage` durably, so that every reader leaves those bytes out and the keys in them are missing.

    May be called by several processes at once and twice for the same damage. Raises OSError.
    """
    with _bad_lock(journal):
        known = _read_bad(journal)
        if all((other.offset, other.length) != (damage.offset, damage.length) for other in known):
            _write_bad(journal, [*known, damage])


def forget_set_aside(journal: Path, size: int) -> None:
    """Forget what was set aside beyond `size` bytes: those bytes are gone, and new frames may lie there."""
    if all(damage.end <= size for damage in _read_bad(journal)):
        return
    with _bad_lock(journal):
        _write_bad(journal, [damage for damage in _read_bad(journal) if damage.end <= size])


def _bad_lock(journal: Path) -> AbstractContextManager[None]:
    path = bad_path(Path(journal))
    return lock(path.with_name(path.name + ".lock"), wait=60.0)


class IndexWriter:
    """Appends a line per frame to the index of one journal; opened by the journal's only writer."""

    def __init__(self, journal: Path, frames: Iterable[Frame]) -> None:
        """Make the index say exactly `frames`, then keep it open."""
        path = index_path(journal)
        expected = b"".join(_frame_line(frame) for frame in frames)
        if not path.exists() or path.read_bytes() != expected:
            write_atomic(path, expected)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._end = len(expected)

    def append(self, frame: Frame) -> None:
        """Add `frame`, or nothing where the disk is full: readers then scan that frame instead."""
        line = _frame_line(frame)
        try:
            write_all(self._fd, line)
            self._end += len(line)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self._end)

    def close(self) -> None:
        os.close(self._fd)


def _frame_line(frame: Frame) -> bytes:
    row = {name: getattr(frame, name) for name in _MEMBERS}
    return seal(row | {"keys": binascii.b2a_base64(frame.keys.tobytes(), newline=False).decode("ascii")})


def _parse_frame(row: dict[str, Any]) -> Frame:
    keys = np.frombuffer(binascii.a2b_base64(row.pop("keys")), dtype="<u4").reshape(-1, 2)
    if len(keys) != row["count"]:
        raise ValueError("keys and count differ")
    return Frame(**row, keys=keys)


def _read_index(journal: Path) -> list[Frame]:
    frames = []
    for row in _unseal_all(index_path(journal)):
        try:
            frames.append(_parse_frame(row))
        except (KeyError, TypeError, ValueError):
            continue
    return sorted(frames, key=lambda frame: frame.offset)


def _read_bad(journal: Path) -> list[Damage]:
    rows = _unseal_all(bad_path(journal))
    return sorted((Damage(journal, **row) for row in rows), key=lambda damage: damage.offset)


def _write_bad(journal: Path, damages: list[Damage]) -> None:
    names = ("offset", "length", "reason", "first", "last")
    lines = [seal({name: getattr(damage, name) for name in names}) for damage in damages]
    write_atomic(bad_path(journal), b"".join(lines))


def _trusted(indexed: list[Frame], fd: int, size: int, verify: bool) -> list[Frame]:
    """The index entries that describe this file: all of them, none, or with `verify` each by its header.

    Checking every header costs a read per frame, so the last one speaks for all: an index of another file,
    or of this one before it was replaced, does not agree with it.
    """
    within = [frame for frame in indexed if frame.end <= size]
    if any(after.offset < before.end for before, after in zip(within, within[1:], strict=False)):
        return []
    if verify:
        return [frame for frame in within if read_header(fd, frame.offset) == frame]
    return within if within and read_header(fd, within[-1].offset) == within[-1] else []


def _without(frames: list[Frame], damages: list[Damage]) -> list[Frame]:
    """`frames` that share no byte with any of `damages`."""
    if not damages:
        return frames
    return [f for f in frames if not any(f.offset < d.end and d.offset < f.end for d in damages)]


def _gaps(known: list[Frame | Damage], size: int) -> Iterator[tuple[int, int]]:
    """The half-open byte ranges of [0, size) that none of `known` covers."""
    at = 0
    for piece in sorted(known, key=lambda piece: piece.offset):
        if piece.offset > at:
            yield at, min(piece.offset, size)
        at = max(at, piece.end)
    if at < size:
        yield at, size


def _with_ordinals(damage: Damage, frame: Frame | None) -> Damage:
    if frame is None or damage.first is not None:
        return damage
    return replace(damage, first=frame.first, last=frame.last)


def _unseal_all(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of the whole and undamaged lines of `path`; none when it does not exist."""
    with suppress(FileNotFoundError), path.open("rb") as lines:
        for line in lines:
            if (row := unseal(line)) is not None:
                yield row
