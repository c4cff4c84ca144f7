"""Filters on text that repeats itself, in lines or runs of words. After Gopher (arXiv 2112.11446, A1)."""

from __future__ import annotations

import re

from omi_core.filters.filter import Example, Option, RowFilter, dropped, kept
from omi_core.records import Candidate
from omi_core.text.words import covered, ngrams, wording

_LETTERS = re.compile(r"[^\W\d_]{2}")
_N = 10
_SAME = "It is the very same line as before."
_TEN = "one two three four five six seven eight nine ten"


class RepeatedLines(RowFilter):
    """Drops solutions with a larger share of lines that repeat an earlier one; formulas alone do not count.

    Gopher drops web pages from 0.3 on.
    """

    name = "repeated_lines"
    option = Option.share(None, "largest share of lines that repeat an earlier one; null: off")
    position = 110
    reason = "a model that goes round in circles"
    examples = (
        Example(f"{_SAME}\n{_SAME.upper()}\n", None),
        *kept(f"{_SAME}\n{_SAME}\nOh.\nYes.", "$x=5$\n5\n5\n5\n5\nSo it is."),
        Example(f"{_SAME}\n{_SAME}", f"{_SAME}\n{_SAME}", options={"share": 0.5}),
    )

    def __init__(self, share: float = 0.3) -> None:
        self.share = share

    def solution_after(self, row: Candidate) -> str | None:
        lines = [line for line in self.lines(row.solution) if _LETTERS.search(line)]
        repeated = len(lines) - len(set(lines))
        return row.solution if repeated <= self.share * len(lines) else None

    def lines(self, text: str) -> list[str]:
        """The lines as they are compared."""
        return [line.strip().casefold() for line in text.splitlines()]


class RepeatedNgrams(RowFilter):
    """Drops solutions with a larger share of words in runs of 10 that repeat an earlier run.

    Gopher drops web pages from 0.1 on, for n = 10.
    """

    name = "repeated_ngrams"
    option = Option.share(None, "largest share of words in runs of 10 that repeat an earlier run; null: off")
    position = 120
    reason = "a model that goes round in circles"
    examples = (
        *dropped(f"Ann: {_TEN}. Bob: {_TEN}.", "the " * 30),
        Example(f"Ann: {_TEN}. Bob: one two three.", f"Ann: {_TEN}. Bob: one two three."),
        Example(f"{_TEN}. Well: {_TEN}.", f"{_TEN}. Well: {_TEN}.", options={"share": 0.5}),
    )

    def __init__(self, share: float = 0.1) -> None:
        self.share = share

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if self.passes(row.solution) else None

    def passes(self, text: str) -> bool:
        """Whether a text repeats itself no more than it may."""
        words = wording(text)
        seen: set[tuple[str, ...]] = set()
        repeated: list[bool] = []
        for run in ngrams(words, _N):
            repeated.append(run in seen)
            seen.add(run)
        return covered(repeated, _N) <= self.share * len(words)
