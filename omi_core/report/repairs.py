"""The ground truths that a run has repaired, each beside the answer that took its place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from omi_core.answers.judging import REPAIRED
from omi_core.metrics import count_text
from omi_core.publish.parts import read_part
from omi_core.report.charts import Table
from omi_core.report.facts import Facts
from omi_core.report.mathml import formula, with_formulas
from omi_core.report.work import WorkTable

_MOST_ROWS, _SHOWN_CHARACTERS = 200, 300


def repair_tables(run: Facts) -> Iterator[WorkTable]:
    """The table, where there is something to say. Raises PartError when a part is damaged."""
    repaired = (run.counts or {}).get("repair", {}).get(REPAIRED, 0)
    if not repaired:
        return
    rows = list(islice(_rows(run), _MOST_ROWS))
    shown = f" The first {len(rows)} with a row in the dataset." if repaired > len(rows) else ""
    caption = (
        f"{count_text(repaired)} answers of the input with which no sample agrees, and those that a clear "
        f"majority of samples gave.{shown}"
    )
    headers = ["problem", "answer of the input", "answer now", "votes"]
    yield WorkTable("Repaired ground truths", caption, Table(headers, rows))


def _rows(run: Facts) -> Iterator[list[str]]:
    every = (
        row for part in run.parts for row in read_part(part.path) if row.get("replaced_answer") is not None
    )
    for _, group in groupby(every, lambda row: row["problem"]):
        row = next(group)
        votes = f"{row['votes']} of {row['voters']}" if "votes" in row else "–"
        answers = (formula(row[name]) for name in ("replaced_answer", "expected_answer"))
        yield [with_formulas(_cut(row["problem"])), *answers, votes]


def _cut(words: str) -> str:
    return words if len(words) <= _SHOWN_CHARACTERS else words[:_SHOWN_CHARACTERS] + " …"
