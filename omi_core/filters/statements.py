"""Cleaning new problems: of what a model wrote, the statement alone, if there is one of sensible length.

A candidate's `problem` is the seed, its `solution` what was written from it. Modules of many patterns are
imported by the first candidate: every process would compile them, and most filter no problems.
"""

from __future__ import annotations

from omi_core.filters import length
from omi_core.filters.conversations.language import English
from omi_core.filters.filter import Example, Option, RowFilter, dropped, kept
from omi_core.records import Candidate


class Unfinished(length.Unfinished):
    """Drops what ended at the token limit."""

    section = "problems"
    option = None
    before_answers = False


class Statement(RowFilter):
    """Cuts everything but the statement: announcements and labels before it, answers and remarks after it."""

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
        Example(
            "To vary it, we add 1. Now, the new problem:\n\n**Question:** Find $x$.\n\nIt is 3.",
            "Find $x$.\n\nIt is 3.",
        ),
    )

    def solution_after(self, row: Candidate) -> str | None:
        from omi_core.filters.written_problem import statement

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


class NoQuestion(RowFilter):
    """Drops statements that ask nothing: no question mark, no request such as `Find $x$`, no gap to fill.

    A statement in another language than English is kept, since its requests are not known.
    """

    name = "no_question"
    section = "problems"
    option = Option("bool", True, "drop new problems that ask nothing")
    position = 45
    examples = (
        Example("Ada has 3 keys and buys 4. She has 7 keys.", None),
        Example("To find the total, we first add 3 and 4. First, find the sum.", None),
        Example("Write a new problem that is similar to it: about other people, with other numbers.", None),
        Example("Demonstrating the solution to your question.", None),
        Example("Ada has 3 keys. How many?", "Ada has 3 keys. How many?"),
        Example("If $x+1=3$, find $x$.", "If $x+1=3$, find $x$."),
        Example("How much does Ada pay in all.", "How much does Ada pay in all."),
        Example("If $2x=6$, then $x$ is", "If $2x=6$, then $x$ is"),
        Example("Berechne die Summe der ersten zehn Zahlen.", "Berechne die Summe der ersten zehn Zahlen."),
        Example("求前十个数的和。", "求前十个数的和。"),
    )

    def __init__(self) -> None:
        self._english = English()

    def solution_after(self, row: Candidate) -> str | None:
        from omi_core.filters.asking import asks

        if asks(row.solution) or self._english.solution_after(row) is None:
            return row.solution
        return None
