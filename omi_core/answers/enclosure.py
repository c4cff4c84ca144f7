r"""Proofs of inequality by numbers: an expression's value at a fixed point, enclosed by Arb.

A ball (`flint.arb`) encloses a real value, and every operation of Arb encloses all values that it can have on
its arguments' balls (Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic",
IEEE Transactions on Computers 66, 2017). Two forms whose balls at the same point do not meet are different;
balls that meet prove nothing. A value that is not real at a point, or may not exist there, is NaN: it meets
everything, has no sign and stays NaN in whatever is made of it, so branch cuts never pass for a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from flint import arb, fmpq

from omi_core.answers.algebra import Fractional, Poly

# Arbitrary, but fixed: verdicts must not change between runs. All above 1, so that logs and roots are real.
POINTS = (1.3717421, 2.7391468, 5.1193271)
# Reducing a larger argument by a multiple of pi costs more than an answer is worth.
_MAX_ANGLE = 2.0**53
_NAN = arb.nan()
_ANGLES: dict[str, Callable[[arb], arb]] = {
    name: getattr(arb, name) for name in ("sin", "cos", "tan", "cot", "sec", "csc")
}
_FUNCTIONS: dict[str, Callable[[arb], arb]] = {
    "abs": abs,
    "ln": arb.log,
    "arcsin": arb.asin,
    "arccos": arb.acos,
    "arctan": arb.atan,
}


def ratio(value: Fraction) -> fmpq:
    """The same number for Arb, exact."""
    return fmpq(value.numerator, value.denominator)


def _root(a: arb, degree: int) -> arb:
    return -(-a).root(degree) if degree % 2 and a < 0 else a.root(degree)


def _function(name: str, arguments: list[arb], forms: list[Fractional]) -> arb:
    first = arguments[0]
    if name == "root":
        return _root(first, int(forms[1].rational or 0))
    if name == "power":
        return (first.log() * arguments[1]).exp()
    if name == "log":
        return first.log() / arguments[1].log()
    if name in _ANGLES:
        return _ANGLES[name](first) if abs(first) < _MAX_ANGLE else _NAN
    return _FUNCTIONS[name](first) if name in _FUNCTIONS else _NAN


def _poly(poly: Poly, point: Mapping[str, arb]) -> arb:
    total = arb(0)
    for monomial, coefficient in poly.items():
        term = arb(ratio(coefficient))
        for atom, exponent in monomial:
            if isinstance(atom, int):
                term *= arb(atom).root(exponent.denominator) ** exponent.numerator
            elif isinstance(atom, str):
                term *= point[atom] ** exponent if atom in point else _NAN
            else:
                forms = [Fractional.from_key(key) for key in atom[1:]]
                term *= _function(atom[0], [_form(form, point) for form in forms], forms) ** exponent
        total += term
    return total


def _form(form: Fractional, point: Mapping[str, arb]) -> arb:
    value = _poly(form.num, point)
    return value if form.den is None else value / _poly(form.den, point)


def enclose(form: Fractional, point: Mapping[str, arb | float] | None = None) -> arb:
    """A ball around the real value of `form`, letters set by `point`, to a number or to anything in a ball.

    NaN where the value is not shown to be real there. The imaginary unit is no letter of a point.
    """
    letters = {name: arb(at) for name, at in (point or {}).items() if name != "i"}
    return _form(form, {"\\pi": arb.pi(), "e": arb.const_e(), **letters})


def differ(a: Fractional, b: Fractional) -> bool:
    """True if a and b are proved different: their balls are apart at one of a few fixed points."""
    letters = sorted((a.atoms() | b.atoms()) - {"\\infty"})
    for step, start in enumerate(POINTS if letters else POINTS[:1]):
        point = {name: start + 0.6180339887 * (k + step) for k, name in enumerate(letters)}
        if not enclose(a, point).overlaps(enclose(b, point)):
            return True
    return False
