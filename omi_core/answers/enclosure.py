r"""Proofs of inequality by numbers: an expression's value at a fixed point, with a bound on its error.

A `Ball` (centre, radius) encloses a real value; every operation widens the radius by what rounding can add
(8 units in the last place, more than the C library's functions are off by). Two forms whose balls at the same
point do not meet are different; balls that meet prove nothing. Values that are not real at a point, or
overflow, give no ball there, so branch cuts can never pass for a difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from omi_core.answers.algebra import Form, Poly, TooComplex

_SLACK = 8 * 2.0**-52
_TINY = 1e-300
# Arbitrary, but fixed: verdicts must not change between runs. All above 1, so that logs and roots are real.
POINTS = (1.3717421, 2.7391468, 5.1193271)


class NoBall(ValueError):
    """The value is not real at this point, or cannot be enclosed."""


Ball = tuple[float, float]


def _ball(centre: float, radius: float) -> Ball:
    radius += abs(centre) * _SLACK + _TINY
    if not (math.isfinite(centre) and math.isfinite(radius)):
        raise NoBall("overflow")
    return centre, radius


def _of(value: Fraction) -> Ball:
    try:
        return _ball(value.numerator / value.denominator, 0.0)
    except OverflowError:
        raise NoBall("overflow") from None


def _add(a: Ball, b: Ball) -> Ball:
    return _ball(a[0] + b[0], a[1] + b[1] + (abs(a[0]) + abs(b[0])) * _SLACK)


def _mul(a: Ball, b: Ball) -> Ball:
    return _ball(a[0] * b[0], abs(a[0]) * b[1] + abs(b[0]) * a[1] + a[1] * b[1])


def _inv(a: Ball) -> Ball:
    low = abs(a[0]) - a[1]
    if low <= 0:
        raise NoBall("division by something that may be zero")
    return _ball(1 / a[0], a[1] / (low * abs(a[0])))


def _log(a: Ball) -> Ball:
    low = a[0] - a[1]
    if low <= 0:
        raise NoBall("logarithm of something that may be negative")
    return _ball(math.log(a[0]), a[1] / low)


def _exp(a: Ball) -> Ball:
    if a[0] + a[1] > 700:
        raise NoBall("overflow")
    value = math.exp(a[0])
    return _ball(value, value * math.expm1(a[1]) + value * (1 + abs(a[0])) * _SLACK)


def _pow(base: Ball, exponent: Ball) -> Ball:
    return _exp(_mul(_log(base), exponent))


def _integer_power(base: Ball, n: int) -> Ball:
    result, square = (1.0, 0.0), base if n >= 0 else _inv(base)
    n = abs(n)
    while n:
        if n & 1:
            result = _mul(result, square)
        n >>= 1
        if n:
            square = _mul(square, square)
    return result


def _root(a: Ball, degree: int) -> Ball:
    if degree % 2 and a[0] + a[1] < 0:
        centre, radius = _root((-a[0], a[1]), degree)
        return -centre, radius
    return _pow(a, _inv((float(degree), 0.0)))


def _trig(name: str, a: Ball) -> Ball:
    if abs(a[0]) > 1e6:
        raise NoBall("argument too large for an accurate reduction")
    if name in ("sin", "cos"):
        return _ball(getattr(math, name)(a[0]), a[1] + _SLACK)
    sine, cosine = _trig("sin", a), _trig("cos", a)
    if name == "tan":
        return _mul(sine, _inv(cosine))
    if name == "cot":
        return _mul(cosine, _inv(sine))
    return _inv(cosine if name == "sec" else sine)


def _arc(name: str, a: Ball) -> Ball:
    if name == "arctan":
        return _ball(math.atan(a[0]), a[1])
    room = 1 - (abs(a[0]) + a[1])
    if room <= 0:
        raise NoBall("at or beyond the end of the domain")
    slope = 1 / math.sqrt(room * (1 + abs(a[0]) + a[1]))
    return _ball(math.asin(a[0]) if name == "arcsin" else math.acos(a[0]), a[1] * slope)


def _function(name: str, arguments: list[Ball], forms: list[Form]) -> Ball:
    first = arguments[0]
    if name == "root":
        return _root(first, int(forms[1].rational or 0))
    if name == "power":
        return _pow(first, arguments[1])
    if name == "abs":
        return abs(first[0]), first[1]
    if name == "ln":
        return _log(first)
    if name == "log":
        return _mul(_log(first), _inv(_log(arguments[1])))
    if name in ("sin", "cos", "tan", "cot", "sec", "csc"):
        return _trig(name, first)
    if name in ("arcsin", "arccos", "arctan"):
        return _arc(name, first)
    raise NoBall(f"no numbers for {name}")


def _poly(poly: Poly, point: Mapping[str, Ball]) -> Ball:
    total: Ball = (0.0, 0.0)
    for monomial, coefficient in poly.items():
        term = _of(coefficient)
        for atom, exponent in monomial:
            if isinstance(atom, int):
                factor = _pow((float(atom), 0.0), _of(exponent))
            elif isinstance(atom, str):
                if atom == "i" or atom not in point:
                    raise NoBall(f"no real value for {atom}")
                factor = _integer_power(_ball(*point[atom]), exponent)
            else:
                forms = [Form.from_key(key) for key in atom[1:]]
                factor = _function(atom[0], [_form(form, point) for form in forms], forms)
                factor = _integer_power(factor, exponent)
            term = _mul(term, factor)
        total = _add(total, term)
    return total


def _form(form: Form, point: Mapping[str, Ball]) -> Ball:
    value = _poly(form.num, point)
    return value if form.den is None else _mul(value, _inv(_poly(form.den, point)))


def enclose(form: Form, point: Mapping[str, float | Ball] | None = None) -> Ball:
    """A ball around the real value of `form`, letters set by `point`, to a number or to anything in a ball.

    Raises NoBall where there is none.
    """
    letters = {name: at if isinstance(at, tuple) else (at, 0.0) for name, at in (point or {}).items()}
    try:
        return _form(form, {"\\pi": (math.pi, 0.0), "e": (math.e, 0.0), **letters})
    except (OverflowError, ZeroDivisionError, TooComplex) as error:
        raise NoBall(str(error)) from None


def differ(a: Form, b: Form) -> bool:
    """True if a and b are proved different: their balls are apart at one of a few fixed points."""
    letters = sorted((a.atoms() | b.atoms()) - {"\\infty"})
    for step, start in enumerate(POINTS if letters else POINTS[:1]):
        point = {name: start + 0.6180339887 * (k + step) for k, name in enumerate(letters)}
        try:
            (ca, ra), (cb, rb) = enclose(a, point), enclose(b, point)
        except NoBall:
            continue
        if abs(ca - cb) > ra + rb:
            return True
    return False
