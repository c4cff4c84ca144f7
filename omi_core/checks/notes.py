"""Notes that processes on several machines leave each other in a directory that they should share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core.store.files import read_json, write_json

# NFS and the like may hide a new name, or the growth of a file, for a minute.
SYNC_S = 90.0
_LOOK_S = 0.1


@dataclass(frozen=True)
class Notes:
    """The directory `root`; each note is a file NAME.json, there whole or not at all."""

    root: Path

    def leave(self, name: str, note: dict[str, Any]) -> None:
        """Writes a note, in place of the one before. Raises OSError."""
        write_json(self.root / f"{name}.json", note)

    def read(self, name: str) -> dict[str, Any] | None:
        """A note; None while there is none, or the file system is at odds about it."""
        try:
            return read_json(self.root / f"{name}.json")
        except (OSError, ValueError):
            return None

    def wait(self, name: str, seconds: float = SYNC_S) -> dict[str, Any] | None:
        """A note that another process leaves; None when time is up, or the directory gone."""
        until = time.monotonic() + seconds
        while (note := self.read(name)) is None and time.monotonic() < until and self.root.exists():
            time.sleep(_LOOK_S)
        return note

    def names(self) -> list[str]:
        """Names of all notes."""
        try:
            return sorted(path.stem for path in self.root.glob("*.json") if not path.name.startswith("."))
        except OSError:
            return []
