r"""Exact values of functions at the arguments that answers use: angles, logarithms, powers of e.

Cosines of multiples of 15 and of 36 degrees are the radicals found in any table (Abramowitz and Stegun,
4.3.46); logarithms are exact where argument and base are products of powers of the same primes. What has no
such value here comes back as None and stays an opaque atom.
"""

from __future__ import annotations

from fractions import Fraction

from omi_core.answers import algebra
from omi_core.answers.algebra import ONE, Fractional, Undefined

_HALF = Fraction(1, 2)


def _surd(radicand: int, over: int) -> Fractional:
    return algebra.root(algebra.number(radicand), 2) * algebra.number(Fraction(1, over))


# cos(k * 15 degrees) for k = 0..6, and cos(k * 36 degrees) for k = 0..2
_FIFTEENTHS = (
    algebra.number(1),
    _surd(6, 4) + _surd(2, 4),
    _surd(3, 2),
    _surd(2, 2),
    algebra.number(_HALF),
    _surd(6, 4) - _surd(2, 4),
    algebra.number(0),
)
_FIFTHS = (
    algebra.number(1),
    _surd(5, 4) + algebra.number(Fraction(1, 4)),
    _surd(5, 4) - algebra.number(Fraction(1, 4)),
)


def _cosine(turn: Fraction) -> Fractional | None:
    """cos(turn * pi), or None where it has no short form."""
    turn %= 2
    turn = min(turn, 2 - turn)
    negative = turn > _HALF
    if negative:
        turn = 1 - turn
    for table, steps in ((_FIFTEENTHS, turn * 12), (_FIFTHS, turn * 5)):
        if steps.denominator == 1:
            value = table[int(steps)]
            return -value if negative else value
    return None


def multiple_of_pi(angle: Fractional) -> Fraction | None:
    """r where `angle` is r * pi with a rational r; else None."""
    if angle.den is not None or len(angle.num) > 1:
        return None
    if not angle.num:
        return Fraction(0)
    return angle.num.get(frozenset({("\\pi", 1)}))


def trigonometric(name: str, angle: Fractional) -> Fractional | None:
    """sin, cos, tan, cot, sec or csc of an angle in radians. Raises Undefined at a pole."""
    turn = multiple_of_pi(angle)
    if turn is None:
        return None
    cosine, sine = _cosine(turn), _cosine(_HALF - turn)
    if name == "cos":
        return cosine
    if name == "sin":
        return sine
    over, under = {
        "tan": (sine, cosine),
        "cot": (cosine, sine),
        "sec": (algebra.number(1), cosine),
        "csc": (algebra.number(1), sine),
    }[name]
    if under is not None and not under.num:
        raise Undefined(f"{name} at a pole")
    return None if over is None or under is None else over / under


def exponential(exponent: Fractional) -> Fractional | None:
    r"""e^{i \pi r} for a rational r; None for any other exponent."""
    if exponent.den is not None or len(exponent.num) != 1:
        return None
    turn = exponent.num.get(frozenset({("\\pi", 1), ("i", 1)}))
    if turn is None:
        return None
    cosine, sine = _cosine(turn), _cosine(_HALF - turn)
    return None if cosine is None or sine is None else cosine + algebra.symbol("i") * sine


def logarithm(value: Fractional, base: Fractional) -> Fractional | None:
    """The logarithm, where it is rational; raises Undefined where there is none."""
    for form, least in ((value, "argument"), (base, "base")):
        if form.rational is not None and form.rational <= 0:
            raise Undefined(f"logarithm with a negative {least} or zero")
    if base.rational == 1:
        raise Undefined("logarithm to the base 1")
    top, bottom = _exponents(value), _exponents(base)
    if top is None or bottom is None or not bottom:
        return None
    if top.keys() - bottom.keys() or (top and bottom.keys() - top.keys()):
        return None
    ratios = {top[atom] / bottom[atom] for atom in top}
    if len(ratios) > 1:
        return None
    return algebra.number(ratios.pop() if ratios else 0)


def _exponents(form: Fractional) -> dict[int | str, Fraction] | None:
    """`form` as a product of powers of primes and of e; None where it is not one."""
    if form.den is not None or len(form.num) != 1:
        return None
    ((monomial, coefficient),) = form.num.items()
    if coefficient <= 0:
        return None
    found: dict[int | str, Fraction] = {}
    if monomial != ONE:
        for atom, exponent in monomial:
            if not isinstance(atom, int) and atom != "e":
                return None
            found[atom] = Fraction(exponent)
    for part, sign in ((coefficient.numerator, 1), (coefficient.denominator, -1)):
        factors = algebra.factorized(part)
        if factors is None:
            return None
        for prime, count in factors.items():
            found[prime] = found.get(prime, Fraction(0)) + sign * count
    return {atom: exponent for atom, exponent in found.items() if exponent}


def falling_binomial(top: Fractional, k: int) -> Fractional:
    """n(n-1)...(n-k+1)/k! for any `top` and a small natural k."""
    product = algebra.number(1)
    for step in range(k):
        product = product * (top - algebra.number(step)) / algebra.number(step + 1)
    return product
