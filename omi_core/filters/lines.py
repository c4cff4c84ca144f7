"""The filter on lines: solutions of too many."""

from __future__ import annotations

from omi_core.filters.filter import Example, Option, RowFilter
from omi_core.records import Candidate


class MaxLines(RowFilter):
    """Drops solutions of more lines; blank ones do not count."""

    name = "max_lines"
    option = Option.limit(None, "longest solution, in lines; null: off")
    position = 75
    reason = "sums listed without end"
    examples = (
        Example("We add.\n\nIt is 5.\n", "We add.\n\nIt is 5.\n", options={"limit": 2}),
        Example("We add.\n2 + 3 = 5\nIt is 5.", None, options={"limit": 2}),
        Example("line\r" * 101, None),
        Example("", "", options={"limit": 1}),
    )

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit

    def solution_after(self, row: Candidate) -> str | None:
        lines = sum(1 for line in row.solution.splitlines() if line.strip())
        return row.solution if lines <= self.limit else None
