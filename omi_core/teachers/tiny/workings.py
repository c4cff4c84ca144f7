"""The exact working of each kind of problem: from its numbers to the steps and the answer.

A working takes the numbers `a, b, …` in the order of the text. It returns None where they make no sense:

- a count, a price or an age that is negative or not whole (money is in whole dollars);
- more than 100 %, more than the whole of something.

Probabilities, averages, litres and parts of a whole may be fractions. Steps may pass through fractions
even where the answer is whole (2/4 of 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
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


class _Working:
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


def gain(a: int, b: int) -> Work | None:
    w = _Working()
    return w.whole(w.find(a, "+", b, "the new number", "the number after the change"))


def loss(a: int, b: int) -> Work | None:
    w = _Working()
    return w.whole(w.find(a, "-", b, "the rest", "the number that stays"))


def groups(a: int, b: int) -> Work | None:
    w = _Working()
    return w.whole(w.find(a, "*", b, "the total", "the number in all groups"))


def share(a: int, b: int) -> Work | None:
    w = _Working()
    return w.whole(w.find(a, "/", b, "one share", "the number for each"))


def groups_loss(a: int, b: int, c: int) -> Work | None:
    w = _Working()
    total = w.find(a, "*", b, "the total", "the number at the start")
    return w.whole(w.find(total, "-", c, "the rest", "the number that stays"))


def compare(a: int, b: int) -> Work | None:
    w = _Working()
    other = w.find(a, "+", b, "the larger number", "the number of the second person")
    return w.whole(w.find(a, "+", other, "the sum of both", "the number together"))


def shopping(a: int, b: int, c: int, d: int) -> Work | None:
    w = _Working()
    first = w.find(a, "*", b, "the first cost", "the price of the first part")
    second = w.find(c, "*", d, "the second cost", "the price of the second part")
    return w.whole(w.find(first, "+", second, "the total", "the whole cost"))


def change(a: int, b: int, c: int) -> Work | None:
    w = _Working()
    cost = w.find(a, "*", b, "the cost", "the price of all of them")
    return w.whole(w.find(c, "-", cost, "the change", "the money that comes back"))


def unit_price(a: int, b: int, c: int) -> Work | None:
    w = _Working()
    each = w.find(b, "/", a, "the price of one", "the unit price")
    return w.whole(w.find(each, "*", c, "the new cost", "the price asked for"))


def percent_of(a: int, b: int) -> Work | None:
    if b > 100:
        return None
    w = _Working()
    product = w.find(a, "*", b, "the number times the percent", "the product")
    return w.whole(w.find(product, "/", 100, "the part", "the number asked for"))


def discount(a: int, b: int) -> Work | None:
    if b > 100:
        return None
    w = _Working()
    product = w.find(a, "*", b, "the price times the percent", "the product")
    off = w.find(product, "/", 100, "the discount", "the amount off")
    return w.whole(w.find(a, "-", off, "the new price", "the price to pay"))


def fraction_left(a: int, b: int, c: int) -> Work | None:
    if b > c:
        return None
    w = _Working()
    unit = w.find(a, "/", c, "one part", "the size of one part")
    gone = w.find(unit, "*", b, "the number gone", "the number taken away")
    return w.whole(w.find(a, "-", gone, "the rest", "the number that stays"))


def trip(a: int, b: int, c: int) -> Work | None:
    w = _Working()
    first = w.find(a, "*", b, "the first part", "the distance of the first part")
    return w.whole(w.find(first, "+", c, "the whole way", "the full distance"))


def average(a: int, b: int, c: int) -> Work | None:
    w = _Working()
    two = w.find(a, "+", b, "the sum of two", "the first sum")
    total = w.find(two, "+", c, "the sum of all three", "the total")
    return w.exact(w.find(total, "/", 3, "the average", "the mean"))


def _common(w: _Working, a: int, b: int, c: int, d: int) -> Fraction:
    """Notes a/b and c/d over their common denominator, and returns the sum."""
    bottom = lcm(b, d)
    left, right = a * (bottom // b), c * (bottom // d)
    w.note(f"{a}/{b} = {left}/{bottom}", "the first part", "the first fraction")
    w.note(f"{c}/{d} = {right}/{bottom}", "the second part", "the second fraction")
    total = f"{left}/{bottom} + {right}/{bottom} = {left + right}/{bottom}"
    w.note(total, "the sum", "the sum of both")
    return Fraction(left + right, bottom)


def fraction_sum(a: int, b: int, c: int, d: int) -> Work | None:
    w = _Working()
    return w.exact(_common(w, a, b, c, d))


def fraction_rest(a: int, b: int, c: int, d: int) -> Work | None:
    w = _Working()
    done = _common(w, a, b, c, d)
    bottom = lcm(b, d)
    top = done * bottom
    w.note(f"{bottom}/{bottom} - {top}/{bottom} = {bottom - top}/{bottom}", "the rest", "the part that stays")
    return w.exact(1 - done)


def chance(a: int, b: int) -> Work | None:
    w = _Working()
    total = w.find(a, "+", b, "the number of all", "the total")
    w.note(f"{a} / {total} = {plain(Fraction(a) / total)}", "the chance", "the probability")
    return w.exact(Fraction(a) / total)


def age(a: int, b: int, c: int) -> Work | None:
    w = _Working()
    now = w.find(a, "*", b, "the age now", "the age today")
    return w.whole(w.find(now, "+", c, "the later age", "the age then"))


def perimeter(a: int, b: int) -> Work | None:
    w = _Working()
    half = w.find(a, "+", b, "half of the way around", "the sum of two sides")
    return w.whole(w.find(half, "*", 2, "the perimeter", "the way around"))


def left_over(a: int, b: int) -> Work | None:
    w = _Working()
    full = a // b
    packed = w.find(full, "*", b, "the number that fits", "the number in full groups")
    return w.whole(w.find(a, "-", packed, "the rest", "the number left over"))
