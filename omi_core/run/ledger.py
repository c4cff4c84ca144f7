"""The ledger: a run's append-only list of what was submitted, one JSON line per attempt of a stage."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import orjson

from omi_core.run.files import fsync_directory, write_all


def append(path: Path, entry: dict[str, Any]) -> None:
    """Appends one line, durably; `time` (seconds since the epoch) is added. A torn last line is cut off."""
    line = orjson.dumps({"time": round(time.time(), 3), **entry}, option=orjson.OPT_APPEND_NEWLINE)
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
    fsync_directory(path.parent)


def read(path: Path) -> list[dict[str, Any]]:
    """All entries, oldest first; a torn last line is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [orjson.loads(line) for line in lines]
