"""The rows that are taken of each part, as parts of their own: with other solutions where these are noise.

Solutions that replace others are sorted by the rows that they go to, so that both are read side by side.
Memory: one bucket of solutions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from omi_core.combine.buckets import KEY, Buckets, parts_of_buckets
from omi_core.combine.chosen_rows import TAKEN, Chosen
from omi_core.combine.noise import Replacing
from omi_core.combine.wrong_solutions import OF_SOLUTION
from omi_core.inputs import Row
from omi_core.publish.parts import PartManifest, PartWriter, part_lines, part_path, read_manifest
from omi_core.stages.reduce import made_part

NOISE = "noise"  # the column, and the count of rows in which it is true
_UNMARKED = b',"noise":false}\n'  # the end of a row that was not replaced


@dataclass(frozen=True)
class Replacements:
    """What is replaced, and the parts among whose rows those solutions are that take their place."""

    replacing: Replacing
    donors: Sequence[PartManifest]

    def sorted_lines(self, rows: int, work: Path) -> Iterator[bytes]:
        """The rows with these solutions, in the order of those that they go to, of all `rows`.

        What a killed process finished in `work` is not done again. Raises PartError and OSError.
        """
        work.mkdir(exist_ok=True)
        first = self.donors[0]
        total = sum(part.rows for part in self.donors)
        size = sum(part.size for part in self.donors) * len(self.replacing.rows) / max(total, 1)

        def fill(buckets: Buckets) -> None:
            self._fill(buckets, rows)

        def write(lines: list[bytes], number: int) -> None:
            with _writer(work / "mixed", number, first, False) as part:
                for line in lines:
                    part.append(line[KEY:])
                part.finish()

        for path in parts_of_buckets(size, work, first.fingerprint, fill, write):
            for lines in part_lines(read_manifest(path)):
                yield from lines

    def _fill(self, buckets: Buckets, rows: int) -> None:
        shift = 64 - rows.bit_length()  # so that the numbers of rows spread over all buckets
        order = np.argsort(self.replacing.by)
        by, to = self.replacing.by[order], self.replacing.rows[order]
        begin = 0
        for part in self.donors:
            for lines in part_lines(part):
                first, last = np.searchsorted(by, (begin, begin + len(lines)))
                for donor, row in zip(by[first:last].tolist(), to[first:last].tolist(), strict=True):
                    buckets.add(row << shift, lines[donor - begin])
                begin += len(lines)


def made_parts(parts: Mapping[str, PartManifest], work: Path) -> dict[str, PartManifest]:
    """Of the parts in `work`/drawn those that are there, each made of the part of its number."""
    found = {
        number: made_part(part_path(work / "drawn", int(number)), part.fingerprint)
        for number, part in parts.items()
    }
    return {number: part for number, part in found.items() if part is not None}


def drawn_parts(
    parts: Mapping[str, PartManifest], chosen: Chosen, replacements: Replacements | None, work: Path
) -> dict[str, PartManifest]:
    """Of each part the rows that are taken, as a part in `work`/drawn.

    With `replacements` they have the column `noise`. What a killed process finished is not done again.

    Raises:
        PartError: a part is damaged.
        OSError: the disk is full.
    """
    folder = work / "drawn"
    folder.mkdir(exist_ok=True)
    lines: Iterator[bytes] = iter(())
    rows = np.empty(0, np.int64)
    if replacements is not None and len(replacements.replacing.rows):
        rows = replacements.replacing.rows
        lines = replacements.sorted_lines(len(chosen.fate), work / "noise")
    there = made_parts(parts, work)
    out: dict[str, PartManifest] = {}
    begin = 0
    for number, part in parts.items():
        first, last = np.searchsorted(rows, (begin, begin + part.rows))
        theirs = islice(lines, int(last - first))
        made = there.get(number)
        if made is None:
            fate = chosen.fate[begin : begin + part.rows]
            counts = {**part.counts, **chosen.counts(begin, begin + part.rows)}
            marked = NOISE not in part.columns and replacements is not None
            with _writer(folder, int(number), part, marked) as writer:
                _write(writer, part, fate, set((rows[first:last] - begin).tolist()), theirs, marked)
                noise = {NOISE: int(last - first)} if replacements is not None else {}
                made = writer.finish(counts | noise | {"rows": writer.rows})
        deque(theirs, maxlen=0)  # those of a part that was there are passed over
        out[number] = made
        begin += part.rows
    return out


def _writer(folder: Path, number: int, part: PartManifest, marked: bool) -> PartWriter:
    optional = part.columns[len(part.schema.required) :]
    return PartWriter(
        folder,
        number,
        fingerprint=part.fingerprint,
        provenance=(*optional, NOISE) if marked else optional,
        schema=part.schema,
    )


def _write(
    writer: PartWriter,
    part: PartManifest,
    fate: npt.NDArray[np.uint8],
    noisy: Set[int],
    others: Iterator[bytes],
    marked: bool,
) -> None:
    """Appends the rows that are taken, the `noisy` ones with the solutions of `others`."""
    begin = 0
    for lines in part_lines(part):
        for at in np.flatnonzero(fate[begin : begin + len(lines)] == TAKEN).tolist():
            line = lines[at]
            if begin + at in noisy:
                writer.write(_replaced(orjson.loads(line), orjson.loads(next(others))))
            else:
                writer.append(line[:-2] + _UNMARKED if marked else line)
        begin += len(lines)


def _replaced(row: Row, other: Row) -> Row:
    """A row with the solution of another one, and what is known of that."""
    row["generated_solution"] = other["generated_solution"]
    for name in OF_SOLUTION:
        if name in row:
            row[name] = other.get(name)
    row[NOISE] = True
    return row
