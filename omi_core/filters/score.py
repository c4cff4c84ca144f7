"""A filter on the score that a reward model has given a solution."""

from __future__ import annotations

from omi_core.filters.filter import Example, Option, RowFilter
from omi_core.records import Candidate


class MinScore(RowFilter):
    """Drops solutions with a lower score of `answers.scores`, and those without one."""

    name = "min_score"
    option = Option("float | None", None, "lowest score of answers.scores; null: off", "limit")
    position = 140
    reason = "a right answer may come of wrong steps"
    examples = (
        Example("5", "5", score=0.5, options={"limit": 0.5}),
        Example("5", None, score=0.4, options={"limit": 0.5}),
        Example("5", None, options={"limit": -1.0}),
    )

    def __init__(self, limit: float = 0.0) -> None:
        self.limit = limit

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if row.score is not None and row.score >= self.limit else None
