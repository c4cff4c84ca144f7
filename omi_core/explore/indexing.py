"""Making the index of a run's records: their samples are judged as the reduce stage judges them.

It is made record after record, and a process that is killed is continued by the next one. While it is made
nothing reads it, and once it has its name nothing writes it: so it needs no lock of SQLite's, which shared
file systems do not have or get wrong.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from omi_core.explore.record_index import PLACE, SCHEMA, RecordIndex, connect, packed
from omi_core.explore.selection import folded
from omi_core.options import ConfigError
from omi_core.records import Record, digest128
from omi_core.report.html import readable
from omi_core.stages.generate import say_once
from omi_core.stages.progress import Progress
from omi_core.stages.reduce import readings, windows
from omi_core.stages.run import Run, records_of
from omi_core.store.files import disk_failed, fsync_path, lock, rename
from omi_core.store.frames import Frame
from omi_core.store.index import bad_path
from omi_core.tasks import task_of
from omi_core.tasks.reducing import Fate
from omi_core.tasks.solutions import tried

_FORMAT = 1
# Records are read in ranges of this many samples; longer ones take memory, and of shorter ones each reads the
# indexes of all journals anew.
_SAMPLES = 1_000_000
_COMMIT_SECONDS = 2.0
_SEARCHED = 20_000  # characters of a problem
_START = 160
_TAIL = 16  # bytes: a journal ends in the checksum of what was written last


def state_of(run: Run[Any]) -> str:
    """Tells the samples that a run has now from those that it had; reads the end of each journal."""
    parts: list[str | bytes | int] = ["explore", _FORMAT, run.plan.fingerprint]
    for path in run.layout.journals():
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - _TAIL))
            parts += [path.name, size, file.read(_TAIL)]
        with suppress(FileNotFoundError):
            parts.append(bad_path(path).read_bytes())
    return digest128(*parts)


def place_of(run: Run[Any], folder: Path | None) -> Path:
    """Where the index of a run lies: in the run, or under its fingerprint in a folder, which is made.

    Raises:
        ConfigError: the folder cannot be made.
    """
    if folder is None:
        return run.layout.explored
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"index={folder}: cannot be made ({error.strerror}); give another") from error
    return folder / f"{run.plan.fingerprint}.sqlite"


def open_index(run: Run[Any], path: Path) -> RecordIndex:
    """The index of a run at `path`; it is made, or made anew, where it does not tell of the samples of now.

    Raises:
        ConfigError: there is another file, or none can be written.
        FrameDamaged: a journal is broken in the middle.
    """
    state = state_of(run)
    if (found := _current(path, state)) is not None:
        return found
    try:
        with lock(path.with_name(f".{path.name}.lock"), wait=float("inf"), waiting=say_once(lambda: True)):
            if (found := _current(path, state)) is None:
                _make(run, path, state)
                found = RecordIndex(path)
        return found
    except sqlite3.OperationalError as error:
        raise OSError(
            f"{path}: cannot be written ({error}); give another place as index=DIRECTORY"
        ) from error
    except OSError as error:
        if not disk_failed(error):
            raise
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); give another place as index=DIRECTORY"
        ) from error


def _current(path: Path, state: str) -> RecordIndex | None:
    if not path.exists():
        return None
    try:
        index = RecordIndex(path)
    except (sqlite3.DatabaseError, KeyError, ValueError):
        raise ConfigError(
            f"{path}: is there, and is no index of jobs.explore, or damaged; delete it"
        ) from None
    return index if index.state == state else None


def _make(run: Run[Any], path: Path, state: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with closing(_begun(partial, state)) as database:
        (done,) = database.execute("select count(*) from records").fetchone()
        with Progress("explore", "records", run.plan.records, done) as progress:
            committed = time.monotonic()
            for window in _judged(run, done):
                _write(database, window)
                progress.advance(len(window))
                if time.monotonic() - committed >= _COMMIT_SECONDS:
                    database.commit()
                    committed = time.monotonic()
        outcomes = database.execute(
            "select outcome, sum(samples) as number, count(*) from outcomes group by outcome "
            "order by number desc, outcome"
        ).fetchall()
        _say(database, "outcomes", json.dumps(outcomes))
        database.commit()
    fsync_path(partial)
    rename(partial, path)


def _begun(partial: Path, state: str) -> sqlite3.Connection:
    """The index as far as it was made of these samples, or an empty one."""
    try:
        database = connect(partial, "vfs=unix-none")
        with suppress(sqlite3.OperationalError):  # no such table: nothing is there yet
            if database.execute("select value from about where name = 'state'").fetchone() == (state,):
                return database
        database.close()
    except sqlite3.DatabaseError:
        pass  # damaged: it is only a beginning
    for old in (partial, partial.with_name(f"{partial.name}-journal")):
        old.unlink(missing_ok=True)
    partial.touch()  # says in its own words where it may not
    database = connect(partial, "vfs=unix-none")
    database.executescript(f"begin; {SCHEMA}")
    _say(database, "state", state)
    database.commit()
    return database


def _say(database: sqlite3.Connection, name: str, value: str) -> None:
    database.execute("insert or replace into about values (?, ?)", (name, value))


@dataclass(frozen=True, slots=True)
class _Judged:
    """A record, what became of its samples, whether these were judged, and their frames, packed."""

    record: Record
    fates: list[Fate]
    judged: bool
    frames: bytes


def _judged(run: Run[Any], done: int) -> Iterator[list[_Judged]]:
    """The records from the ordinal `done` on, in windows."""
    samples = run.plan.samples if run.plan.complete else None
    step = max(1, _SAMPLES // run.plan.samples)
    with task_of(run.config).reducer(run.config, samples, lambda: records_of(run)) as reducer:
        for first in range(done, run.plan.records, step):
            last = min(first + step, run.plan.records)
            frames = _Frames(first, last)
            for window in windows(readings(run, first, last, frames, unneeded=True)):
                fates = reducer.fates(window)
                yield [
                    _Judged(record, told, reducer.judges, frames.of(record.ordinal))
                    for (record, _), told in zip(window, fates, strict=True)
                ]


class _Frames:
    """In which frames the samples of each record of a range lie, some 12 bytes for each pair of the two."""

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last
        self._places: list[bytes] = []
        self._ordinals: list[np.ndarray] = []
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, path: Path, frames: list[Frame]) -> None:
        """Adds the frames of a journal. All are there before the first record is asked for."""
        attempt, task = map(int, path.name.partition(".")[0].split("-"))
        for frame in frames:
            if frame.first < self._last and frame.last >= self._first:
                ordinals = np.unique(frame.keys[:, 0])
                self._ordinals.append(ordinals[(ordinals >= self._first) & (ordinals < self._last)])
                self._places.append(PLACE.pack(attempt, task, frame.offset))

    def of(self, ordinal: int) -> bytes:
        """The frames of a record, packed, in the order in which they were added."""
        if self._sorted is None:
            ordinals = np.concatenate([np.empty(0, dtype="<u4"), *self._ordinals])
            numbers = np.repeat(
                np.arange(len(self._places), dtype=np.uint32), [len(o) for o in self._ordinals]
            )
            order = np.argsort(ordinals, kind="stable")
            self._sorted = ordinals[order], numbers[order]
            self._ordinals.clear()
        start, end = np.searchsorted(self._sorted[0], [ordinal, ordinal + 1])
        return b"".join(self._places[number] for number in self._sorted[1][start:end].tolist())


def _write(database: sqlite3.Connection, window: Sequence[_Judged]) -> None:
    """Adds records to the index."""
    outcomes: list[tuple[str, int, int]] = []
    records, texts, details = [], [], []
    for each in window:
        record, ordinal = each.record, each.record.ordinal
        drawn = [fate for fate in each.fates if fate.sample.drawn]
        became = Counter(fate.outcome for fate in drawn if fate.outcome)
        outcomes += [(outcome, ordinal, number) for outcome, number in sorted(became.items())]
        rate = _pass_rate(each.fates) if each.judged else None
        records.append((ordinal, len(drawn), became["row"], rate, _disagreement(each.fates)))
        text = record.text[:_SEARCHED]
        texts.append((ordinal, readable(text[:_START]), folded(f"{text}\n{record.source}\n{record.id}")))
        details.append((ordinal, packed(each.fates), each.frames))
    for table, rows in (("records", records), ("texts", texts), ("outcomes", outcomes), ("details", details)):
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            database.executemany(f"insert into {table} values ({marks})", rows)


def _pass_rate(fates: Sequence[Fate]) -> float | None:
    """The share of right samples, as it is published; None before there is a sample."""
    known = tried([fate.sample for fate in fates])
    return sum(fate.right for fate in fates) / known if known else None


def _disagreement(fates: Sequence[Fate]) -> float | None:
    """The share of answers that are not of the largest class; None without an answer."""
    sizes = Counter(fate.group for fate in fates if fate.group is not None)
    return 1 - max(sizes.values()) / sizes.total() if sizes else None
