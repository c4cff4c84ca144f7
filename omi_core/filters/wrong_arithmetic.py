r"""The filter on wrong arithmetic: a statement between plain numbers, anywhere in the text, that is false.

How often it fires on solutions written by people, where a hit is most likely a false alarm, was measured
on the training sets of GSM8K (20 of 7,473 solutions) and MATH (6 of 7,500). Read one by one, all but one of
those 26 are slips of the author's; the false alarm is a minus carried to the next line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from omi_core.filters.arithmetic import Equation, statements
from omi_core.filters.expression import Rational
from omi_core.filters.filter import Example, Option, RowFilter, dropped, kept
from omi_core.filters.formula_units import without_units
from omi_core.records import Candidate

# Words that turn an equation into something else than a claim that it holds exactly.
_HEDGED = re.compile(
    r"remainder|\bround|approx|nearest|roughly|estimat|\bmod\b|modulo|left over|leftover|floor|integer part"
    r"|parity|(?:units?|ones|last) digit|contradict|impossible|incorrect|mistake"
    r"|\bwrong\b|\bfalse\b|not equal",
    re.IGNORECASE,
)
_AROUND = 60
_TOLERANCE = Fraction(1e-4)
_WRONG = (
    "So 3 * 4 = 13 in all.", "$\\frac{6}{2}=4$", "48/2 = <<48/2=23>>23", "It is 12 = 3 * 4 = 13.",
    "\\[ 2 \\times 3 + 4 = 11 \\]", "1,200 \\div 4 = 400", "(2 + 3)(4) = 21", "-3 - 4 = 7", "2^{10} = 1000",
    "\\frac12 + \\frac13 = \\boxed{\\frac25}", "$5 * 3 = $16 (since there are three)",
    "3*4 &= 12 \\\\\n&= 13", "15/60 = 20%", "Step 2: 10 / 3 = 3.4", "Total (48/2 = 25) apples",
    "7 x 8 = 54 cm", "So 3 * 4 = 13. Then we add.", "3 * 4 = 13, so we add.", "That's 3 * 4 = 13 eggs.",
    "It’s 3 * 4 = 13, and he goes on.", "$3 \\times 4 = 13$, so it is.",
    "$3\\text{ cm} + 4\\text{ cm} = 8\\text{ cm}$",
    "\\[ 3 \\text{ m} \\cdot 4 \\text{ m} = 13 \\text{ m}^2 \\]", "$7 \\cdot 8 = 54\\text{ g}$",
    "$3\\mathrm{\\ cm}$ and $2 \\cdot 2 = 5 \\mathrm{m}$",
    "$3\\text{ square feet} \\cdot 2 = 7\\text{ square feet}$",
    "$3\\text{ km/h} + 4\\text{ km/h} = 8\\text{ km/h}$", "That's a total of 3 + 4 = 8 eggs.",
    "3 + 4 = 8,so it is.", "So `3 + 4 = 8`, or 3 * 4 = **13**.",
)  # fmt: skip
_RIGHT = (
    "So 3 * 4 = 12 in all.", "1.2 * 3 = 3.6, 1,000 + 1 = 1{,}001 and .5 + .5 = 1", "10 / 3 = 3.33 or 3.3333",
    "2 / 3 = 0.66", "15/60 = 25% = 0.25", "20% * 50 = 10", "\\frac{1}{2} + \\frac13 = \\dfrac{5}{6}",
    "x + 3 * 4 = 13", "3 * 4 = 12x", "3 * 4 = 13 \\pi", "f(2) = 3 * 1 = 3", "10/3 \\approx 3 = n",
    "2x - 6 = 3", "17 / 5 = 3 remainder 2", "2^5 = 32 = 2 \\pmod{5}", "pages 3-5 = 3 pages",
    "Week 2 = 35 + 35", "3/ 1/4 = 12", "4 / 3 = 1 and 1/3", "5 * 200,000 = 1 million", "2\\frac{1}{2} = 2.5",
    "0900 - 0130 = 0730", "90^\\circ - 30^\\circ = 60^\\circ", "\\sqrt{16} + 1 = 5",
    "5! = 120 and 2 : 5 = 0.4", "0.\\overline{3} * 3 = 1", "1 + 2 + ... + 10 = 55", "3 apples + 4 = 7 apples",
    "\\frac{x}{2} = 4 + 1", "\\log_{2} 8 + 1 = 4", "101_2 = 5", "If 3 + 4 = 8, a contradiction.",
    "$2\\text{ hours} = 2 \\cdot 60 = 120\\text{ minutes}$", "$2\\text{ hours} = 2 \\cdot 60 = 120$",
    "$1\\text{ m} + 5\\text{ cm} = 105\\text{ cm}$", "$3 \\text{ dozen} + 2 = 38$",
    "$5\\text{ apples} - 2\\text{ apples} = 3\\text{ apples}$", "7 / 2 = 3, with 1 left over.",
    "$5 \\text{ pairs of socks} \\cdot 2 + 1 = 11 \\text{ pairs of socks}$",
    "$3 \\text{ square feet} \\cdot 144 = 432 \\text{ square inches}$",
)  # fmt: skip


class WrongArithmetic(RowFilter):
    """Drops solutions that state a false equation between plain numbers, such as `3 * 4 = 13`.

    A statement holds when the sides differ by at most 1 in 10,000 of the larger; a right side with decimals
    may also be the left one rounded or cut off there. Statements that the words around them call approximate,
    remaindered or wrong are passed over, and so is all that `arithmetic` does not read, and what is
    calculated with a sign that the problem defines otherwise.
    """

    name = "wrong_arithmetic"
    option = Option("bool", True, "drop solutions that state a false equation of numbers", late=False)
    position = 130
    reason = "a right answer reached by a wrong step"
    examples = (
        *dropped(*_WRONG),
        *kept(*_RIGHT),
        *(
            Example(solution, solution, problem)
            for solution, problem in (
                ("$2*3 = 2^3 + 3^2 = 17$", "If $a*b = a^b + b^a$, find $2*3$."),
                ("$3 \\star 4 = 19$", "Let $a \\star b = a + b^2$. Find $3 \\star 4$."),
                ("3 @ 4 = 9 + 16 = 25", "If a @ b = a^2 + b^2, what is 3 @ 4?"),
                ("$4 \\times 2 = 4 + 2 + 8 = 14$", "Define $x \\times y = x + y + xy$. Find $4 \\times 2$."),
                ("$2 + 3 = 13$", "The operation $+$ is defined by $a + b = a^2 + b^2$. Find $2 + 3$."),
                ("6 · 2 = 8", "Let the operation · be such that a · b = a + b. Find 6 · 2."),
                ("So 4 + 5 = 45.", "If 1 + 4 = 5, 2 + 5 = 12, what is 4 + 5?"),
                ("f(2) = 3, f(3) = 4", "Let f(x) = x + 1."),
                ("3 * 4 = 19", "Let $a \\star b = a + b^2$. Find $3 \\star 4$."),
                ("$3 + 4 = 25$", "If $x \\oplus y = x^2 + y^2$, what is $3 \\oplus 4$?"),
                ("3 * 4 = 25", "If x*y is x squared plus y squared, what is 3*4?"),
                ("3 * 4 = 25", "The operation * means to add the squares. Find 3 * 4."),
                ("5 + 4 = 12", "What is 5 + 4 in base 7?"),
                ("11 + 3 = 2", "On a 12-hour clock, what is 11 + 3?"),
            )
        ),
        Example("$2 + 3 = 6$. So $2*3 = 17$", None, "If $a*b = a^b + b^a$, find $2*3$."),
        Example(
            "$3 \\cdot 4 = 13$", None, "If $f \\circ g$ is the composition and $90^\\circ$ an angle, find."
        ),
        Example("$2 \\cdot 3 = 7$", None, "If $x + y = 5$ and $x \\cdot y = 6$, find $x$."),
    )

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if self.first_wrong(row.solution, row.problem) is None else None

    def place(self, row: Candidate) -> tuple[int, int] | None:
        found = self.first_wrong(row.solution, row.problem)
        return None if found is None else (found.start, found.end)

    def first_wrong(self, text: str, problem: str = "") -> Equation | None:
        """The first statement of `text`, a solution of `problem`, that does not hold."""
        defined: frozenset[str] | None = None
        for statement in self._wrong(text):
            from omi_core.filters.definitions import signs  # slow to import, and most solutions are right

            defined = self._defined(problem) if defined is None else defined
            if not defined & signs(text[statement.start : statement.end]):
                return statement
        return None

    def _wrong(self, text: str) -> Iterator[Equation]:
        for statement in statements(without_units(text), doubtful=True):
            if not _holds(statement) and not _hedged(text, statement):
                yield statement

    def _defined(self, problem: str) -> frozenset[str]:
        """The signs that do not mean what they always mean: the problem says so, or shows it."""
        from omi_core.filters.definitions import redefined, signs

        shown = (signs(problem[wrong.start : wrong.end]) for wrong in self._wrong(problem))
        return redefined(problem).union(*shown)


def _holds(statement: Equation) -> bool:
    return any(_close(a, b, statement.decimals) for a in statement.left for b in statement.right)


def _close(left: Rational, right: Rational, decimals: int | None) -> bool:
    if left == right:
        return True
    difference = abs(left - right)
    if difference <= _TOLERANCE * max(abs(left), abs(right)):
        return True
    if not decimals:
        return False
    unit = Fraction(1, 10**decimals)
    return 2 * difference <= unit or (difference < unit and abs(right) < abs(left))


def _hedged(text: str, statement: Equation) -> bool:
    before = text[max(0, statement.start - _AROUND) : statement.start].rpartition("\n")[2]
    after = text[statement.end : statement.end + _AROUND].partition("\n")[0]
    return _HEDGED.search(before) is not None or _HEDGED.search(after) is not None
