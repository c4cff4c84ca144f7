"""How a problem is worked out: lines of exact arithmetic, and the answer that they come to."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from operator import add, mul, sub, truediv


@dataclass(frozen=True, slots=True)
class WorkingLine:
    """One line of arithmetic, such as `3 * 4 = 12`, and ways to say what it finds."""

    arithmetic: str
    finds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """The steps in order and the exact result."""

    steps: tuple[WorkingLine, ...]
    answer: Fraction


def plain(value: Fraction) -> str:
    """A number as the steps write it: `12` or `3/4`."""
    return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"


_OPERATORS = {"+": add, "-": sub, "*": mul, "/": truediv}


class Working:
    """Collects steps while it calculates."""

    def __init__(self) -> None:
        self.steps: list[WorkingLine] = []

    def find(self, left: Fraction | int, operator: str, right: Fraction | int, *finds: str) -> Fraction:
        x, y = Fraction(left), Fraction(right)
        result = _OPERATORS[operator](x, y)
        self.steps.append(WorkingLine(f"{plain(x)} {operator} {plain(y)} = {plain(result)}", finds))
        return result

    def note(self, arithmetic: str, *finds: str) -> None:
        self.steps.append(WorkingLine(arithmetic, finds))

    def whole(self, answer: Fraction) -> Work | None:
        """The work of a count: None unless the answer is whole and not negative."""
        return self.exact(answer) if answer.denominator == 1 else None

    def exact(self, answer: Fraction) -> Work | None:
        return Work(tuple(self.steps), answer) if answer >= 0 else None
