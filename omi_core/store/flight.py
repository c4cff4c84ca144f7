"""Records in flight, on disk: who was in the engine when it crashed.

Beside a journal `0001-00003.jsonl.zst` lie, while its shard runs,

    0001-00003.1.flight   8 bytes for each record with samples in flight: its ordinal + 1, 0 where none is;
                          the first 8 bytes count the samples that the shard has begun so far, as -1 - count
    0001-00003.1.crash    what the engine or the dying process said; empty unless it crashed

Both go away when the shard ends. A crash leaves them, and whoever was in flight is a suspect: such records
are run one by one from then on, and after a few crashes not at all. A kill from outside (SIGKILL, a lost
node) leaves no words, and no record is suspected; its flight is renamed to `.killed`, for what it counted.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np

from omi_core.store.files import write_all

_SLOT = 8
_WORDS = 2000  # characters kept of a crash


class Flight:
    """The records that one engine of one shard has in flight; closing it without a crash removes its files.

    `stem` is the journal's path without its suffixes. One process at a time may hold flights of a stem.
    `begun` counts the samples that its shard has begun, those before this flight included.
    """

    def __init__(self, stem: Path, begun: int = 0) -> None:
        self.begun = begun
        self._flight, self._fd = _new(stem)
        self._crash = crash_of(self._flight)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.words_fd = os.open(self._crash, flags, 0o666)
        """Where a dying process may write, as `faulthandler` does; what is written there makes it a crash."""
        self._slots: dict[int, int] = {}
        self._aloft: Counter[int] = Counter()
        self._free: list[int] = []
        self._write(0, -1 - begun)

    def take_off(self, ordinal: int) -> None:
        """The engine gets a sample of this record."""
        self.begun += 1
        self._write(0, -1 - self.begun)
        self._aloft[ordinal] += 1
        if self._aloft[ordinal] == 1:
            slot = self._free.pop() if self._free else len(self._slots) + 1
            self._slots[ordinal] = slot
            self._write(slot, ordinal + 1)

    def land(self, ordinal: int) -> None:
        """A sample of this record is back. Raises KeyError when none was in flight."""
        self._aloft[ordinal] -= 1
        if self._aloft[ordinal] <= 0:
            del self._aloft[ordinal]
            slot = self._slots.pop(ordinal)
            self._free.append(slot)
            self._write(slot, 0)

    def crashed(self, words: str) -> None:
        """Keeps the files: the engine died with these records in flight."""
        write_all(self.words_fd, words[:_WORDS].encode(errors="replace") or b"?")

    def close(self) -> None:
        """Removes the files unless there was a crash."""
        empty = os.fstat(self.words_fd).st_size == 0
        os.close(self._fd)
        os.close(self.words_fd)
        if empty:
            self._flight.unlink(missing_ok=True)
            self._crash.unlink(missing_ok=True)

    def _write(self, slot: int, value: int) -> None:
        # Not synced: it must outlive the process, not the machine. After a lost node no record is suspected.
        os.pwrite(self._fd, value.to_bytes(_SLOT, "little", signed=True), slot * _SLOT)


def _new(stem: Path) -> tuple[Path, int]:
    for number in itertools.count(1):
        path = stem.with_name(f"{stem.name}.{number}.flight")
        with suppress(FileExistsError):
            return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    raise AssertionError("numbers do not end")


def forget_kills(folder: Path, prefix: str) -> None:
    """Puts away what shards that were killed without a word have left, of those whose names begin so.

    None of them may be running.
    """
    for path in folder.glob(f"{prefix}*.flight"):
        crash = crash_of(path)
        if not crash.exists() or crash.stat().st_size == 0:
            with suppress(FileNotFoundError):  # an earlier kill of the shard had counted no more
                path.rename(path.with_suffix(".killed"))
            crash.unlink(missing_ok=True)


def begun_so_far(folder: Path, prefix: str = "", killed: bool = False) -> dict[tuple[int, int], int]:
    """(attempt, task) -> samples that the shard has begun, of shards that run, or were killed or crashed.

    Those that ended by themselves say it in their manifest. Asked are those whose files begin with `prefix`;
    with `killed` those alone that `forget_kills` has put away.
    """
    suffixes = (".killed",) if killed else (".flight", ".killed")
    found: dict[tuple[int, int], int] = {}
    for name in os.listdir(folder) if folder.is_dir() else ():
        if not name.startswith(prefix) or not name.endswith(suffixes):
            continue
        try:
            attempt, task = map(int, name.partition(".")[0].split("-"))
            first = (folder / name).read_bytes()[:_SLOT]
        except (OSError, ValueError):  # it ended as we look
            continue
        count = -1 - int.from_bytes(first, "little", signed=True)
        found[attempt, task] = max(count, found.get((attempt, task), 0))
    return found


def crash_counts(folder: Path) -> tuple[Counter[int], dict[int, str]]:
    """(ordinal -> crashes in which the record was in flight, ordinal -> the last of them, in one line)."""
    counts: Counter[int] = Counter()
    words: dict[int, str] = {}
    for path in sorted(folder.glob("*.crash")):
        line = crash_words(path)
        flight = path.with_suffix(".flight")
        if not line or not flight.exists():
            continue
        raw = flight.read_bytes()
        slots = np.frombuffer(raw[: len(raw) // _SLOT * _SLOT], dtype="<i8")
        for ordinal in (slots[slots > 0] - 1).tolist():
            counts[ordinal] += 1
            words[ordinal] = line
    return counts, words


def last_words(stem: Path) -> str:
    """What the last crash of a shard said; "" when there was none."""
    found = [
        words for path in sorted(stem.parent.glob(f"{stem.name}.*.crash")) if (words := crash_words(path))
    ]
    return found[-1] if found else ""


def crash_words(path: Path) -> str:
    """What a crash file says, its first 300 characters in one line; "" when there was no crash."""
    try:
        text = path.read_bytes()[:_WORDS].decode(errors="replace")
    except FileNotFoundError:
        return ""
    return " ".join(text.split())[:300]


def crash_of(flight: Path) -> Path:
    """The crash file beside a flight file."""
    return flight.with_suffix(".crash")
