"""The ledger: a run's append-only list of what was submitted, one JSON line per attempt of a stage.

Every line carries a checksum. One that is damaged is left out, with a warning, and stays where it is: others
may append at the same time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from omi_core.store.files import fsync_path, write_all
from omi_core.store.seals import is_sealed, seal, unseal

_warned: set[tuple[Path, int]] = set()


def append(path: Path, entry: dict[str, Any]) -> None:
    """Appends one line, durably; `time` (seconds since the epoch) is added. A torn last line is cut off."""
    line = seal({"time": round(time.time(), 3), **entry})
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            tail = os.pread(fd, min(size, 1 << 20), max(0, size - (1 << 20)))
            os.ftruncate(fd, size - len(tail) + tail.rfind(b"\n") + 1)
        write_all(fd, line)
        os.fsync(fd)
    finally:
        os.close(fd)
    fsync_path(path.parent)


def read(path: Path) -> list[dict[str, Any]]:
    """All entries, oldest first; a torn last line is left out, and so is a damaged one, with a warning."""
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        entry = _entry(line + b"\n")
        if entry is not None:
            entries.append(entry)
        elif (path, number) not in _warned:
            _warned.add((path, number))
            warning = (
                f"warning: {path}: line {number} is damaged and left out; if it named a job, squeue has it"
            )
            print(warning, file=sys.stderr, flush=True)
    return entries


def since(entries: list[dict[str, Any]], *stages: str) -> list[dict[str, Any]]:
    """The entries from the last of one of these stages on; all, where there is none."""
    starts = [at for at, entry in enumerate(entries) if entry["stage"] in stages]
    return entries[starts[-1] :] if starts else entries


def last_stage(entries: list[dict[str, Any]]) -> str | None:
    """What was done last; a command that the site refused has done nothing."""
    return next((entry["stage"] for entry in reversed(entries) if entry["stage"] != "refused"), None)


def _entry(line: bytes) -> dict[str, Any] | None:
    if is_sealed(line):
        return unseal(line)
    try:  # a line of a version that wrote no checksums
        entry = orjson.loads(line)
        return entry if isinstance(entry["stage"], str) and isinstance(entry["time"], int | float) else None
    except (KeyError, TypeError, ValueError):
        return None
