r"""Answers of all shapes by construction: what is the same value in another spelling, and what is another
value.

A `Shape` draws a value, writes it in one of its usual spellings, and changes it to another value. Both are
known without any comparison, so they can judge one: two spellings of a value are never NOT_EQUAL, a value and
a changed one are never EQUAL. Where a policy calls different things equal (`50\%` and `0.5`), `write` and
`change` stay within what differs under every policy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.answers import spelling
from tests.answers.spelling import Interval

Rng = random.Random


@dataclass(frozen=True)
class Shape:
    """`draw` gives a value, `write` one spelling of it, `change` another value of the same shape."""

    name: str
    draw: Callable[[Rng], Any]
    write: Callable[[Any, Rng], str]
    change: Callable[[Any, Rng], Any]


def _other(low: int, high: int) -> Callable[[Any, Rng], int]:
    def change(value: int, rng: Rng) -> int:
        return rng.choice([n for n in {value - 1, value + 1, value + 10, -value, 2 * value} if n != value])

    return change


def _one_changed(values: tuple[int, ...], rng: Rng) -> tuple[int, ...]:
    at = rng.randrange(len(values))
    return (*values[:at], values[at] + rng.choice([-1, 1, 10]), *values[at + 1 :])


def _distinct(count: int, low: int = -20, high: int = 60) -> Callable[[Rng], tuple[int, ...]]:
    return lambda rng: tuple(rng.sample(range(low, high), count))


def _changed_set(values: tuple[int, ...], rng: Rng) -> tuple[int, ...]:
    if rng.random() < 0.3 and len(values) > 2:
        return values[:-1]
    new = rng.choice([n for n in range(-30, 80) if n not in values])
    at = rng.randrange(len(values))
    return (*values[:at], new, *values[at + 1 :])


def _swapped(values: tuple[int, ...], rng: Rng) -> tuple[int, ...]:
    if rng.random() < 0.5:
        return _one_changed(values, rng)
    return (*values[1:], values[0])


def _changed_fraction(f: Fraction, rng: Rng) -> Fraction:
    return rng.choice([x for x in (f + 1, -f, 1 / f, f / 2, f + Fraction(1, 7)) if x != f])


def _changed_mixed(v: tuple[int, int, int], rng: Rng) -> tuple[int, int, int]:
    return rng.choice([(v[0] + 1, *v[1:]), (v[0] * 10, *v[1:]), (v[0], v[1], v[2] + 1)])


_UNITS = {
    "cm": (r"\text{ cm}", " cm", r"\text{ centimeters}", r"\mathrm{~cm}"),
    "kg": (r"\text{ kg}", r"\text{ kilograms}", r"\,\text{kg}"),
    "hours": (r"\text{ hours}", " hours", r"\text{ h}"),
    "cm2": (r"\text{ cm}^2", r"\text{ square centimeters}", r"\text{ cm}^{2}"),
    "km/h": (r"\text{ km/h}", " km/h", r"\text{ kilometers per hour}"),
    "celsius": (r"^\circ\text{C}", r"^{\circ} C", r"\text{ degrees Celsius}"),
    "fahrenheit": (r"^\circ\text{F}", r"\text{ degrees Fahrenheit}"),
}


def _changed_unit(v: tuple[int, str], rng: Rng) -> tuple[int, str]:
    if rng.random() < 0.5:
        return v[0] + rng.choice([1, -1, 10]), v[1]
    return v[0], rng.choice([unit for unit in _UNITS if unit != v[1]])


def _changed_clock(v: tuple[int, int, str], rng: Rng) -> tuple[int, int, str]:
    return rng.choice(
        [(v[0] % 12 + 1, v[1], v[2]), (v[0], (v[1] + 7) % 60, v[2]), (*v[:2], "am" if v[2] == "pm" else "pm")]
    )


def _draw_interval(rng: Rng) -> Interval:
    low = rng.randint(-9, 9)
    return low, low + rng.randint(1, 9), rng.choice("(["), rng.choice(")]")


def _changed_interval(v: Interval, rng: Rng) -> Interval:
    return rng.choice(
        [
            (v[0] - 1, *v[1:]),
            (v[0], v[1] + 1, *v[2:]),
            (*v[:2], "(" if v[2] == "[" else "[", v[3]),
            (*v[:3], ")" if v[3] == "]" else "]"),
        ]
    )


def _changed_function(v: tuple[str, int], rng: Rng) -> tuple[str, int]:
    return rng.choice([(v[0] + "'", v[1]), (v[0] + "^{-1}", v[1]), (v[0], v[1] + 1), ("h", v[1])])


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _changed_modular(v: tuple[int, int], rng: Rng) -> tuple[int, int]:
    return rng.choice([((v[0] + 1) % v[1], v[1]), (v[0], v[1] + 1)])


def _changed_inequality(v: tuple[str, int], rng: Rng) -> tuple[str, int]:
    return rng.choice(
        [(rng.choice([o for o in ("<", ">", r"\le", r"\ge") if o != v[0]]), v[1]), (v[0], v[1] + 1)]
    )


def _pick(*options: Any) -> Callable[[Any, Rng], Any]:
    """A change to another of the options."""
    return lambda v, rng: rng.choice([option for option in options if option != v])


def _changed_multiple(v: tuple[int, str], rng: Rng) -> tuple[int, str]:
    return rng.choice([(v[0] + 1, v[1]), (v[0], "thousand" if v[1] != "thousand" else "million")])


def _changed_choice(v: tuple[str, int], rng: Rng) -> tuple[str, int]:
    return rng.choice([(chr((ord(v[0]) - 64) % 5 + 65), v[1]), (v[0], v[1] + 1)])


def _pair(a: Callable[[Rng], Any], b: Callable[[Rng], Any]) -> Callable[[Rng], tuple[Any, Any]]:
    return lambda rng: (a(rng), b(rng))


def _between(low: int, high: int) -> Callable[[Rng], int]:
    return lambda rng: rng.randint(low, high)


def _proper(rng: Rng) -> tuple[int, int, int]:
    d = rng.randint(3, 9)
    return rng.randint(1, 20), rng.choice([n for n in range(1, d)]), d


SHAPES = (
    Shape("integers", _between(-9999, 99_999), spelling.integers, _other(0, 0)),
    Shape("decimals", _between(1, 9999), spelling.decimals, lambda v, rng: v + rng.choice([-1, 1, 10, 100])),
    Shape(
        "fractions",
        lambda rng: Fraction(rng.randint(1, 40), rng.choice([7, 11, 13, 17])),
        spelling.fractions,
        _changed_fraction,
    ),
    Shape("mixed numbers", _proper, spelling.mixed_numbers, _changed_mixed),
    Shape(
        "percents",
        _between(2, 99),
        lambda v, rng: rng.choice([rf"{v}\%", f"{v}%", rf"{v}\text{{ percent}}"]),
        lambda v, rng: v + rng.choice([1, -1]),
    ),
    Shape("money", _between(2, 900), spelling.money, _other(0, 0)),
    Shape(
        "units",
        _pair(_between(2, 90), lambda rng: rng.choice(list(_UNITS))),
        lambda v, rng: f"{v[0]}{rng.choice(_UNITS[v[1]])}",
        _changed_unit,
    ),
    Shape(
        "degrees",
        _between(1, 170),
        lambda v, rng: rng.choice([rf"{v}^\circ", rf"{v}^{{\circ}}", rf"{v}\text{{ degrees}}", f"{v}°"]),
        lambda v, rng: v + rng.choice([1, 10]),
    ),
    Shape(
        "clock times",
        lambda rng: (rng.randint(1, 12), rng.randint(0, 59), rng.choice(["am", "pm"])),
        spelling.clock_times,
        _changed_clock,
    ),
    Shape("intervals", _draw_interval, spelling.intervals, _changed_interval),
    Shape(
        "unions",
        lambda rng: (rng.randint(-9, 0), rng.randint(1, 9)),
        spelling.unions,
        lambda v, rng: (v[0] - 1, v[1]),
    ),
    Shape("sets", _distinct(3), spelling.sets, _changed_set),
    Shape("lists", _distinct(4, 1, 200), spelling.lists, _changed_set),
    Shape("tuples", _distinct(3), spelling.tuples, _swapped),
    Shape("vectors", _distinct(3), spelling.vectors, _swapped),
    Shape("matrices", _distinct(4), spelling.matrices, _swapped),
    Shape(
        "polynomials",
        lambda rng: tuple(rng.choice([1, -1]) * rng.randint(1, 9) for _ in range(4)),
        spelling.polynomials,
        _one_changed,
    ),
    Shape(
        "radicals",
        lambda rng: (rng.randint(1, 9), rng.randint(2, 9), rng.choice([2, 3, 5, 7, 11])),
        spelling.radicals,
        lambda v, rng: rng.choice([(v[0] + 1, *v[1:]), (v[0], v[1] + 1, v[2]), (*v[:2], 13)]),
    ),
    Shape(
        "logarithms",
        lambda rng: (rng.choice([2, 3, 5, 10]), rng.randint(11, 90)),
        spelling.logarithms,
        lambda v, rng: (v[0], v[1] + 1),
    ),
    Shape("sines", lambda rng: rng.randint(1, 89), spelling.sines, lambda v, rng: v - 1 if v > 1 else v + 2),
    Shape(
        "complex numbers",
        lambda rng: (rng.randint(1, 9) * rng.choice([1, -1]), rng.randint(2, 9) * rng.choice([1, -1])),
        spelling.complex_numbers,
        lambda v, rng: rng.choice([(v[0], -v[1]), (v[0] + 10, v[1])]),
    ),
    Shape(
        "lines",
        lambda rng: (rng.randint(2, 9), rng.randint(2, 9), rng.randint(1, 30)),
        spelling.lines,
        lambda v, rng: (v[0], v[1], v[2] + rng.randint(1, 3)),
    ),
    Shape(
        "circles",
        lambda rng: (rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 9)),
        spelling.circles,
        _one_changed,
    ),
    Shape("assignments", _between(2, 99), spelling.assignments, lambda v, rng: v + 1),
    Shape(
        "inequalities",
        _pair(lambda rng: rng.choice(["<", ">", r"\le", r"\ge"]), _between(-20, 20)),
        spelling.inequalities,
        _changed_inequality,
    ),
    Shape(
        "functions",
        _pair(lambda rng: rng.choice("fg"), _between(0, 9)),
        spelling.functions,
        _changed_function,
    ),
    Shape("words", lambda rng: rng.choice(_DAYS), spelling.words, _pick(*_DAYS)),
    Shape(
        "choices", _pair(lambda rng: rng.choice("ABCDE"), _between(2, 60)), spelling.choices, _changed_choice
    ),
    Shape(
        "bases",
        _pair(lambda rng: int("".join(rng.choice("1234") for _ in range(4))), _between(5, 9)),
        spelling.bases,
        lambda v, rng: rng.choice([(v[0] + 1, v[1]), (v[0], v[1] + 1 if v[1] < 9 else 7)]),
    ),
    Shape(
        "remainders",
        lambda rng: (lambda m: (rng.randrange(m), m))(rng.randint(3, 12)),
        spelling.remainders,
        _changed_modular,
    ),
    Shape(
        "repeating decimals",
        lambda rng: (rng.randint(0, 9), rng.choice([n for n in range(10, 99) if n % 11])),
        spelling.repeating_decimals,
        lambda v, rng: (v[0] + 1, v[1]),
    ),
    Shape(
        "binomials",
        lambda rng: (rng.randint(8, 20), rng.randint(2, 3)),
        spelling.binomials,
        lambda v, rng: (v[0] + 1, v[1]),
    ),
    Shape(
        "words that multiply",
        _pair(_between(2, 90), lambda rng: rng.choice(["thousand", "million", "billion"])),
        spelling.words_that_multiply,
        _changed_multiple,
    ),
)


def differing(shape: Shape, rng: Rng) -> tuple[str, str]:
    """Spellings of two different values."""
    value = shape.draw(rng)
    return shape.write(value, rng), shape.write(shape.change(value, rng), rng)


def same(shape: Shape, rng: Rng) -> tuple[str, str]:
    """Two spellings of one value."""
    value = shape.draw(rng)
    return shape.write(value, rng), shape.write(value, rng)
