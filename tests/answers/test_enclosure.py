"""Enclosures by Arb hold the true value, prove nothing where there may be none, and end in bounded time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from flint import arb
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from omi_core.answers import algebra
from omi_core.answers.algebra import Fractional, TooComplex, Undefined
from omi_core.answers.enclosure import differ, enclose

X, PI, E = algebra.symbol("x"), algebra.symbol("\\pi"), algebra.symbol("e")
AT = 1.75

CONTEXT = mpmath.MPContext()
CONTEXT.dps = 60


@dataclass(frozen=True)
class Sample:
    """A form beside its value by another library, to 60 digits."""

    text: str
    form: Fractional = field(repr=False)
    value: Any = field(repr=False)


def number(value: Fraction) -> Sample:
    return Sample(str(value), algebra.number(value), CONTEXT.mpf(value.numerator) / value.denominator)


LEAVES = st.one_of(
    st.fractions(min_value=-50, max_value=50, max_denominator=60).map(number),
    st.sampled_from(
        [Sample("x", X, CONTEXT.mpf(AT)), Sample("pi", PI, +CONTEXT.pi), Sample("e", E, +CONTEXT.e)]
    ),
)
FUNCTIONS = {
    "sin": CONTEXT.sin,
    "cos": CONTEXT.cos,
    "tan": CONTEXT.tan,
    "cot": CONTEXT.cot,
    "sec": CONTEXT.sec,
    "csc": CONTEXT.csc,
    "arctan": CONTEXT.atan,
    "arcsin": CONTEXT.asin,
    "arccos": CONTEXT.acos,
    "ln": CONTEXT.ln,
    "abs": CONTEXT.fabs,
}
BINARY = {"+": operator.add, "*": operator.mul, "-": operator.sub, "/": operator.truediv}


def joined(sign: str, a: Sample, b: Sample) -> Sample:
    return _tried(f"({a.text} {sign} {b.text})", BINARY[sign], BINARY[sign], [a, b])


def applied(name: str, a: Sample) -> Sample:
    return _tried(f"{name}({a.text})", lambda form: algebra.opaque(name, form), FUNCTIONS[name], [a])


def raised(a: Sample, n: int) -> Sample:
    return _tried(f"({a.text})^{n}", lambda form: form**n, lambda value: value**n, [a])


def rooted(a: Sample, n: int) -> Sample:
    if mpmath.im(a.value) or a.value < 0:
        reject()  # which root is meant is another question
    root = lambda form: algebra.root(form, n)  # noqa: E731
    return _tried(f"root({a.text}, {n})", root, lambda value: CONTEXT.root(value, n), [a])


def _tried(text: str, of_form: Callable, of_value: Callable, samples: list[Sample]) -> Sample:
    try:
        form = of_form(*(sample.form for sample in samples))
        return Sample(text, form, of_value(*(sample.value for sample in samples)))
    except (TooComplex, Undefined, ZeroDivisionError, ValueError, OverflowError):
        reject()


def grown(children: st.SearchStrategy[Sample]) -> st.SearchStrategy[Sample]:
    return st.one_of(
        st.builds(joined, st.sampled_from(sorted(BINARY)), children, children),
        st.builds(applied, st.sampled_from(sorted(FUNCTIONS)), children),
        st.builds(raised, children, st.integers(2, 5)),
        st.builds(rooted, children, st.integers(2, 4)),
    )


@given(st.recursive(LEAVES, grown, max_leaves=8))
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_a_ball_holds_the_value_that_another_library_finds(sample: Sample) -> None:
    ball = enclose(sample.form, {"x": AT})
    if ball.is_finite():
        assert mpmath.im(sample.value) == 0
        true = CONTEXT.mpf(sample.value.real)
        error = (abs(true) + 1) * CONTEXT.mpf(10) ** -45
        assert arb(str(true), str(error)).overlaps(ball)


NOT_REAL = [
    algebra.symbol("i"),
    algebra.opaque("ln", algebra.number(-1)),
    algebra.opaque("ln", algebra.number(0)),
    algebra.opaque("root", -X, algebra.number(2)),
    algebra.opaque("power", -X, PI),
    algebra.opaque("arcsin", X + algebra.number(1)),
    algebra.opaque("log", X, algebra.number(1)),
    X / (algebra.opaque("sin", X) ** 2 + algebra.opaque("cos", X) ** 2 - algebra.number(1)),
    algebra.opaque("f", X),
    algebra.opaque("factorial", X),
    algebra.symbol("y"),
]


@pytest.mark.parametrize("form", NOT_REAL)
@pytest.mark.parametrize("around", [lambda f: f, lambda f: algebra.opaque("arctan", f) * X, lambda f: f / X])
def test_a_value_that_may_not_exist_differs_from_nothing(
    form: Fractional, around: Callable[[Fractional], Fractional]
) -> None:
    """Whatever is made of it: no function of Arb brings it back."""
    ball = enclose(around(form), {"x": AT})
    assert not ball.is_finite()
    assert not (ball > 0 or ball < 0)
    assert ball.overlaps(arb(7))


@pytest.mark.parametrize("degree, radicand, value", [(3, -8, -2), (5, -32, -2), (3, 8, 2), (2, 9, 3)])
def test_odd_roots_of_negatives_are_real(degree: int, radicand: int, value: int) -> None:
    form = algebra.opaque("root", algebra.number(radicand), algebra.number(degree))
    assert arb(value) in enclose(form)


def test_what_is_apart_is_proved_and_what_meets_is_not() -> None:
    sine, cosine = algebra.opaque("sin", X), algebra.opaque("cos", X)
    assert not differ(sine * sine + cosine * cosine, algebra.number(1))
    assert differ(sine * sine - cosine * cosine, algebra.number(1))
    third = algebra.number(Fraction(1, 3))
    assert differ(third, algebra.number(Fraction(33333333, 100000000)))


def tower(levels: int) -> Fractional:
    form = algebra.number(9)
    for _ in range(levels):
        form = algebra.opaque("power", algebra.number(9), form)
    return form


HUGE = [
    tower(30),
    algebra.opaque("sin", tower(30)),
    algebra.opaque("sin", algebra.number(2**16_000)),
    algebra.opaque("tan", X**10_000),
    algebra.opaque("power", algebra.number(Fraction(1, 9)), tower(30)),
    algebra.opaque("arctan", X**10_000) ** 10_000,
]


@pytest.mark.parametrize("form", HUGE)
def test_values_beyond_all_bounds_overlap_or_are_enclosed(form: Fractional) -> None:
    """Arb's exponents have no limit, and an angle is not reduced by millions of digits of pi."""
    ball = enclose(form, {"x": 2.0})
    assert ball.overlaps(ball)
    assert differ(form, form) is False
