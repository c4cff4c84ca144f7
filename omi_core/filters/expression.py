"""Values of short arithmetic expressions, by exact fractions, with bounds on size and depth.

A recursive-descent parser over tokens; nothing is ever executed, and numbers that would grow beyond
a few thousand bits are given up on before they are computed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_MAX_DIGITS = 30
_MAX_BITS = 2048
_MAX_TOKENS = 400
_MAX_DEPTH = 12

PAIRS = {"(": ")", "{": "}"}
_NOT_DIGITS = re.compile(r"[^\d.]")
# Whole numbers stay int, which is many times faster.
Rational = int | Fraction


class _NotArithmetic(Exception):
    """The tokens are not an expression that can be evaluated."""


@dataclass(slots=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


def evaluate(tokens: Sequence[Token]) -> tuple[Rational, ...]:
    """The possible values of the expression that `tokens` are; () when they cannot be judged.

    A percent sign may mean a hundredth or just a unit, and `8 / 1/4` is either 2 or 32: two values each.
    """
    if not tokens or len(tokens) > _MAX_TOKENS:
        return ()
    kinds = [token.kind for token in tokens]
    percents = (Fraction(1, 100), 1) if "percent" in kinds else (1,)
    readings = (False, True) if kinds.count("over") > 1 else (False,)
    try:
        values = tuple(_Parser(tokens, p, nested).parse() for p in percents for nested in readings)
    except (_NotArithmetic, ZeroDivisionError):
        return ()
    is_range = (
        kinds == ["number", "minus", "number"] and tokens[0].end == tokens[2].start - 1 and values[0] < 0
    )
    return () if is_range else values  # `pages 3-5`


class _Parser:
    """sum := product (('+'|'-') product)*; product := signed (('*'|'/')? signed)*; signed := '-'* power.

    `percent` is what a percent sign multiplies by; `nested` reads `8 / 1/4` as 8 / (1/4).
    """

    def __init__(self, tokens: Sequence[Token], percent: Rational, nested: bool) -> None:
        self._tokens = tokens
        self._percent = percent
        self._nested = nested
        self._at = 0
        self._depth = 0

    def parse(self) -> Rational:
        value = self._sum()
        if self._at < len(self._tokens):
            raise _NotArithmetic
        return value

    def _kind(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else "end"

    def _take(self) -> Token:
        if self._at >= len(self._tokens):
            raise _NotArithmetic
        self._at += 1
        return self._tokens[self._at - 1]

    def _sum(self) -> Rational:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _NotArithmetic
        value = self._product()
        while self._kind() in ("plus", "minus"):
            sign = 1 if self._take().kind == "plus" else -1
            value = _bounded(value + sign * self._product())
        self._depth -= 1
        return value

    def _product(self) -> Rational:
        value = self._signed()
        while (kind := self._kind()) in ("times", "over", "open"):
            if kind == "open" and not self._touches():
                raise _NotArithmetic
            if kind != "open":
                self._take()
            factor = self._signed()
            if kind == "over" and self._nested and self._kind() == "over":
                self._take()
                factor = _bounded(Fraction(factor, self._signed()))
            value = _bounded(Fraction(value, factor) if kind == "over" else value * factor)
        return value

    def _touches(self) -> bool:
        """Whether the next token is written right behind the last: `2(3)`, not `2 (that is, 3)`."""
        return self._tokens[self._at].start == self._tokens[self._at - 1].end

    def _signed(self) -> Rational:
        sign = 1
        for _ in range(2):
            if self._kind() == "minus":
                self._take()
                sign = -sign
        return sign * self._power()

    def _power(self) -> Rational:
        value = self._atom()
        if self._kind() == "power":
            self._take()
            value = _power(value, self._exponent())
        if self._kind() == "percent":
            self._take()
            value *= self._percent
        return value

    def _exponent(self) -> Rational:
        if self._kind() == "minus":
            self._take()
            return -self._atom()
        return self._atom()

    def _atom(self) -> Rational:
        token = self._take()
        if token.kind == "number":
            return _number(token.text)
        if token.kind == "frac":
            return self._fraction()
        if token.kind == "open":
            return self._group(token)
        raise _NotArithmetic

    def _group(self, opening: Token) -> Rational:
        value = self._sum()
        if self._take().text != PAIRS[opening.text]:
            raise _NotArithmetic
        return value

    def _fraction(self) -> Rational:
        parts: list[Rational] = []
        while len(parts) < 2:
            token = self._take()
            if token.kind == "open" and token.text == "{":
                parts.append(self._group(token))
            elif token.kind == "number" and token.text.isdigit() and len(token.text) + len(parts) <= 2:
                parts += [int(digit) for digit in token.text]  # `\frac12` is a half
            else:
                raise _NotArithmetic
        return _bounded(Fraction(parts[0], parts[1]))


def _number(text: str) -> Rational:
    digits = _NOT_DIGITS.sub("", text)
    # A leading zero is that of a clock, a code or a number in another base.
    if len(digits) > _MAX_DIGITS or (digits[0] == "0" and digits[1:2].isdecimal()):
        raise _NotArithmetic
    return Fraction(digits) if "." in digits else int(digits)


def _power(base: Rational, exponent: Rational) -> Rational:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1 or abs(exponent.numerator) * bits > _MAX_BITS:
        raise _NotArithmetic
    return Fraction(base) ** exponent.numerator if exponent < 0 else base**exponent.numerator


def _bounded(value: Rational) -> Rational:
    if value.numerator.bit_length() + value.denominator.bit_length() > _MAX_BITS:
        raise _NotArithmetic
    return value
