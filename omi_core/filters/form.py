"""Filters on the form of a solution: it says the question again first, and ends with the boxed answer.

AceMath (arXiv 2412.15084) keeps solutions of one uniform form; how it is told there is not published, so the
measures here are our own.
"""

from __future__ import annotations

import re

from omi_core.answers.extract import Extractor
from omi_core.filters.filter import Example, Option, RowFilter, kept
from omi_core.records import Candidate
from omi_core.text.words import wording

# What may stand on lines of its own below the box and still belong to its formula.
_CLOSING = re.compile(r"(?>(?:[\s$.*]|\\[\])]|\\end\{[a-z]{1,12}\*?\})*)")

# Words that tell nothing of a problem: any solution has them.
_COMMON = frozenset(
    "a an the of to in on at for from by with and or but if then than that this these those is are was "
    "were be been being it its they them their there he she his her him you your we our i as so not no do "
    "does did has have had can could will would should may might must what which who how many much when "
    "where why each all any every per into out up down more most less find determine calculate compute "
    "let given suppose value answer also only such same other both after before between during over under "
    "about".split()
)
_MORE = 15  # words that may introduce the question
_CHARACTERS = 100
_QUESTION = "Ann has 3 brown eggs in her basket and buys 4 white eggs. How many eggs has she?"


class EndsBoxed(RowFilter):
    """Drops solutions whose last line does not hold the boxed answer; a formula around it may end below."""

    name = "ends_boxed"
    option = Option("bool", False, "drop solutions whose last line does not hold the boxed answer")
    position = 60
    reason = "every solution has its answer in the same place"
    examples = (
        Example("We add.\nIt is \\boxed{5}.", "We add.\nIt is \\boxed{5}."),
        Example("It is \\boxed{5} dollars.\n\n", "It is \\boxed{5} dollars.\n\n"),
        Example("So\n\\[\nx = \\boxed{5}.\n\\]", "So\n\\[\nx = \\boxed{5}.\n\\]"),
        Example("$$\n\\boxed{5}\n$$\n", "$$\n\\boxed{5}\n$$\n"),
        Example("It is \\boxed{5}.\nNote that 5 is prime.", None),
        Example("It is \\boxed{5}\n\\]\nas wanted.", None),
        Example("It is 5.", None),
        Example("It is \\boxed{5", None),
    )

    def __init__(self) -> None:
        self._extract = Extractor(("boxed",))

    def solution_after(self, row: Candidate) -> str | None:
        text = row.solution
        found = self._extract(text)
        if found.answer is None:
            return None
        _, _, below = text[found.end :].partition("\n")
        return text if _CLOSING.fullmatch(below) else None


class Restates(RowFilter):
    """Drops solutions that begin with a smaller share of the problem's words and numbers; 0 is off.

    Words that every text has do not count. The beginning is as many words as the problem has, and 15 more.
    """

    name = "restates"
    option = Option(
        "float",
        0.0,
        "smallest share of the problem's words and numbers in the beginning of the solution; 0: off",
        "share",
        off=0.0,
        ge=0,
        le=1,
    )
    position = 100
    reason = "every solution begins with the question"
    examples = (
        Example(f"We are told that {_QUESTION} We add.", f"We are told that {_QUESTION} We add.", _QUESTION),
        Example("Ann starts with 3 eggs and buys 4 more. So 3 + 4 = 7.", None, _QUESTION),
        *kept(
            "Ann starts with 3 eggs and buys 4 more. So 3 + 4 = 7.", problem=_QUESTION, options={"share": 0.6}
        ),
        Example("We add: 3 + 4 = 7. " * 5 + _QUESTION, None, _QUESTION),
        Example("It is what it is.", "It is what it is.", problem="What is it?"),
    )

    def __init__(self, share: float = 0.8) -> None:
        self.share = share

    def solution_after(self, row: Candidate) -> str | None:
        words = wording(row.problem)
        told = {word for word in words if word.isalnum()} - _COMMON
        # A word has a character at least, and a text may be endless; so it is not read to its end.
        begin = wording(row.solution[: _CHARACTERS * (len(words) + _MORE)])[: len(words) + _MORE]
        return row.solution if len(told & set(begin)) >= self.share * len(told) else None
