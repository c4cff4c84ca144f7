"""Cleaning new problems: of what a model wrote, the statement alone, if there is one of sensible length.

A candidate's `problem` is the seed, its `solution` what was written from it.
"""

from __future__ import annotations

import re

from omi_core.filters import length
from omi_core.filters.filter import Example, Option, RowFilter, dropped, kept
from omi_core.records import Candidate

# White space is bounded everywhere: what a model repeats without end must not cost more than its length.
_GAP, _SPACE = r"\s{0,8}+", r"\s{1,8}+"
_BLANKS = r"[ \t]{0,80}+"
_THING = r"(?:problem|question|exercise|task)"
_NAMED = rf"{_THING}(?:{_SPACE}statement)?"
# A line that announces the statement, and nothing else: "Here is a new problem:", "### New problem".
_ANNOUNCEMENT = re.compile(
    rf"(?:(?:sure|certainly|of course|okay|ok|here)\b[^\n]{{0,120}}:|[#*_>\t ]{{0,12}}"
    rf"(?:(?:the|a|my|new|another|final|modified|rewritten|similar|inspired|created|\W){_GAP}){{0,3}}"
    rf"{_NAMED}(?:{_GAP}\d{{1,3}})?(?:{_GAP}[:.*_#]{{1,6}}|(?=[^\S\n]{{0,80}}\n)))"
    rf"[^\S\n]{{0,80}}[ \t*_]{{0,80}}+(?:\n|$)",
    re.IGNORECASE,
)
# The same with the statement after it on the line.
_LABEL = re.compile(
    rf"[#*_>\t ]{{0,12}}(?:(?:the|new|another|final|modified|rewritten|similar|inspired){_SPACE}){{0,3}}"
    rf"{_NAMED}{_GAP}\d{{0,3}}{_GAP}[*_]{{0,3}}:[*_]{{0,3}}",
    re.IGNORECASE,
)
# What follows a statement: a heading, a ruler, or the name of another part, alone or before a colon.
_PART = (
    rf"(?:(?:detailed|full|complete|final|sample|step-by-step|the|correct|my|worked){_SPACE}){{0,2}}"
    r"(?:solution|answer|explanation|reasoning|rationale|working|approach|difficulty|inspiration|change|"
    rf"modification|discussion|proof|step{_SPACE}1|new{_SPACE}{_THING}|another{_SPACE}{_THING}|"
    rf"{_THING}{_SPACE}\d{{1,3}}|similar{_SPACE}{_THING}|{_THING})s?"
)
_NEXT = re.compile(
    rf"^{_BLANKS}(?:#{{1,6}}[ \t]|[-*_=]{{3,}}+[ \t]*+$|"
    rf"[*_>\t ]{{0,6}}{_PART}[^\S\n]{{0,80}}[*_]{{0,3}}{_BLANKS}(?::|\.?[ \t*_]{{0,80}}+$))",
    re.IGNORECASE | re.MULTILINE,
)
# On the line of the statement only these, with a capital and a colon: "answer" is a word like any other.
_INLINE = re.compile(r"(?<=[.?!$)\]])[ \t]++[*_]{0,3}(?:Solution|Answer|Final Answer|Explanation)[*_]{0,3}:")


def statement(text: str) -> str:
    """The statement of a new problem: without an announcement before it, or anything after it.

    Time is linear in the text.
    """
    text = text.strip()
    for pattern in (_ANNOUNCEMENT, _ANNOUNCEMENT, _LABEL):
        found = pattern.match(text)
        if found:
            text = text[found.end() :].lstrip()
    for pattern in (_NEXT, _INLINE):
        if found := pattern.search(text):
            text = text[: found.start()]
    return text.strip()


class Unfinished(length.Unfinished):
    """Drops what ended at the token limit."""

    section = "problems"
    option = None
    before_answers = False


class Statement(RowFilter):
    """Cuts everything but the statement: an announcement before it, a solution or other part after it."""

    name = "statement"
    section = "problems"
    position = 20
    examples = (
        Example("Ada has 3 keys. How many?", "Ada has 3 keys. How many?"),
        Example("New problem: Find $x$.", "Find $x$."),
        Example("### New Problem\nFind $x$.\n\n### Solution\nIt is 3.", "Find $x$."),
        Example("**Problem:** Find $x$.\n**Solution:** 3", "Find $x$."),
        Example("Here is a new problem inspired by yours:\n\nFind $x$.\n\nAnswer: 3", "Find $x$."),
        Example("Sure! Here it is:\n**New Problem 2:**\nFind $x$.", "Find $x$."),
        Example("Find $x$. Solution: it is 3.", "Find $x$."),
        Example("Find $x$.\n\nSolution\nIt is 3.", "Find $x$."),
        Example("Find $x$.\n---\nThis problem needs another approach.", "Find $x$."),
        Example("Find $x$.\n\nProblem 2: Find $y$.", "Find $x$."),
        Example("## Solution\nIt is 3.", ""),
        Example(
            "Problem solvers like Ada read a problem.\nThe answer: what is it?",
            "Problem solvers like Ada read a problem.",
        ),
        *kept(
            "How many solutions has $x^2=4$?",
            "Task A takes 3 hours.\nSolution A holds 2 l of salt.",
            "Find the sum:\n$$1+2$$\nand its square.",
        ),
    )

    def solution_after(self, row: Candidate) -> str | None:
        return statement(row.solution)


class Empty(RowFilter):
    """Drops statements without a letter or digit."""

    name = "empty"
    section = "problems"
    position = 30
    examples = (*dropped("", " .\n"), *kept("1+1?", "π"))

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if any(character.isalnum() for character in row.solution) else None


class TooLong(RowFilter):
    """Drops statements of more words, split at white space."""

    name = "too_long"
    section = "problems"
    option = Option.limit(
        300,
        "longest new problem, in words (AceMath, arXiv 2412.15084); null: any",
        name="max_words",
        late=False,
    )
    position = 50
    examples = (
        Example("one two three", "one two three", options={"limit": 3}),
        Example("one two three", None, options={"limit": 2}),
    )

    def __init__(self, limit: int = 300) -> None:
        self.limit = limit

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if len(row.solution.split()) <= self.limit else None


class Boxed(RowFilter):
    r"""Drops statements that hold a `\boxed{}`: a solution that cannot be told from its problem."""

    name = "boxed"
    section = "problems"
    position = 40
    examples = (
        Example("We get $x = \\boxed{3}$.", None),
        Example("What is in the box?", "What is in the box?"),
    )

    def solution_after(self, row: Candidate) -> str | None:
        return None if "\\boxed" in row.solution or "\\fbox" in row.solution else row.solution
