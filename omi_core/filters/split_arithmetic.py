r"""The filter that takes long arithmetic apart: `2 + 3 + 4 = 9` becomes `2 + 3 + 4 = 5 + 4 = 9`.

A model that writes a long sum in one go is often wrong; one that is trained on single steps less so
(OpenMathInstruct-2, arXiv 2410.01560, App. A.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from omi_core.filters.arithmetic import Equation, statements
from omi_core.filters.filter import Example, Option, RowFilter
from omi_core.records import Candidate

_NUMBER = r"\d{1,12}(?:\.\d{1,6})?"
_SIGN = r"\s{0,8}+(?:[+\-*/−×·]|\\times|\\cdot|\\div)\s{0,8}+"
_SUM = re.compile(
    rf"({_NUMBER}(?:{_SIGN}{_NUMBER}){{2,10}})(\s{{0,8}}+=\s{{0,8}}+)(?!.*=)", re.ASCII | re.DOTALL
)
_PIECE = re.compile(rf"{_NUMBER}|{_SIGN}", re.ASCII)
_TIMES = ("*", "×", "·", "\\times", "\\cdot")
_OVER = ("/", "\\div")


class SplitArithmetic(RowFilter):
    """Rewrites a true equation of three or more plain numbers so that each step is one calculation.

    Multiplications and divisions come first, each kind from the left. What holds brackets, fractions, powers
    or thousands separators stays as it is, and so does what is only approximately equal.
    """

    name = "split_arithmetic"
    option = Option("bool", False, "split long sums into steps: 2 + 3 + 4 = 5 + 4 = 9")
    position = 65
    reason = "a step that holds one calculation is easier to learn; on in the recipe of OpenMathInstruct-2"
    examples = (
        Example("So 2 + 3 + 4 = 9 in all.", "So 2 + 3 + 4 = 5 + 4 = 9 in all."),
        Example("$2+3+4+5=14$", "$2+3+4+5=5+4+5=9+5=14$"),
        Example("$3 - 5 + 4 = \\boxed{2}$", "$3 - 5 + 4 = -2 + 4 = \\boxed{2}$"),
        Example("2 + 3 \\cdot 4 = 14, so", "2 + 3 \\cdot 4 = 2 + 12 = 14, so"),
        Example("12 / 4 / 3 = 1", "12 / 4 / 3 = 3 / 3 = 1"),
        Example("1.5 + 1.5 + 0.25 = 3.25", "1.5 + 1.5 + 0.25 = 3 + 0.25 = 3.25"),
        *(
            Example(text, text)
            for text in (
                "2 + 3 = 5",
                "2 + 3 + 4 = 5 + 4 = 9",
                "2 + 3 + 4 = 10",
                "1 / 3 + 1 = 1.33",
                "2(3 + 4) + 1 = 15",
                "x + 2 + 3 + 4 = 9",
                "2 + 3 + 4 = 9x",
                "1,000 + 2 + 3 = 1,005",
                "<<2+3+4=9>>",
                "2^3 + 1 + 1 = 10",
            )
        ),
        Example("$2 + 3 + 4 = 9$", "$2 + 3 + 4 = 9$", "The operation $+$ is defined by $a + b = a^2 + b$."),
    )

    def solution_after(self, row: Candidate) -> str | None:
        from omi_core.filters.definitions import redefined, signs

        text = row.solution
        defined: frozenset[str] | None = None
        pieces, done = [], 0
        for statement in statements(text):
            sum_ = _SUM.match(text, statement.start, statement.end)
            if sum_ is None or statement.decimals is None or text.startswith("<<", statement.start - 2):
                continue
            defined = redefined(row.problem) if defined is None else defined
            steps = list(_steps(sum_[1], statement)) if not defined & signs(sum_[1]) else []
            pieces += [text[done : sum_.end(1)], *(f"{sum_[2]}{step}" for step in steps)]
            done = sum_.end(1)
        return "".join([*pieces, text[done:]])


def _steps(words: str, statement: Equation) -> Iterator[str]:
    """What stands between a sum and its value, a calculation less each time; nothing if it is not exact."""
    pieces = _PIECE.findall(words)
    values, between = [Fraction(piece) for piece in pieces[::2]], pieces[1::2]
    steps: list[str] = []
    while len(values) > 1:
        at = next((at for at, sign in enumerate(between) if sign.strip() in (*_TIMES, *_OVER)), 0)
        values[at : at + 2] = [_value(values[at], between[at].strip(), values[at + 1])]
        del between[at]
        shown = [_shown(value) for value in values]
        if not all(shown):
            return
        steps.append("".join(each for pair in zip(shown, [*between, ""], strict=True) for each in pair))
    if values[0] in statement.right:
        yield from steps[:-1]


def _value(left: Fraction, sign: str, right: Fraction) -> Fraction:
    if sign in _TIMES:
        return left * right
    if sign in _OVER:
        return left / right if right else Fraction(1, 3)  # not shown, as all that has no end
    return left + right if sign == "+" else left - right


def _shown(value: Fraction) -> str:
    """A number in full; "" where it has no end."""
    if value.denominator == 1:
        return str(value.numerator)
    text = f"{float(value):.6f}".rstrip("0")
    return text if Fraction(text) == value else ""
