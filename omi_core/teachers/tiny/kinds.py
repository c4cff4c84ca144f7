"""The kinds of problem of the closed world: their wordings and the numbers that suit them.

A kind is a few wordings of one question (all with the numbers in the same order), a rule that draws
sensible numbers for it, and its working from `workings`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from omi_core.teachers.tiny import workings
from omi_core.teachers.tiny.workings import Work


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem; `numbers` draws values that the training texts use, `work` accepts any."""

    name: str
    wordings: tuple[str, ...]
    numbers: Callable[[Random], tuple[int, ...]]
    work: Callable[..., Work | None]


def _pair(low: int, high: int, low2: int, high2: int) -> Callable[[Random], tuple[int, ...]]:
    return lambda r: (r.randint(low, high), r.randint(low2, high2))


def _draw_loss(r: Random) -> tuple[int, ...]:
    a = r.randint(12, 99)
    return a, r.randint(2, a - 1)


def _draw_share(r: Random) -> tuple[int, ...]:
    b = r.randint(2, 12)
    return b * r.randint(2, 12), b


def _draw_groups_loss(r: Random) -> tuple[int, ...]:
    a, b = r.randint(2, 9), r.randint(3, 15)
    return a, b, r.randint(2, a * b - 1)


def _draw_shopping(r: Random) -> tuple[int, ...]:
    return tuple(r.randint(2, 9) for _ in range(4))


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


def _draw_average(r: Random) -> tuple[int, ...]:
    return tuple(r.randint(3, 40) for _ in range(3))


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


KINDS: tuple[Kind, ...] = (
    Kind(
        "gain",
        (
            "{name} has {a} {items}. {He} buys {b} more. How many {items} does {name} have now?",
            "There are {a} {items} in a jar. {name} adds {b} more. How many {items} are in the jar now?",
        ),
        _pair(5, 99, 3, 60),
        workings.gain,
    ),
    Kind(
        "loss",
        (
            "{name} has {a} {items} and gives {b} of them to {other}. How many {items} are left?",
            "There are {a} {items} on a table. {name} takes {b} of them away. How many {items} stay there?",
        ),
        _draw_loss,
        workings.loss,
    ),
    Kind(
        "groups",
        (
            "{name} fills {a} boxes with {b} {items} each. How many {items} is that in all?",
            "{name} has {a} shelves. Each shelf holds {b} {items}. How many {items} do the shelves hold?",
        ),
        _pair(2, 12, 2, 15),
        workings.groups,
    ),
    Kind(
        "share",
        (
            "{name} shares {a} {items} equally among {b} friends. How many {items} does each friend get?",
            "{a} {items} are put into {b} equal rows. How many {items} are in each row?",
        ),
        _draw_share,
        workings.share,
    ),
    Kind(
        "groups_loss",
        (
            "{name} has {a} bags with {b} {items} each. {He} loses {c} {items}. How many {items} are left?",
            "{name} packs {a} boxes of {b} {items} and sells {c} {items}. How many {items} are left?",
        ),
        _draw_groups_loss,
        workings.groups_loss,
    ),
    Kind(
        "compare",
        (
            "{name} has {a} {items}. {other} has {b} more than {name}. How many {items} do both have?",
            "{name} finds {a} {items}, and {other} finds {b} more than that. How many {items} do both find?",
        ),
        _pair(3, 50, 2, 40),
        workings.compare,
    ),
    Kind(
        "shopping",
        (
            "{name} buys {a} pens for {b} dollars each and {c} {items} for {d} dollars each. "
            "How many dollars does {he} spend?",
            "{name} pays for {a} meals at {b} dollars each and {c} drinks at {d} dollars each. "
            "How much is the bill in dollars?",
        ),
        _draw_shopping,
        workings.shopping,
    ),
    Kind(
        "change",
        (
            "{name} buys {a} {items} for {b} dollars each and pays with {c} dollars. "
            "How many dollars does {he} get back?",
            "{a} {items} at {b} dollars each are paid with {c} dollars. How much is the change in dollars?",
        ),
        _draw_change,
        workings.change,
    ),
    Kind(
        "unit_price",
        (
            "{a} {items} cost {b} dollars. How many dollars do {c} {items} cost?",
            "{name} gets {a} {items} for {b} dollars. How much would {he} pay for {c} {items}?",
        ),
        _draw_unit_price,
        workings.unit_price,
    ),
    Kind(
        "percent_of",
        (
            "There are {a} {items} in a box, and {b}% of them are red. How many {items} are red?",
            "{name} has {a} {items}. {He} sells {b}% of them. How many {items} does {he} sell?",
        ),
        _draw_percent,
        workings.percent_of,
    ),
    Kind(
        "discount",
        (
            "A {thing} costs {a} dollars. It is sold at {b}% off. What is the new price in dollars?",
            "{name} wants a {thing} for {a} dollars and gets {b}% off. How many dollars does {he} pay?",
        ),
        _draw_percent,
        workings.discount,
    ),
    Kind(
        "fraction_left",
        (
            "{name} has {a} {items} and gives away {b}/{c} of them. How many {items} are left?",
            "Of {a} {items} in a shop, {b}/{c} are sold. How many {items} are not sold?",
        ),
        _draw_fraction_left,
        workings.fraction_left,
    ),
    Kind(
        "trip",
        (
            "{name} drives for {a} hours at {b} km per hour and then {c} km more. How many km is that?",
            "A train goes {a} hours at {b} km per hour. Then it goes {c} km. How many km does it go?",
        ),
        lambda r: (r.randint(2, 9), 5 * r.randint(4, 20), r.randint(3, 60)),
        workings.trip,
    ),
    Kind(
        "average",
        (
            "{name} scores {a}, {b} and {c} points in three games. What is {his} average score?",
            "Three bags weigh {a}, {b} and {c} kg. What is their average weight in kg?",
        ),
        _draw_average,
        workings.average,
    ),
    Kind(
        "fraction_sum",
        (
            "{name} drinks {a}/{b} of a liter of milk and {c}/{d} of a liter of water. "
            "How many liters is that in all?",
            "{name} walks {a}/{b} of a mile and then {c}/{d} of a mile. How many miles does {he} walk?",
        ),
        _draw_fractions,
        workings.fraction_sum,
    ),
    Kind(
        "fraction_rest",
        (
            "{name} reads {a}/{b} of a book on Monday and {c}/{d} of it on Friday. "
            "What fraction of the book is left?",
            "{name} paints {a}/{b} of a wall, and {other} paints {c}/{d} of it. What fraction is unpainted?",
        ),
        _draw_fraction_rest,
        workings.fraction_rest,
    ),
    Kind(
        "chance",
        (
            "A bag holds {a} red and {b} blue {items}. One is taken. What is the probability that it is red?",
            "{name} has {a} good and {b} bad {items} and picks one. What is the chance of a good one?",
        ),
        _pair(1, 12, 1, 12),
        workings.chance,
    ),
    Kind(
        "age",
        (
            "{name} is {a} years old. {other} is {b} times as old. How old will {other} be in {c} years?",
            "{name} is {a}, and {other} is {b} times as old as {name}. How old is {other} after {c} years?",
        ),
        lambda r: (r.randint(3, 15), r.randint(2, 5), r.randint(2, 20)),
        workings.age,
    ),
    Kind(
        "perimeter",
        (
            "A {plot} is {a} meters long and {b} meters wide. What is its perimeter in meters?",
            "{name} walks once around a {plot} of {a} by {b} meters. How many meters does {he} walk?",
        ),
        _pair(5, 60, 3, 50),
        workings.perimeter,
    ),
    Kind(
        "left_over",
        (
            "{name} packs {a} {items} into boxes of {b}. How many {items} do not fill a box?",
            "{name} puts {a} {items} in rows of {b}. How many {items} are left over?",
        ),
        _draw_left_over,
        workings.left_over,
    ),
)
