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
from omi_core.run.files import read_json, write_json
from omi_core.run.fingerprint import differences, fingerprint
from omi_core.run.frames import encode, read_lines
from omi_core.run.index import IndexWriter, contents
from omi_core.run.layout import Layout

_FRAME_BYTES = 1 << 20


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
        write_json(layout.plan, dataclasses.asdict(self))


def read_plan(layout: Layout) -> Plan:
    """The plan of an existing run.

    Raises:
        ConfigError: the directory is no run, or one of another version of the suite.
    """
    try:
        plan = Plan(**read_json(layout.plan))
        if (plan.fingerprint, plan.records) != (fingerprint(plan.content), plan.content["records"]):
            raise ValueError("it does not match its own fingerprint")
        return plan
    except FileNotFoundError:
        raise ConfigError(f"{layout.root}: not a run directory (it has no {layout.plan.name})") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{layout.plan}: not a plan this version can read ({error})") from error


def refuse_other(layout: Layout, old: Plan, new: Plan) -> None:
    """Raises ConfigError with the differences when a run would be continued under another fingerprint."""
    if old.fingerprint == new.fingerprint:
        return
    changes = differences(old.content, new.content)
    shown = "; ".join(changes[:5]) + (f"; and {len(changes) - 5} more" if len(changes) > 5 else "")
    raise ConfigError(
        f"run.dir={layout.root}: was made with another config ({shown}); "
        "choose another run.dir, or run.fresh=true to start it anew"
    )


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


class Records:
    """The records of a plan by ordinal; reads only the frames that are asked for, and keeps the last one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames = contents(path).frames
        self._firsts = [frame.first for frame in self._frames]
        self._held = -1
        self._rows: list[bytes] = []

    def __getitem__(self, ordinal: int) -> Record:
        """The record. Raises KeyError when the plan has no such ordinal, FrameDamaged when it is broken."""
        at = bisect_right(self._firsts, ordinal) - 1
        if at < 0 or ordinal > self._frames[at].last:
            raise KeyError(ordinal)
        if at != self._held:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._rows = read_lines(fd, self._frames[at], self._path).splitlines()
            finally:
                os.close(fd)
            self._held = at
        return Record.from_json(orjson.loads(self._rows[ordinal - self._firsts[at]]))

    def slice(self, first: int, last: int) -> Iterator[Record]:
        """Records with first <= ordinal < last, in order."""
        for ordinal in range(first, last):
            yield self[ordinal]
