"""What a filter is: a name, options, examples of what it does, and `apply` on a batch of candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, ClassVar

from omi_core.records import Candidate


@dataclass(frozen=True, slots=True)
class Example:
    """A case that shows what a filter does, and that its test runs.

    `becomes` is the solution afterwards: equal to `solution` where the row stays as it is, None where it
    is dropped. `options` are those that the filter is made with.
    """

    solution: str
    becomes: str | None
    problem: str = "What is 2 + 3?"
    finish_reason: str = "stop"
    options: Mapping[str, Any] = field(default_factory=dict)


class Filter(ABC):
    """Drops or rewrites candidates. Its options are the constructor's keywords, all with plain JSON values.

    A filter sees each row by itself: what becomes of a row must not depend on the batch it comes in.
    """

    name: ClassVar[str]
    examples: ClassVar[tuple[Example, ...]]

    @abstractmethod
    def apply(self, rows: Sequence[Candidate]) -> list[Candidate | None]:
        """For each row, in order: the row, a changed copy, or None (dropped); never changed in place."""


class RowFilter(Filter):
    """A filter that decides row by row: subclasses write `solution_after`."""

    @abstractmethod
    def solution_after(self, row: Candidate) -> str | None:
        """The solution to go on with (the row's own to keep it as it is), or None to drop the row."""

    def apply(self, rows: Sequence[Candidate]) -> list[Candidate | None]:
        return [self._one(row) for row in rows]

    def _one(self, row: Candidate) -> Candidate | None:
        solution = self.solution_after(row)
        if solution is None:
            return None
        return row if solution == row.solution else replace(row, solution=solution)


def at_least(name: str, value: int, least: int) -> int:
    """The value, if it is an integer of at least `least`. Raises ValueError."""
    if type(value) is not int or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")
    return value


def share_of(name: str, value: float) -> float:
    """The value, if it is a share. Raises ValueError."""
    if type(value) not in (int, float) or not isfinite(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, not {value!r}")
    return value
