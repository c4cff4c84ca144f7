"""The index in which records of a run are looked up: one SQLite file, made by `indexing` and then only read.

It says of every record what became of its samples, and in which frames of which journals they lie; their
texts stay there.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import orjson

from omi_core.explore.selection import Selection
from omi_core.store.journal import read_record
from omi_core.store.layout import Layout
from omi_core.tasks.reducing import Fate

SCHEMA = """
create table about (name text primary key, value) without rowid;
create table records (ordinal integer primary key, samples integer, kept integer, pass_rate real,
  disagreement real);
create table texts (ordinal integer primary key, start text, folded text);
create table outcomes (outcome text, ordinal integer, samples integer, primary key (outcome, ordinal))
  without rowid;
create table details (ordinal integer primary key, fates blob, frames blob);
"""
_LINE = """
select ordinal, samples, kept, pass_rate, disagreement, start from records join texts using (ordinal)
where ordinal = ?
"""
_DETAILS = "select fates, frames from details where ordinal = ?"
PLACE = struct.Struct("<IIQ")  # a frame: attempt and task of its journal, and its offset there


@dataclass(frozen=True, slots=True)
class Line:
    """A record as the list has it: its samples, how many are rows, and the beginning of its text."""

    ordinal: int
    samples: int
    kept: int
    pass_rate: float | None
    disagreement: float | None
    start: str


class RecordIndex:
    """The index at `path`, to be read by any number of threads. Raises sqlite3.DatabaseError: it is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(_read(path)) as database:
            about = dict(database.execute("select name, value from about").fetchall())
        self._totals: dict[tuple[object, ...], int] = {}
        self.state: str = about["state"]
        self.outcomes: list[tuple[str, int, int]] = [
            (name, samples, records) for name, samples, records in json.loads(about["outcomes"])
        ]
        """What samples became, the most frequent first: (outcome, samples, records)."""

    def find(self, selection: Selection, at: int, count: int) -> tuple[int, list[Line]]:
        """(how many records are selected, those from the one at `at` on, at most `count`)."""
        where, parameters, order = selection.sql()
        with closing(_read(self._path)) as database:
            asked = where, *parameters
            if (total := self._totals.get(asked)) is None:
                (total,) = database.execute(f"select count(*) from {where}", parameters).fetchone()
                self._totals[asked] = total  # whoever turns pages asks again and again
            if not total:
                return 0, []
            chosen = f"select ordinal from {where} order by {order} limit ? offset ?"
            found = database.execute(chosen, [*parameters, count, at]).fetchall()
            return total, [Line(*database.execute(_LINE, ordinal).fetchone()) for ordinal in found]

    def fates(self, layout: Layout, ordinal: int) -> list[Fate]:
        """What became of a record's samples, with their texts.

        Raises:
            FrameDamaged, FileNotFoundError: as `read_record`.
        """
        with closing(_read(self._path)) as database:
            told, frames = database.execute(_DETAILS, [ordinal]).fetchone()
        places = (
            (layout.journal(attempt, task), offset) for attempt, task, offset in PLACE.iter_unpack(frames)
        )
        samples = {sample.index: sample for sample in read_record(places, ordinal)}
        return [
            Fate(samples[index], outcome, answer, group, verdict, place and (place[0], place[1]))
            for index, outcome, answer, group, verdict, place in orjson.loads(zlib.decompress(told))
            if index in samples
        ]


def connect(path: Path, how: str) -> sqlite3.Connection:
    """The file at `path`, opened as `how` says: the query of an address of SQLite's."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True)


def _read(path: Path) -> sqlite3.Connection:
    return connect(path, "mode=ro&immutable=1")


def packed(fates: Iterable[Fate]) -> bytes:
    """What became of a record's samples, but for their texts, as `RecordIndex.fates` reads it."""
    told = [(f.sample.index, f.outcome, f.answer, f.group, f.verdict, f.place) for f in fates]
    return zlib.compress(orjson.dumps(told), 1)
