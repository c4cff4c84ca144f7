"""What a filter is: a class that declares its name, its option, its place and its examples.

That class is all there is to a filter: the schema of the config, `--help`, the chain and the tables in docs/
are made of what the classes declare (`omi_core.filters.registry`).
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from omi_core.records import Candidate, Sample


@dataclass(frozen=True, slots=True)
class Option:
    """The option of the config that turns a filter on, and off at null, at false and at `off`.

    `type` is written as an annotation: "bool", "int | None". `argument` is the keyword of the filter's
    constructor that takes the value; None where the option only says whether the filter runs. `name` is that
    of the option where it is not the filter's own. `ge`, `gt`, `le` and `lt` are bounds of the value. `late`
    is False for the options of the first runs alone: they are in the fingerprint also at their default.
    """

    type: str
    default: Any
    help: str
    argument: str | None = None
    off: Any = None
    name: str | None = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    late: bool = True

    @classmethod
    def limit(cls, default: int | None, help: str, **more: Any) -> Option:
        """A number of at least 1, for the keyword `limit`."""
        return cls("int | None", default, help, "limit", **{"ge": 1, **more})

    @classmethod
    def share(cls, default: float | None, help: str, **more: Any) -> Option:
        """A number from 0 to 1, for the keyword `share`."""
        return cls("float | None", default, help, "share", **{"ge": 0, "le": 1, **more})

    def turns_off(self, value: Any) -> bool:
        """Whether the filter does not run at this value."""
        return value is None or value is False or (self.off is not None and value == self.off)


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
    reasoning: str | None = None
    score: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def kept(*solutions: str, **more: Any) -> Iterator[Example]:
    """Examples that stay as they are."""
    return (Example(solution, solution, **more) for solution in solutions)


def dropped(*solutions: str, **more: Any) -> Iterator[Example]:
    """Examples that are dropped."""
    return (Example(solution, None, **more) for solution in solutions)


class Filter(ABC):
    """Drops or rewrites candidates. Its settings are the constructor's keywords, all with plain JSON values.

    A filter sees each row by itself: what becomes of a row must not depend on the batch it comes in. Two
    keywords are given to each constructor that has them: `extract`, the run's `Extractor`, and `tokenizer`,
    the path of the `tokenizer.json` that lengths are counted with.

    `name` is what its rows are counted as. `section` is where in the config its option is, and so what it
    filters: "filters" (solutions), "conversations" (of dialogues) or "problems" (new ones). Without an
    `option` it always runs. Filters run in the order of their `position`. The first paragraph of the
    docstring says in the docs what a filter does, and `reason` says why.
    """

    name: ClassVar[str]
    section: ClassVar[str] = "filters"
    option: ClassVar[Option | None] = None
    position: ClassVar[int]
    reason: ClassVar[str] = ""
    examples: ClassVar[tuple[Example, ...]]
    before_answers: ClassVar[bool] = False
    """Whether solutions that it drops go before answers are looked at; `may_vote` says more."""

    def may_vote(self, sample: Sample) -> bool:
        """Whether a sample has a say in what the answer is. Asked where `before_answers` is set."""
        return True

    def place(self, row: Candidate) -> tuple[int, int] | None:
        """Where in the solution is what it drops the row for: start and end; None where that is no place."""
        return None

    @classmethod
    def key(cls) -> str | None:
        """The name of the option in its section; None where the filter always runs."""
        return (cls.option.name or cls.name) if cls.option is not None else None

    @classmethod
    def takes(cls, keyword: str) -> bool:
        """Whether the constructor has this keyword."""
        return keyword in inspect.signature(cls).parameters

    @abstractmethod
    def apply(self, rows: Sequence[Candidate]) -> list[Candidate | None]:
        """For each row, in order: the row, a changed copy, or None (dropped); never changed in place."""


class RowFilter(Filter):
    """A filter that decides row by row: subclasses write `solution_after`."""

    @abstractmethod
    def solution_after(self, row: Candidate) -> str | None:
        """The solution to go on with (the row's own to keep it as it is), or None to drop the row."""

    def apply(self, rows: Sequence[Candidate]) -> list[Candidate | None]:
        after = self.solution_after
        return [row if (new := after(row)) is row.solution else _changed(row, new) for row in rows]


def _changed(row: Candidate, solution: str | None) -> Candidate | None:
    if solution is None:
        return None
    return row if solution == row.solution else replace(row, solution=solution)
