"""The kinds of problem of the closed world: their wordings, the numbers that suit them, and their workings.

A kind is a few wordings of one question (all with the numbers in the same order), a rule that draws sensible
numbers for it, and the working from its numbers, in the order of the text, to the answer. The working is None
where they make no sense:

- a count, a price or an age that is negative or not whole (money is in whole dollars);
- more than 100 %, more than the whole of something.

Probabilities, averages, litres and parts of a whole may be fractions. Steps may pass through fractions
even where the answer is whole (2/4 of 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from random import Random

from omi_core.teachers.tiny.workings import Work, Working, plain

Numbers = Callable[[Random], tuple[int, ...]]
Rule = Callable[..., Work | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem; `numbers` draws values that the training texts use, `work` accepts any."""

    name: str
    wordings: tuple[str, ...]
    numbers: Numbers
    work: Rule


KINDS: list[Kind] = []


def _kind(numbers: Numbers, *wordings: str) -> Callable[[Rule], Rule]:
    """Adds a kind, named after the rule that works out its numbers."""

    def add(rule: Rule) -> Rule:
        KINDS.append(Kind(rule.__name__, wordings, numbers, lambda *given: rule(Working(), *given)))
        return rule

    return add


def _pair(low: int, high: int, low2: int, high2: int) -> Numbers:
    return lambda r: (r.randint(low, high), r.randint(low2, high2))


def _several(count: int, low: int, high: int) -> Numbers:
    return lambda r: tuple(r.randint(low, high) for _ in range(count))


def _draw_loss(r: Random) -> tuple[int, ...]:
    a = r.randint(12, 99)
    return a, r.randint(2, a - 1)


def _draw_share(r: Random) -> tuple[int, ...]:
    b = r.randint(2, 12)
    return b * r.randint(2, 12), b


def _draw_groups_loss(r: Random) -> tuple[int, ...]:
    a, b = r.randint(2, 9), r.randint(3, 15)
    return a, b, r.randint(2, a * b - 1)


def _draw_change(r: Random) -> tuple[int, ...]:
    a, b = r.randint(2, 9), r.randint(2, 11)
    return a, b, r.choice([bill for bill in (20, 50, 100) if bill >= a * b])


def _draw_unit_price(r: Random) -> tuple[int, ...]:
    a = r.randint(2, 9)
    return a, a * r.randint(2, 9), r.randint(2, 12)


def _draw_percent(r: Random) -> tuple[int, ...]:
    b = r.choice((5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80))
    step = Fraction(b, 100).denominator
    return step * r.randint(1, 200 // step), b


def _draw_fraction_left(r: Random) -> tuple[int, ...]:
    c = r.randint(2, 9)
    return c * r.randint(2, 12), r.randint(1, c - 1), c


def _draw_fractions(r: Random) -> tuple[int, ...]:
    b, d = r.randint(2, 8), r.randint(2, 8)
    return r.randint(1, b - 1), b, r.randint(1, d - 1), d


def _draw_fraction_rest(r: Random) -> tuple[int, ...]:
    while True:
        a, b, c, d = _draw_fractions(r)
        if Fraction(a, b) + Fraction(c, d) < 1:
            return a, b, c, d


def _draw_left_over(r: Random) -> tuple[int, ...]:
    b = r.randint(3, 9)
    return b * r.randint(2, 9) + r.randint(1, b - 1), b


@_kind(
    _pair(5, 99, 3, 60),
    "{name} has {a} {items}. {He} buys {b} more. How many {items} does {name} have now?",
    "There are {a} {items} in a jar. {name} adds {b} more. How many {items} are in the jar now?",
)
def gain(w: Working, a: int, b: int) -> Work | None:
    return w.whole(w.find(a, "+", b, "the new number", "the number after the change"))


@_kind(
    _draw_loss,
    "{name} has {a} {items} and gives {b} of them to {other}. How many {items} are left?",
    "There are {a} {items} on a table. {name} takes {b} of them away. How many {items} stay there?",
)
def loss(w: Working, a: int, b: int) -> Work | None:
    return w.whole(w.find(a, "-", b, "the rest", "the number that stays"))


@_kind(
    _pair(2, 12, 2, 15),
    "{name} fills {a} boxes with {b} {items} each. How many {items} is that in all?",
    "{name} has {a} shelves. Each shelf holds {b} {items}. How many {items} do the shelves hold?",
)
def groups(w: Working, a: int, b: int) -> Work | None:
    return w.whole(w.find(a, "*", b, "the total", "the number in all groups"))


@_kind(
    _draw_share,
    "{name} shares {a} {items} equally among {b} friends. How many {items} does each friend get?",
    "{a} {items} are put into {b} equal rows. How many {items} are in each row?",
)
def share(w: Working, a: int, b: int) -> Work | None:
    return w.whole(w.find(a, "/", b, "one share", "the number for each"))


@_kind(
    _draw_groups_loss,
    "{name} has {a} bags with {b} {items} each. {He} loses {c} {items}. How many {items} are left?",
    "{name} packs {a} boxes of {b} {items} and sells {c} {items}. How many {items} are left?",
)
def groups_loss(w: Working, a: int, b: int, c: int) -> Work | None:
    total = w.find(a, "*", b, "the total", "the number at the start")
    return w.whole(w.find(total, "-", c, "the rest", "the number that stays"))


@_kind(
    _pair(3, 50, 2, 40),
    "{name} has {a} {items}. {other} has {b} more than {name}. How many {items} do both have?",
    "{name} finds {a} {items}, and {other} finds {b} more than that. How many {items} do both find?",
)
def compare(w: Working, a: int, b: int) -> Work | None:
    other = w.find(a, "+", b, "the larger number", "the number of the second person")
    return w.whole(w.find(a, "+", other, "the sum of both", "the number together"))


@_kind(
    _several(4, 2, 9),
    "{name} buys {a} pens for {b} dollars each and {c} {items} for {d} dollars each. "
    "How many dollars does {he} spend?",
    "{name} pays for {a} meals at {b} dollars each and {c} drinks at {d} dollars each. "
    "How much is the bill in dollars?",
)
def shopping(w: Working, a: int, b: int, c: int, d: int) -> Work | None:
    first = w.find(a, "*", b, "the first cost", "the price of the first part")
    second = w.find(c, "*", d, "the second cost", "the price of the second part")
    return w.whole(w.find(first, "+", second, "the total", "the whole cost"))


@_kind(
    _draw_change,
    "{name} buys {a} {items} for {b} dollars each and pays with {c} dollars. "
    "How many dollars does {he} get back?",
    "{a} {items} at {b} dollars each are paid with {c} dollars. How much is the change in dollars?",
)
def change(w: Working, a: int, b: int, c: int) -> Work | None:
    cost = w.find(a, "*", b, "the cost", "the price of all of them")
    return w.whole(w.find(c, "-", cost, "the change", "the money that comes back"))


@_kind(
    _draw_unit_price,
    "{a} {items} cost {b} dollars. How many dollars do {c} {items} cost?",
    "{name} gets {a} {items} for {b} dollars. How much would {he} pay for {c} {items}?",
)
def unit_price(w: Working, a: int, b: int, c: int) -> Work | None:
    each = w.find(b, "/", a, "the price of one", "the unit price")
    return w.whole(w.find(each, "*", c, "the new cost", "the price asked for"))


@_kind(
    _draw_percent,
    "There are {a} {items} in a box, and {b}% of them are red. How many {items} are red?",
    "{name} has {a} {items}. {He} sells {b}% of them. How many {items} does {he} sell?",
)
def percent_of(w: Working, a: int, b: int) -> Work | None:
    if b > 100:
        return None
    product = w.find(a, "*", b, "the number times the percent", "the product")
    return w.whole(w.find(product, "/", 100, "the part", "the number asked for"))


@_kind(
    _draw_percent,
    "A {thing} costs {a} dollars. It is sold at {b}% off. What is the new price in dollars?",
    "{name} wants a {thing} for {a} dollars and gets {b}% off. How many dollars does {he} pay?",
)
def discount(w: Working, a: int, b: int) -> Work | None:
    if b > 100:
        return None
    product = w.find(a, "*", b, "the price times the percent", "the product")
    off = w.find(product, "/", 100, "the discount", "the amount off")
    return w.whole(w.find(a, "-", off, "the new price", "the price to pay"))


@_kind(
    _draw_fraction_left,
    "{name} has {a} {items} and gives away {b}/{c} of them. How many {items} are left?",
    "Of {a} {items} in a shop, {b}/{c} are sold. How many {items} are not sold?",
)
def fraction_left(w: Working, a: int, b: int, c: int) -> Work | None:
    if b > c:
        return None
    unit = w.find(a, "/", c, "one part", "the size of one part")
    gone = w.find(unit, "*", b, "the number gone", "the number taken away")
    return w.whole(w.find(a, "-", gone, "the rest", "the number that stays"))


@_kind(
    lambda r: (r.randint(2, 9), 5 * r.randint(4, 20), r.randint(3, 60)),
    "{name} drives for {a} hours at {b} km per hour and then {c} km more. How many km is that?",
    "A train goes {a} hours at {b} km per hour. Then it goes {c} km. How many km does it go?",
)
def trip(w: Working, a: int, b: int, c: int) -> Work | None:
    first = w.find(a, "*", b, "the first part", "the distance of the first part")
    return w.whole(w.find(first, "+", c, "the whole way", "the full distance"))


@_kind(
    _several(3, 3, 40),
    "{name} scores {a}, {b} and {c} points in three games. What is {his} average score?",
    "Three bags weigh {a}, {b} and {c} kg. What is their average weight in kg?",
)
def average(w: Working, a: int, b: int, c: int) -> Work | None:
    two = w.find(a, "+", b, "the sum of two", "the first sum")
    total = w.find(two, "+", c, "the sum of all three", "the total")
    return w.exact(w.find(total, "/", 3, "the average", "the mean"))


def _common(w: Working, a: int, b: int, c: int, d: int) -> Fraction:
    """Notes a/b and c/d over their common denominator, and returns the sum."""
    bottom = lcm(b, d)
    left, right = a * (bottom // b), c * (bottom // d)
    w.note(f"{a}/{b} = {left}/{bottom}", "the first part", "the first fraction")
    w.note(f"{c}/{d} = {right}/{bottom}", "the second part", "the second fraction")
    total = f"{left}/{bottom} + {right}/{bottom} = {left + right}/{bottom}"
    w.note(total, "the sum", "the sum of both")
    return Fraction(left + right, bottom)


@_kind(
    _draw_fractions,
    "{name} drinks {a}/{b} of a liter of milk and {c}/{d} of a liter of water. "
    "How many liters is that in all?",
    "{name} walks {a}/{b} of a mile and then {c}/{d} of a mile. How many miles does {he} walk?",
)
def fraction_sum(w: Working, a: int, b: int, c: int, d: int) -> Work | None:
    return w.exact(_common(w, a, b, c, d))


@_kind(
    _draw_fraction_rest,
    "{name} reads {a}/{b} of a book on Monday and {c}/{d} of it on Friday. "
    "What fraction of the book is left?",
    "{name} paints {a}/{b} of a wall, and {other} paints {c}/{d} of it. What fraction is unpainted?",
)
def fraction_rest(w: Working, a: int, b: int, c: int, d: int) -> Work | None:
    done = _common(w, a, b, c, d)
    bottom = lcm(b, d)
    top = done * bottom
    w.note(f"{bottom}/{bottom} - {top}/{bottom} = {bottom - top}/{bottom}", "the rest", "the part that stays")
    return w.exact(1 - done)


@_kind(
    _pair(1, 12, 1, 12),
    "A bag holds {a} red and {b} blue {items}. One is taken. What is the probability that it is red?",
    "{name} has {a} good and {b} bad {items} and picks one. What is the chance of a good one?",
)
def chance(w: Working, a: int, b: int) -> Work | None:
    total = w.find(a, "+", b, "the number of all", "the total")
    w.note(f"{a} / {total} = {plain(Fraction(a) / total)}", "the chance", "the probability")
    return w.exact(Fraction(a) / total)


@_kind(
    lambda r: (r.randint(3, 15), r.randint(2, 5), r.randint(2, 20)),
    "{name} is {a} years old. {other} is {b} times as old. How old will {other} be in {c} years?",
    "{name} is {a}, and {other} is {b} times as old as {name}. How old is {other} after {c} years?",
)
def age(w: Working, a: int, b: int, c: int) -> Work | None:
    now = w.find(a, "*", b, "the age now", "the age today")
    return w.whole(w.find(now, "+", c, "the later age", "the age then"))


@_kind(
    _pair(5, 60, 3, 50),
    "A {plot} is {a} meters long and {b} meters wide. What is its perimeter in meters?",
    "{name} walks once around a {plot} of {a} by {b} meters. How many meters does {he} walk?",
)
def perimeter(w: Working, a: int, b: int) -> Work | None:
    half = w.find(a, "+", b, "half of the way around", "the sum of two sides")
    return w.whole(w.find(half, "*", 2, "the perimeter", "the way around"))


@_kind(
    _draw_left_over,
    "{name} packs {a} {items} into boxes of {b}. How many {items} do not fill a box?",
    "{name} puts {a} {items} in rows of {b}. How many {items} are left over?",
)
def left_over(w: Working, a: int, b: int) -> Work | None:
    full = a // b
    packed = w.find(full, "*", b, "the number that fits", "the number in full groups")
    return w.whole(w.find(a, "-", packed, "the rest", "the number left over"))
