r"""Exact arithmetic on the closed forms that answers are written in.

A `Form` is a quotient of two polynomials with rational coefficients over these atoms: letters, `\pi`, `e`,
the imaginary unit, real radicals of primes (p**f, 0 < f < 1), and *opaque* atoms such as sin(x) or sqrt(x+1).
Without opaque atoms the representation decides equality both ways: real radicals of distinct classes are
linearly independent over Q (Besicovitch, J. London Math. Soc. 15, 1940), `\pi` is transcendental, and letters
are free. The one assumption is that pi and e are algebraically independent. Opaque atoms may obey identities,
so with them two forms that agree are equal, and two that do not are undecided here (see `enclosure.py`).

Everything is bounded: `TooComplex` is raised before any step whose result would pass the limits below, so the
cost of an expression never depends on the size of the numbers that it names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

MAX_TERMS = 200
MAX_BITS = 16_384
MAX_EXPONENT = 10_000
MAX_FACTORIAL = 300

Atom = int | str | tuple  # a prime, a letter or constant, an opaque function of forms
Monomial = frozenset  # of (atom, exponent): Fraction in (0, 1) for primes, int for the others
Poly = dict[Monomial, Fraction]

ONE: Monomial = frozenset()
_UNIT_POLY: Poly = {ONE: Fraction(1)}
CONSTANTS = frozenset({"\\pi", "e", "i"})


class TooComplex(ValueError):
    """The expression would need more terms, digits or work than an answer is worth."""


class Undefined(ValueError):
    """The expression has no value that this module can give: division by zero, an even root of a negative."""


def _checked(coefficient: Fraction) -> Fraction:
    if coefficient.numerator.bit_length() > MAX_BITS or coefficient.denominator.bit_length() > MAX_BITS:
        raise TooComplex("coefficient too long")
    return coefficient


def _collected(total: Poly, terms: Iterable[tuple[Monomial, Fraction]]) -> Poly:
    """`total` with the terms added to it."""
    for monomial, coefficient in terms:
        value = total.get(monomial, 0) + coefficient
        if value:
            total[monomial] = _checked(value)
        else:
            total.pop(monomial, None)
    if len(total) > MAX_TERMS:
        raise TooComplex("too many terms")
    return total


def _times(a: Monomial, b: Monomial) -> tuple[Monomial, int]:
    """Product of two monomials, and the integer that radicals and the imaginary unit leave behind."""
    if not a or not b:
        return a or b, 1
    exponents = dict(a)
    factor = 1
    for atom, exponent in b:
        total = exponents.get(atom, 0) + exponent
        if atom == "i" and total == 2:
            total, factor = 0, -factor
        elif isinstance(atom, int) and total >= 1:
            total, factor = total - 1, factor * atom
        if abs(total) > MAX_EXPONENT:
            raise TooComplex("exponent too large")
        if total:
            exponents[atom] = total
        else:
            del exponents[atom]
    return frozenset(exponents.items()), factor


def _multiply(a: Poly, b: Poly) -> Poly:
    if len(a) * len(b) > MAX_TERMS * 10:
        raise TooComplex("too many terms")
    products = (
        (monomial, c1 * c2 * factor)
        for m1, c1 in a.items()
        for m2, c2 in b.items()
        for monomial, factor in [_times(m1, m2)]
    )
    return _collected({}, products)


def _key(poly: Poly) -> frozenset:
    return frozenset(poly.items())


@dataclass(frozen=True, slots=True)
class Fractional:
    """`num / den` (`den` None is 1); `opaque` says whether an opaque atom occurs in either."""

    num: Poly
    den: Poly | None = None
    opaque: bool = False

    @property
    def rational(self) -> Fraction | None:
        """The value, if it is a rational number written without any atom."""
        if self.den is None:
            if not self.num:
                return Fraction(0)
            if len(self.num) == 1:
                return self.num.get(ONE)
        return None

    def key(self) -> tuple:
        """A hashable image, equal for equal `num` and `den`, from which `from_key` restores the form."""
        return (_key(self.num), None if self.den is None else _key(self.den), self.opaque)

    @staticmethod
    def from_key(key: tuple) -> Fractional:
        return Fractional(dict(key[0]), None if key[1] is None else dict(key[1]), key[2])

    def atoms(self) -> frozenset[str]:
        """The free letters, also those inside opaque atoms; constants left out."""
        found: set[str] = set()
        for poly in (self.num, self.den or {}):
            for monomial in poly:
                for atom, _ in monomial:
                    if isinstance(atom, str):
                        found.add(atom)
                    elif isinstance(atom, tuple):
                        for argument in atom[1:]:
                            found |= Fractional.from_key(argument).atoms()
        return frozenset(found - CONSTANTS)

    def __add__(self, other: Fractional) -> Fractional:
        opaque = self.opaque or other.opaque
        if self.den is None and other.den is None:
            return Fractional(_collected(dict(self.num), other.num.items()), None, opaque)
        ours, theirs = self.den or _UNIT_POLY, other.den or _UNIT_POLY
        num = _collected(_multiply(self.num, theirs), _multiply(other.num, ours).items())
        return Fractional(num, _multiply(ours, theirs), opaque)

    def __neg__(self) -> Fractional:
        return Fractional({m: -c for m, c in self.num.items()}, self.den, self.opaque)

    def __sub__(self, other: Fractional) -> Fractional:
        return self + (-other)

    def __mul__(self, other: Fractional) -> Fractional:
        opaque = self.opaque or other.opaque
        den = None
        if self.den is not None or other.den is not None:
            den = _multiply(self.den or _UNIT_POLY, other.den or _UNIT_POLY)
        return Fractional(_multiply(self.num, other.num), den, opaque)

    def inverse(self) -> Fractional:
        """1 / self; raises Undefined for zero."""
        if not self.num:
            raise Undefined("division by zero")
        if len(self.num) > 1:
            return Fractional(self.den or _UNIT_POLY, self.num, self.opaque)
        ((monomial, coefficient),) = self.num.items()
        value, exponents = 1 / coefficient, {}
        for atom, exponent in monomial:
            if isinstance(atom, int):
                value, exponent = value / atom, 1 - exponent
            elif atom == "i":
                value = -value
            else:
                exponent = -exponent
            exponents[atom] = exponent
        flipped: Poly = {frozenset(exponents.items()): _checked(value)}
        return Fractional(flipped if self.den is None else _multiply(flipped, self.den), None, self.opaque)

    def __truediv__(self, other: Fractional) -> Fractional:
        return self * other.inverse()

    def __pow__(self, n: int) -> Fractional:
        if n < 0:
            return self.inverse() ** -n
        if n > MAX_EXPONENT:
            raise TooComplex("exponent too large")
        if self.den is None and len(self.num) <= 1:
            bits = max(
                (max(c.numerator.bit_length(), c.denominator.bit_length()) for c in self.num.values()),
                default=0,
            )
            if bits > 1 and bits * n > MAX_BITS:
                raise TooComplex("power too long")
        elif n > 64:
            raise TooComplex("power of a sum too large")
        result, square = number(1), self
        while n:
            if n & 1:
                result = result * square
            n >>= 1
            if n:
                square = square * square
        return result


def number(value: int | Fraction) -> Fractional:
    value = Fraction(value)
    return Fractional({ONE: _checked(value)} if value else {})


def symbol(name: str) -> Fractional:
    return Fractional({frozenset({(name, 1)}): Fraction(1)})


def opaque(name: str, *arguments: Fractional) -> Fractional:
    """An atom that this module does not look into, such as ("sin", x)."""
    atom = (name, *(argument.key() for argument in arguments))
    return Fractional({frozenset({(atom, 1)}): Fraction(1)}, None, True)


_PRIMES = [p for p in range(2, 1000) if all(p % q for q in range(2, math.isqrt(p) + 1))]


def factorized(n: int) -> dict[int, int] | None:
    """Prime factors of n >= 1, or None where trial division by the primes below 1000 does not finish it."""
    if n.bit_length() > 128:
        return None
    factors: dict[int, int] = {}
    for p in _PRIMES:
        if p * p > n:
            break
        while n % p == 0:
            factors[p] = factors.get(p, 0) + 1
            n //= p
    if n > 1:
        if n > 997**2:
            return None
        factors[n] = factors.get(n, 0) + 1
    return factors


def root(value: Fractional, degree: int) -> Fractional:
    """The real `degree`-th root; the principal square root where a rational is negative.

    Roots of anything but a rational, and of rationals whose factors are out of reach, are opaque.
    Raises Undefined for other even roots of a negative number, TooComplex for a degree over 64.
    """
    if not 2 <= degree <= 64:
        raise TooComplex("degree of a root out of range")
    rational = value.rational
    if rational is None:
        return opaque("root", value, number(degree))
    if rational < 0:
        if degree == 2:
            return root(number(-rational), 2) * symbol("i")
        if degree % 2 == 0:
            raise Undefined("even root of a negative number")
        return -root(number(-rational), degree)
    if rational == 0:
        return number(0)
    top, bottom = factorized(rational.numerator), factorized(rational.denominator)
    if top is None or bottom is None:
        return opaque("root", value, number(degree))
    coefficient, exponents = Fraction(1), {}
    for p, count in [*top.items(), *((p, -c) for p, c in bottom.items())]:
        whole, rest = divmod(count, degree)
        coefficient *= Fraction(p) ** whole
        if rest:
            exponents[p] = Fraction(rest, degree)
    return Fractional({frozenset(exponents.items()): coefficient})


def power(base: Fractional, exponent: Fractional) -> Fractional:
    """base ** exponent: exact for integers and for positive rationals to a rational, else opaque."""
    e = exponent.rational
    if e is not None and e.denominator == 1:
        if base.num == {} and e <= 0:
            raise Undefined("zero to the power zero or less")
        return base ** int(e)
    b = base.rational
    if e is not None and b is not None and b > 0:
        return root(base, e.denominator) ** e.numerator
    if b is not None and b <= 0:
        raise Undefined("negative base with an exponent that is not an integer")
    return opaque("power", base, exponent)


def factorial(value: Fractional) -> Fractional:
    n = value.rational
    if n is None:
        return opaque("factorial", value)
    if n.denominator != 1 or n < 0:
        raise Undefined("factorial of something that is not a natural number")
    if n > MAX_FACTORIAL:
        raise TooComplex("factorial too large")
    return number(math.factorial(int(n)))


def binomial(n: Fractional, k: Fractional) -> Fractional:
    top, bottom = n.rational, k.rational
    if top is None or bottom is None:
        return opaque("binomial", n, k)
    if top.denominator != 1 or bottom.denominator != 1 or top < 0 or bottom < 0:
        raise Undefined("binomial of something that is not a natural number")
    if top > 4 * MAX_FACTORIAL:
        raise TooComplex("binomial too large")
    return number(math.comb(int(top), int(bottom)))


def same(a: Fractional, b: Fractional) -> bool | None:
    """Whether two forms are equal; None where opaque atoms leave it open, or the check would be too long."""
    try:
        if a.den is None and b.den is None:
            agree = a.num == b.num
        else:
            agree = _multiply(a.num, b.den or _UNIT_POLY) == _multiply(b.num, a.den or _UNIT_POLY)
    except TooComplex:
        return None
    if agree:
        return True
    return None if a.opaque or b.opaque else False
