"""Files, renames and locks between two nodes: what one does as the suite does it, the other sees.

Rank 0 writes and holds, rank 1 looks and tries. Each waits for the other for at most 90 seconds at a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from omi_core.checks.notes import SYNC_S, Notes
from omi_core.store.files import LockTaken, lock, write_all, write_atomic

_REPLACED, _GROWN, _LOCK = "replaced", "grown", "lock"
_VERSIONS, _BYTES = 20, 65_536

Part = dict[str, Any]


class _Alone(RuntimeError):
    """The other node does not answer."""


def try_out(notes: Notes, rank: int) -> Part:
    """What this rank found; rank 1 has the findings."""
    return _write(notes) if rank == 0 else _look(notes)


def _write(notes: Notes) -> Part:
    _grow(notes, 1)
    write_atomic(notes.root / _REPLACED, _version(0))
    _say(notes, "written")
    _hear(notes, "looking")
    _grow(notes, 1)
    for number in range(1, _VERSIONS + 1):
        write_atomic(notes.root / _REPLACED, _version(number))
    _hear(notes, "looked")
    with lock(notes.root / _LOCK):
        _say(notes, "locked")
        _hear(notes, "tried")
    _say(notes, "released")
    return {}


def _look(notes: Notes) -> Part:
    _hear(notes, "written")
    broken: set[str] = set()
    _say(notes, "looking")
    began = time.monotonic()
    renamed = _until(lambda: _read(notes, broken) == _version(_VERSIONS))
    grown = _until(lambda: os.stat(notes.root / _GROWN).st_size >= 2)
    seconds = time.monotonic() - began
    _say(notes, "looked")
    _hear(notes, "locked")
    try:
        with lock(notes.root / _LOCK):
            held = False
    except LockTaken:
        held = True
    _say(notes, "tried")
    _hear(notes, "released")
    try:
        with lock(notes.root / _LOCK, wait=SYNC_S):
            free = True
    except LockTaken:
        free = False
    return {
        "renamed": renamed,
        "grown": grown,
        "broken": sorted(broken),
        "seconds": seconds,
        "held": held,
        "free": free,
    }


def _read(notes: Notes, broken: set[str]) -> bytes:
    """The file that is being replaced; what a reader must never see of it is noted in `broken`."""
    try:
        data = (notes.root / _REPLACED).read_bytes()
    except OSError as error:
        broken.add(error.strerror or "cannot be read")
        return b""
    if len(data) != _BYTES or len(set(data)) != 1:
        broken.add("seen half written")
    return data


def _version(number: int) -> bytes:
    return bytes([number]) * _BYTES


def _grow(notes: Notes, count: int) -> None:
    """Appends as a journal does."""
    fd = os.open(notes.root / _GROWN, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        write_all(fd, b"x" * count)
        os.fsync(fd)
    finally:
        os.close(fd)


def _until(seen: Callable[[], bool]) -> bool:
    until = time.monotonic() + SYNC_S
    while not seen():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _say(notes: Notes, word: str) -> None:
    notes.leave(f"pair.{word}", {})


def _hear(notes: Notes, word: str) -> None:
    if notes.wait(f"pair.{word}") is None:
        raise _Alone(f"nothing came from the other node within {SYNC_S:g} s")
