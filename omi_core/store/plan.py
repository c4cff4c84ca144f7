"""The plan of a run: what is to be made, and the records it is made from.

A plan depends on input and config alone, never on how many tasks will carry it out. It is written once,
in a directory that gets its final name only when everything in it is on disk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from omi_core.options import ConfigError
from omi_core.records import Record
from omi_core.store.files import write_json
from omi_core.store.frames import FrameDamaged, encode, read_frame
from omi_core.store.index import IndexWriter, contents
from omi_core.store.layout import Layout
from omi_core.store.resumable import Resumable
from omi_core.store.seals import with_check

_FRAME_BYTES = 1 << 20
_TYPE_AGAIN = "the command that made the run writes it again"


@dataclass(frozen=True)
class Plan:
    """What a run is to make: `records` x `samples` keys, and the content its fingerprint covers.

    `complete` says that every key must exist (a generated run); where samples were given (`jobs.reduce`)
    records may have fewer than `samples`. `skipped` counts the input rows left out, by reason; `chunks` what
    was done to documents, where the records are chunks of them.
    """

    fingerprint: str
    records: int
    samples: int
    complete: bool
    content: dict[str, Any]
    skipped: dict[str, int]
    skipped_examples: dict[str, list[str]]
    chunks: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def keys(self) -> int:
        return self.records * self.samples

    def write(self, layout: Layout) -> None:
        write_json(layout.plan, with_check(dataclasses.asdict(self)))


def directory(layout: Layout) -> Resumable:
    """A run's directory, which its plan makes one."""
    return Resumable(layout.root, layout.plan.name, "run directory", if_damaged=_TYPE_AGAIN)


def read_plan(layout: Layout) -> Plan:
    """The plan of an existing run.

    Raises:
        ConfigError: the directory is not a run, or one of another version of the suite.
    """
    return directory(layout).read(_plan)


def _plan(members: dict[str, Any]) -> Plan:
    plan = Plan(**members)
    if plan.records != plan.content["records"]:
        raise ValueError("it does not match its own fingerprint")
    return plan


def write_records(path: Path, records: Iterable[Record]) -> tuple[int, str]:
    """Writes the records as frames with an index; returns their count and the digest of their ids."""
    digest = hashlib.blake2b(digest_size=16)
    lines: list[bytes] = []
    ordinals: list[int] = []
    size = count = 0
    with ExitStack() as stack:
        file = stack.enter_context(path.open("xb"))
        index = IndexWriter(path, [])
        stack.callback(index.close)

        def flush() -> None:
            keys = np.array([(ordinal, 0) for ordinal in ordinals], dtype="<u4")
            frame, data = encode(b"".join(lines), keys, 0, file.tell())
            file.write(data)
            index.append(frame)
            lines.clear()
            ordinals.clear()

        for record in records:
            line = orjson.dumps(record.to_json(), option=orjson.OPT_APPEND_NEWLINE)
            lines.append(line)
            ordinals.append(record.ordinal)
            digest.update(bytes.fromhex(record.id))
            size += len(line)
            count += 1
            if size >= _FRAME_BYTES:
                flush()
                size = 0
        if lines:
            flush()
        file.flush()
        os.fsync(file.fileno())
    return count, digest.hexdigest()


def records_whole(layout: Layout, plan: Plan) -> bool:
    """Whether every record of the plan is there, each byte of them read and checked."""
    try:
        found = contents(layout.records, verify=True)
    except OSError:
        return False
    return not found.damage and sum(frame.count for frame in found.frames) == plan.records


class Records:
    """The records of a plan by ordinal; reads only the frames that are asked for, and keeps the last one.

    Raises:
        ConfigError: the file is gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._frames = contents(path).frames
        except FileNotFoundError:
            raise ConfigError(f"{path}: is gone; {_TYPE_AGAIN}") from None
        self._firsts = [frame.first for frame in self._frames]
        self._held = -1
        self._rows: list[bytes] = []

    def __getitem__(self, ordinal: int) -> Record:
        """The record. Raises ConfigError when it is not there, or damaged."""
        at = bisect_right(self._firsts, ordinal) - 1
        if at < 0 or ordinal > self._frames[at].last:
            raise ConfigError(f"{self._path}: damaged (it holds no record {ordinal}); {_TYPE_AGAIN}")
        if at != self._held:
            try:
                self._rows = read_frame(self._frames[at], self._path).splitlines()
            except FrameDamaged as error:
                raise ConfigError(f"{error.damage}; {_TYPE_AGAIN}") from error
            self._held = at
        return Record.from_json(orjson.loads(self._rows[ordinal - self._firsts[at]]))

    def slice(self, first: int, last: int) -> Iterator[Record]:
        """Records with first <= ordinal < last, in order."""
        for ordinal in range(first, last):
            yield self[ordinal]
