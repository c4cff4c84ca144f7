"""Importing generations made elsewhere: files of problems with solutions become records and a journal.

Rows with the same problem, ground truth and source are one record, however far apart they stand; its
samples are numbered in input order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from omi_core.config import Reduce
from omi_core.finish import finished
from omi_core.inputs import BadRow, Row, RowReader, Skipped, cell, file_rows, last_answer, local_files
from omi_core.records import Record, Sample
from omi_core.store.journal import JournalWriter
from omi_core.store.layout import Layout
from omi_core.store.plan import write_records


@dataclass(frozen=True)
class Imported:
    """How many records there are, the most samples one has, and the digest of both."""

    records: int
    samples: int
    digest: str


def import_samples(config: Reduce, layout: Layout, skipped: Skipped) -> Imported:
    """Writes the records and the journal of an import.

    Raises:
        ConfigError: no such file; or a bad row, as `skipped` has it.
    """
    import hashlib

    ordinals: dict[bytes, int] = {}
    counts: list[int] = []
    content = hashlib.blake2b(digest_size=16)

    def records() -> Iterator[Record]:
        with JournalWriter(layout.journal(1, 0), flush_samples=4096) as journal:
            for record, solutions in _groups(config, skipped):
                key = bytes.fromhex(record.id)
                new = key not in ordinals
                ordinal = ordinals.setdefault(key, len(ordinals))
                if new:
                    counts.append(0)
                for text, reason in solutions:
                    journal.add(_sample(ordinal, record.id, counts[ordinal], text, reason))
                    counts[ordinal] += 1
                    content.update(f"{ordinal} {len(text)} {reason} ".encode())
                    content.update(text.encode("utf-8", "surrogatepass"))
                if new:
                    yield replace(record, ordinal=ordinal)

    count, digest = write_records(layout.records, records())
    return Imported(count, max(counts, default=0), f"{digest}{content.hexdigest()}")


def _groups(config: Reduce, skipped: Skipped) -> Iterator[tuple[Record, list[tuple[str, str]]]]:
    """(record with ordinal 0, its solutions, each with how it ended) for every usable row."""
    assert config.input is not None
    data = config.data
    record_of = RowReader(data, config.answers.pattern, skipped)
    columns = [*record_of.columns, *config.solution]
    columns += [config.finish_reason] if config.finish_reason is not None else []
    rows = 0

    def bad(fault: BadRow) -> None:
        nonlocal rows
        if data.limit is None or rows < data.limit:
            rows += 1  # it was read, too
            skipped.bad(fault)

    for path in local_files("input", config.input):
        for where, row in file_rows(path, columns, record_of.columns, bad):
            if data.limit is not None and rows >= data.limit:
                return
            rows += 1
            record = record_of(row, where)
            if record is None:
                continue
            try:
                solutions = _solutions(config, row, where, skipped)
            except BadRow as fault:
                skipped.bad(fault)
                continue
            if solutions:
                yield record, solutions


def _solutions(config: Reduce, row: Row, where: str, skipped: Skipped) -> list[tuple[str, str]]:
    """The (solution, finish reason) pairs of a row. Raises BadRow."""
    found: list[tuple[str, str]] = []
    unusable = 0
    for column in config.solution:
        value = last_answer(cell(row, column, where, "solution"))
        texts = value if isinstance(value, list) else [value]
        for text, reason in zip(texts, _reasons(config, row, where, len(texts)), strict=True):
            if isinstance(text, str):
                found.append((text, reason))
            else:
                unusable += 1
    for _ in range(unusable):
        skipped.add("solution_not_text", where)
    if not found and not unusable:
        skipped.add("no_solution", where)
    return found


def _reasons(config: Reduce, row: Row, where: str, count: int) -> list[str]:
    """How each of a cell's solutions ended: "stop", "length", or an error that says why it is not finished.

    Raises BadRow.
    """
    if config.finish_reason is None:
        return ["stop"] * count
    value = cell(row, config.finish_reason, where, "finish_reason")
    reasons = value if isinstance(value, list) else [value] * count
    if len(reasons) != count:
        line = (
            f"finish_reason={config.finish_reason}: {where} has {len(reasons)} of them for {count} solutions"
        )
        raise BadRow("finish_reasons", where, line)
    return [finished(reason) or f"Unfinished: finish reason {str(reason)[:40]!r}" for reason in reasons]


def _sample(ordinal: int, record_id: str, index: int, text: str, reason: str) -> Sample:
    if finished(reason) is None:
        return Sample(ordinal, record_id, index, "", "error", 0, 0, 0.0, reason)
    return Sample(ordinal, record_id, index, text, reason, 0, 0, 0.0)
