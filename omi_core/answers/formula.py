r"""Tokens of one formula to a `Form`: a recursive descent over what answers use; the rest is refused.

Readings: `2 1/2` and `2\frac{1}{2}` are mixed numbers, but only with a proper fraction; `2\frac{3}{2}` and
`1/2x` are refused as ambiguous; `\frac12` is 1/2 and `x^10` has exponent 10; `0.1\overline{6}` repeats; `\pm`
takes the sign it is given, the same for every `\pm` of the formula. A letter before a bracket is a function
where letters usually are (`f(0)`, `P(A)`, `p(2)`), else a factor (`n(n+1)`); `f'`, `f^{-1}(2)` and `x_1` are
names of their own. `5\%` inside a formula is 0.05, `30^\circ` is \pi/6. Capital letters in a row are one
name, as of a segment or a triangle, unless `names` is false: then they are a product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from omi_core.answers import algebra, special
from omi_core.answers.algebra import Fractional, TooComplex, Undefined
from omi_core.answers.lexer import Token

MAX_DEPTH = 32
MAX_DIGITS = 400
_END: Token = ("end", "")
_TRIGONOMETRIC = frozenset("sin cos tan cot sec csc".split())
_FUNCTIONS = frozenset("\\" + name for name in [*_TRIGONOMETRIC, *"arcsin arccos arctan ln log lg".split()])
_FACTOR_COMMANDS = frozenset({"\\frac", "\\sqrt", "\\binom", "\\lfloor", "\\lceil"})
_OPENING = {"(": ")", "[": "]", "{": "}"}
# Followed by a bracket these are functions whatever the bracket holds; other letters only before one symbol.
_FUNCTION_LETTERS = frozenset("fgh") | {"\\" + name for name in "phi varphi psi Phi Psi Gamma zeta".split()}
_MAX_BINOMIAL = 8


class NotUnderstood(ValueError):
    """The tokens are not a formula that this reader knows, or can be read in two ways."""


def decimal(text: str) -> Fraction:
    """Exact value of a canonical literal: "12.5", "3e-4", "0.1(6)" with a repeating 6; TooComplex if long."""
    if text.endswith(")"):
        head, _, cycle = text[:-1].partition("(")
        places = len(head.partition(".")[2])
        if len(cycle) > 50:
            raise TooComplex("cycle too long")
        return decimal(head.rstrip(".")) + Fraction(int(cycle), 10**places * (10 ** len(cycle) - 1))
    mantissa, _, exponent = text.partition("e")
    if len(mantissa) > MAX_DIGITS or len(exponent) > 4:
        raise TooComplex("number too long")
    whole, _, digits = mantissa.partition(".")
    value = Fraction(int(whole + digits), 10 ** len(digits)) if digits else Fraction(int(whole))
    if exponent:
        value *= Fraction(10) ** int(exponent)
    return value


def read(tokens: Sequence[Token], sign: int = 1, names: bool = True) -> Fractional:
    """The whole of `tokens` as one formula; raises NotUnderstood, TooComplex or Undefined."""
    reader = _Reader(tokens, sign, names)
    form = reader.sum()
    if reader.peek() is not _END:
        raise NotUnderstood(f"unexpected {reader.peek()[1]}")
    return form


class _Reader:
    r"""One formula, read from left to right; a method for each rule of the grammar takes what it matches.

    All raise NotUnderstood, TooComplex or Undefined. `sign` is that of every `\pm`.
    """

    def __init__(self, tokens: Sequence[Token], sign: int, names: bool) -> None:
        self.names = names
        self.tokens = list(tokens)
        self.position = 0
        self.depth = 0
        self.sign = sign

    def peek(self, ahead: int = 0) -> Token:
        """The next token, or one further on; `_END` after the last. Takes nothing."""
        at = self.position + ahead
        return self.tokens[at] if at < len(self.tokens) else _END

    def take(self) -> Token:
        token = self.peek()
        self.position += 1
        return token

    def accept(self, text: str) -> bool:
        """Takes the next token if it is this operator or command; whether it was."""
        kind, found = self.peek()
        if found == text and kind in "oc":
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise NotUnderstood(f"expected {text}, found {self.peek()[1]}")

    def sum(self) -> Fractional:
        r"""sum: signed products, each but the first after `+`, `-`, `\pm` or `\mp`."""
        total = self.signed_product()
        while True:
            text = self.peek()[1]
            if self.peek()[0] not in "oc" or text not in ("+", "-", "\\pm", "\\mp"):
                break
            total = total + self.signed_product()
        return total

    def signed_product(self) -> Fractional:
        """signed_product: any number of signs, then a product."""
        negative = False
        while self.peek()[0] in "oc" and self.peek()[1] in ("+", "-", "\\pm", "\\mp"):
            text = self.take()[1]
            if text == "-" or text == ("\\pm" if self.sign < 0 else "\\mp"):
                negative = not negative
        product = self.product()
        return -product if negative else product

    def product(self) -> Fractional:
        """product: a mixed number or a power, then powers after `*` or `/`, or side by side."""
        result = self.mixed_number()
        if result is None:
            result = self.power()
        after_slash = False
        while True:
            kind, text = self.peek()
            if kind in "oc" and text in ("*", "/"):
                self.take()
                negative = self.accept("-")
                factor = self.power()
                factor = -factor if negative else factor
                result = result * factor if text == "*" else result / factor
                after_slash = text == "/"
            elif self.starts_factor():
                if after_slash:
                    raise NotUnderstood("1/2x can be read in two ways")
                if kind in "nN" or (self.peek(-1)[0] in "nN" and self.fraction_of_integers() is not None):
                    raise NotUnderstood("a number after a factor, without a sign")
                result = result * self.power()
            else:
                return result

    def starts_factor(self) -> bool:
        """Whether the next token begins a power that is multiplied without a sign, as in `2x`."""
        kind, text = self.peek()
        if kind in "nNv":
            return True
        if kind == "o":
            return text in ("(", "{", "[")
        return kind == "c" and (text in _FACTOR_COMMANDS or text in _FUNCTIONS)

    def fraction_of_integers(self) -> tuple[int, int, int] | None:
        r"""(numerator, denominator, tokens used) if `\frac{a}{b}` of two integers comes next."""
        if self.peek() != ("c", "\\frac"):
            return None
        ahead, parts = 1, []
        while len(parts) < 2:
            kind, text = self.peek(ahead)
            if kind == "n" and text.isdigit():
                if len(text) > 1:  # \frac12 is \frac{1}{2}; anything longer is left to the general reader
                    if parts or len(text) != 2:
                        return None
                    parts = [int(text[0]), int(text[1])]
                else:
                    parts.append(int(text))
                ahead += 1
            elif (kind, text) == ("o", "{") and self.peek(ahead + 2) == ("o", "}"):
                kind, text = self.peek(ahead + 1)
                if kind != "n" or not text.isdigit() or len(text) > MAX_DIGITS:
                    return None
                parts.append(int(text))
                ahead += 3
            else:
                return None
        return parts[0], parts[1], ahead

    def mixed_number(self) -> Fractional | None:
        r"""`2 1/2` or `2\frac{1}{2}` at the start of a product."""
        kind, text = self.peek()
        if kind != "n" or not text.isdigit() or len(text) > MAX_DIGITS:
            return None
        k1, numerator = self.peek(1)
        k2, denominator = self.peek(3)
        if k1 == k2 == "n" and self.peek(2) == ("o", "/") and numerator.isdigit() and denominator.isdigit():
            if len(numerator) > MAX_DIGITS or len(denominator) > MAX_DIGITS:
                raise TooComplex("number too long")
            top, bottom, used = int(numerator), int(denominator), 4
        else:
            self.position += 1
            found = self.fraction_of_integers()
            self.position -= 1
            if found is None:
                return None
            top, bottom, used = found[0], found[1], found[2] + 1
        if not 0 < top < bottom:
            raise NotUnderstood("a whole number beside an improper fraction")
        self.position += used
        if self.peek() == ("o", "^"):
            raise NotUnderstood("power of a mixed number")
        return algebra.number(int(text) + Fraction(top, bottom))

    def power(self) -> Fractional:
        r"""power: an atom, then any of `!`, `%`, `^\circ`, and one exponent."""
        base = self.atom()
        while True:
            if self.accept("!"):
                if self.peek() == ("o", "!"):
                    raise NotUnderstood("a double factorial")
                base = algebra.factorial(base)
            elif self.accept("%"):
                base = base * algebra.number(Fraction(1, 100))
            elif self.peek() == ("o", "^"):
                self.take()
                if self.degree_sign():
                    base = base * algebra.symbol("\\pi") * algebra.number(Fraction(1, 180))
                else:
                    base = _power(base, self.argument(whole_number=True))
                    if self.peek() == ("o", "^"):
                        raise NotUnderstood("2^3^4 can be read in two ways")
            else:
                return base

    def starts_differential(self) -> bool:
        r"""Whether `{dx` or `{d}` comes next, as in `\frac{dy}{dx}`."""
        return self.peek() == ("o", "{") and self.peek(1) == ("v", "d")

    def degree_sign(self) -> bool:
        r"""Takes `\circ` or `{\circ}`, after a `^`; whether it was there."""
        if self.accept("\\circ"):
            return True
        if self.peek() == ("o", "{") and self.peek(1) == ("c", "\\circ") and self.peek(2) == ("o", "}"):
            self.position += 3
            return True
        return False

    def argument(self, whole_number: bool = False) -> Fractional:
        r"""A braced argument or a single token; of a bare number the first digit, as TeX reads `\frac12`."""
        kind, text = self.peek()
        if kind == "n" and not whole_number and len(text) > 1:
            if not text.isdigit():
                raise NotUnderstood("an argument without braces")
            self.tokens[self.position] = ("n", text[1:])
            return algebra.number(int(text[0]))
        if whole_number and (kind, text) == ("o", "-"):
            self.take()
            return -self.argument(whole_number)
        return self.atom()

    def atom(self) -> Fractional:
        """atom: a number, a letter, a command, or a sum in brackets or bars; bounded in depth."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooComplex("nested too deep")
        form = self.nested_atom()
        self.depth -= 1
        return form

    def nested_atom(self) -> Fractional:
        kind, text = self.take()
        if kind == "n":
            return algebra.number(decimal(text))
        if kind == "N":
            return algebra.number(plain_number(text))
        if kind == "v":
            return self.letter(text)
        if kind == "o" and text in _OPENING:
            inner = self.sum()
            if text == "{" and self.accept("\\choose"):
                inner = _binomial(inner, self.sum())
            self.expect(_OPENING[text])
            return inner
        if (kind, text) == ("o", "|"):
            inner = self.sum()
            self.expect("|")
            value = inner.rational
            return algebra.number(abs(value)) if value is not None else algebra.opaque("abs", inner)
        if kind == "c":
            return self.command(text)
        raise NotUnderstood(f"unexpected {text or 'end'}")

    def letter(self, text: str) -> Fractional:
        """A letter with what belongs to its name, or the value of the function that it names."""
        name = text + self.primes() + self.subscript() + self.primes()
        if self.names and is_capital(("v", name)):
            while is_capital(self.peek()) and self.peek(1) != ("o", "("):
                name += self.take()[1]
        plain = text in _FUNCTION_LETTERS or text.isupper() or name != text
        if plain and self.inverse_sign():
            name += "^-1"
        if self.peek() != ("o", "("):
            return algebra.symbol(name)
        one_symbol = self.peek(1)[0] in "nv" and self.peek(2) == ("o", ")")
        if not plain and not one_symbol:
            return algebra.symbol(name)
        return algebra.opaque(f"{name}()", *self.arguments())

    def primes(self) -> str:
        """Takes the primes of `f''`; returns them."""
        count = 0
        while self.accept("'"):
            count += 1
        return "'" * count

    def inverse_sign(self) -> bool:
        """Takes the ^{-1} of f^{-1}(x), where a bracket follows; of f^{-1} alone it leaves it."""
        for sign in (
            (("o", "^"), ("o", "{"), ("o", "-"), ("n", "1"), ("o", "}"), ("o", "(")),
            (("o", "^"), ("o", "-"), ("n", "1"), ("o", "(")),
        ):
            if tuple(self.tokens[self.position : self.position + len(sign)]) == sign:
                self.position += len(sign) - 1
                return True
        return False

    def arguments(self) -> list[Fractional]:
        """The arguments of a function, in round brackets and separated by commas."""
        self.expect("(")
        found = [self.sum()]
        while self.accept(","):
            found.append(self.sum())
        self.expect(")")
        return found

    def command(self, name: str) -> Fractional:
        r"""command: what follows `\frac`, `\binom`, `\sqrt`, a floor, a ceiling or a function's name."""
        if name == "\\frac":
            differential = self.starts_differential()
            top = self.argument()
            if differential and self.starts_differential():
                raise NotUnderstood("a derivative, in which nothing cancels")
            return top / self.argument()
        if name == "\\binom":
            return _binomial(self.argument(), self.argument())
        if name == "\\sqrt":
            degree = 2
            if self.accept("["):
                value = self.sum().rational
                self.expect("]")
                if value is None or value.denominator != 1:
                    raise NotUnderstood("a root whose degree is not a whole number")
                degree = int(value)
            return algebra.root(self.argument(), degree)
        if name in _FUNCTIONS:
            return self.function(name[1:])
        if name in ("\\lfloor", "\\lceil"):
            inner = self.sum()
            self.expect("\\r" + name[2:])
            value = inner.rational
            if value is None:
                return algebra.opaque(name[2:], inner)
            return algebra.number(math.floor(value) if name == "\\lfloor" else math.ceil(value))
        raise NotUnderstood(f"unknown command {name}")

    def function(self, name: str) -> Fractional:
        """function: a base, an exponent, then an argument: brackets, or powers side by side (`sin 2x`)."""
        base, exponent = None, None
        if name == "log" and self.accept("_"):
            base = self.argument(whole_number=True)
        if self.accept("^"):
            exponent = self.argument(whole_number=True)
            if exponent.rational == -1 and name in ("sin", "cos", "tan"):
                name, exponent = "arc" + name, None
        if self.peek() in (("o", "("), ("o", "{")):
            argument = self.atom()
            if self.peek() in (("o", "^"), ("o", "!")):
                raise NotUnderstood("power of a function's argument or of its value")
        else:
            argument = self.power()
            while self.peek()[0] in "nNv" or self.peek() in (("c", "\\frac"), ("c", "\\sqrt")):
                argument = argument * self.power()
        form = _value(name, argument, base)
        return form if exponent is None else algebra.power(form, exponent)

    def subscript(self) -> str:
        """The text of a subscript, which belongs to the letter's name."""
        if not self.accept("_"):
            return ""
        if not self.accept("{"):
            return "_" + self.take()[1]
        name = ""
        while not self.accept("}"):
            if self.peek() is _END or self.peek()[1] == "{":
                raise NotUnderstood("a subscript that does not end")
            name += self.take()[1]
        return "_" + name


def is_capital(token: Token) -> bool:
    """Whether the token is a capital letter by itself, as in the name of a segment."""
    kind, text = token
    return kind == "v" and len(text) == 1 and text.isupper()


def _power(base: Fractional, exponent: Fractional) -> Fractional:
    value = special.exponential(exponent) if base == algebra.symbol("e") else None
    return algebra.power(base, exponent) if value is None else value


def _binomial(top: Fractional, bottom: Fractional) -> Fractional:
    k = bottom.rational
    if top.rational is None and k is not None and k.denominator == 1 and 0 <= k <= _MAX_BINOMIAL:
        return special.falling_binomial(top, int(k))
    return algebra.binomial(top, bottom)


def _value(name: str, argument: Fractional, base: Fractional | None) -> Fractional:
    """A function's value: exact where it is known, else an opaque atom."""
    exact = None
    if name in _TRIGONOMETRIC:
        exact = special.trigonometric(name, argument)
    elif name == "log" and base is None:
        # \log alone is base 10 in one problem and base e in another: told apart from both.
        return algebra.opaque("log without base", argument)
    elif name in ("log", "lg"):
        base = base or algebra.number(10)
        return special.logarithm(argument, base) or algebra.opaque("log", argument, base)
    elif name == "ln":
        exact = special.logarithm(argument, algebra.symbol("e"))
    return algebra.opaque(name, argument) if exact is None else exact


def plain_number(text: str) -> Fraction:
    """Value of a number with plain commas: "1,234" is 1234; "0,111" can only be a decimal, 0.111."""
    return decimal(text.replace(",", "." if text.startswith("0,") else "").rstrip("."))


__all__ = ["NotUnderstood", "TooComplex", "Undefined", "decimal", "plain_number", "read"]
