"""Rows of files with solutions made elsewhere: of each its record, and what was generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from omi_core.finish import finished
from omi_core.inputs.cells import cell, last_answer
from omi_core.inputs.columns import RowReader
from omi_core.inputs.data_options import Data
from omi_core.inputs.row_files import Row, file_rows, local_files
from omi_core.inputs.skipped import BadRow, Skipped
from omi_core.records import Record
from omi_core.text.reasoning import part


class SolutionColumns(Protocol):
    """Which columns hold solutions, how they ended and what was thought before them: as in `jobs.reduce`."""

    solution: list[str]
    finish_reason: str | None
    reasoning: list[str]
    reasoning_tags: list[str]


@dataclass(frozen=True, slots=True)
class Generation:
    """A solution without its thinking (None: it never came to one), how it ended, and what was thought."""

    text: str | None
    reason: str
    reasoning: str | None


def read_generations(
    given: str, data: Data, named: SolutionColumns, pattern: str | None, skipped: Skipped
) -> Iterator[tuple[Record, list[Generation]]]:
    """(record with ordinal 0, its solutions) for every usable row of the files that `given` names.

    Raises:
        ConfigError: no such file; or a bad row, as `skipped` has it.
    """
    record_of = RowReader(data, pattern, skipped)
    columns = [*record_of.columns, *named.solution, *named.reasoning]
    columns += [named.finish_reason] if named.finish_reason is not None else []
    rows = 0

    def bad(fault: BadRow) -> None:
        nonlocal rows
        if data.limit is None or rows < data.limit:
            rows += 1  # it was read, too
            skipped.bad(fault)

    for path in local_files("input", given):
        for where, row in file_rows(path, columns, record_of.columns, bad):
            if data.limit is not None and rows >= data.limit:
                return
            rows += 1
            record = record_of(row, where)
            if record is None:
                continue
            try:
                solutions = _solutions(named, row, where, skipped)
            except BadRow as fault:
                skipped.bad(fault)
                continue
            if solutions:
                yield record, solutions


def _solutions(named: SolutionColumns, row: Row, where: str, skipped: Skipped) -> list[Generation]:
    """The solutions of a row. Raises BadRow."""
    found: list[Generation] = []
    unusable = 0
    for number, column in enumerate(named.solution):
        value = last_answer(cell(row, column, where, "solution"))
        texts = value if isinstance(value, list) else [value]
        traces = _traces(named, row, where, number, len(texts))
        for text, reason, trace in zip(texts, _reasons(named, row, where, len(texts)), traces, strict=True):
            if isinstance(text, str):
                inside, answer = part(text, named.reasoning_tags)
                found.append(Generation(answer, reason, inside if trace is None else trace))
            else:
                unusable += 1
    for _ in range(unusable):
        skipped.add("solution_not_text", where)
    if not found and not unusable:
        skipped.add("no_solution", where)
    return found


def _traces(named: SolutionColumns, row: Row, where: str, number: int, count: int) -> list[str | None]:
    """What was thought before each of a cell's solutions, where a column holds that. Raises BadRow."""
    if not named.reasoning:
        return [None] * count
    value = last_answer(cell(row, named.reasoning[number], where, "reasoning"))
    traces = value if isinstance(value, list) else [value]
    if len(traces) != count:
        line = f"reasoning={named.reasoning[number]}: {where} has {len(traces)} for {count} solutions"
        raise BadRow("reasonings", where, line)
    return [trace if isinstance(trace, str) else None for trace in traces]


def _reasons(named: SolutionColumns, row: Row, where: str, count: int) -> list[str]:
    """How each of a cell's solutions ended: "stop", "length", or an error that says why it is not finished.

    Raises BadRow.
    """
    if named.finish_reason is None:
        return ["stop"] * count
    value = cell(row, named.finish_reason, where, "finish_reason")
    reasons = value if isinstance(value, list) else [value] * count
    if len(reasons) != count:
        line = (
            f"finish_reason={named.finish_reason}: {where} has {len(reasons)} of them for {count} solutions"
        )
        raise BadRow("finish_reasons", where, line)
    return [finished(reason) or f"Unfinished: finish reason {str(reason)[:40]!r}" for reason in reasons]
