"""Importing generations made elsewhere: files of problems with solutions become records and a journal.

Rows with the same problem, ground truth and source are one record, however far apart they stand; its
samples are numbered in input order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from omi_core.config import Reduce
from omi_core.finish import UNCLOSED, finished
from omi_core.inputs import BadRow, Row, RowReader, Skipped, cell, file_rows, last_answer, local_files
from omi_core.records import Record, Sample
from omi_core.store.journal import JournalWriter
from omi_core.store.layout import Layout
from omi_core.store.plan import write_records
from omi_core.text.reasoning import part


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
                for solution in solutions:
                    sample = _sample(ordinal, record.id, counts[ordinal], solution)
                    journal.add(sample)
                    counts[ordinal] += 1
                    for text in (solution.text, sample.reasoning):
                        if text is not None:
                            content.update(f"{ordinal} {len(text)} {solution.reason} ".encode())
                            content.update(text.encode("utf-8", "surrogatepass"))
                if new:
                    yield replace(record, ordinal=ordinal)

    count, digest = write_records(layout.records, records())
    return Imported(count, max(counts, default=0), f"{digest}{content.hexdigest()}")


@dataclass(frozen=True, slots=True)
class _Solution:
    """A solution without its thinking (None: it never came to one), how it ended, and what was thought."""

    text: str | None
    reason: str
    reasoning: str | None


def _groups(config: Reduce, skipped: Skipped) -> Iterator[tuple[Record, list[_Solution]]]:
    """(record with ordinal 0, its solutions) for every usable row."""
    assert config.input is not None
    data = config.data
    record_of = RowReader(data, config.answers.pattern, skipped)
    columns = [*record_of.columns, *config.solution, *config.reasoning]
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


def _solutions(config: Reduce, row: Row, where: str, skipped: Skipped) -> list[_Solution]:
    """The solutions of a row. Raises BadRow."""
    found: list[_Solution] = []
    unusable = 0
    for number, column in enumerate(config.solution):
        value = last_answer(cell(row, column, where, "solution"))
        texts = value if isinstance(value, list) else [value]
        traces = _traces(config, row, where, number, len(texts))
        for text, reason, trace in zip(texts, _reasons(config, row, where, len(texts)), traces, strict=True):
            if isinstance(text, str):
                inside, answer = part(text, config.reasoning_tags)
                found.append(_Solution(answer, reason, inside if trace is None else trace))
            else:
                unusable += 1
    for _ in range(unusable):
        skipped.add("solution_not_text", where)
    if not found and not unusable:
        skipped.add("no_solution", where)
    return found


def _traces(config: Reduce, row: Row, where: str, number: int, count: int) -> list[str | None]:
    """What was thought before each of a cell's solutions, where a column holds that. Raises BadRow."""
    if not config.reasoning:
        return [None] * count
    value = last_answer(cell(row, config.reasoning[number], where, "reasoning"))
    traces = value if isinstance(value, list) else [value]
    if len(traces) != count:
        line = f"reasoning={config.reasoning[number]}: {where} has {len(traces)} for {count} solutions"
        raise BadRow("reasonings", where, line)
    return [trace if isinstance(trace, str) else None for trace in traces]


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


def _sample(ordinal: int, record_id: str, index: int, solution: _Solution) -> Sample:
    if finished(solution.reason) is None:
        return Sample(ordinal, record_id, index, "", "error", 0, 0, 0.0, solution.reason)
    ended = UNCLOSED if solution.text is None else solution.reason
    text = solution.text or ""
    return Sample(ordinal, record_id, index, text, ended, 0, 0, 0.0, reasoning=solution.reasoning)
