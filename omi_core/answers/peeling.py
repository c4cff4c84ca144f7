r"""What stands around a number: its currency, its unit, its percent or degree sign, taken off where that is
sound.

A mark is taken off a number or a product, never off a sum or a function's argument: the percent sign of
`1+5\%` and the degrees of `\sin 30^\circ` belong to what stands right before them, and stay for the formula's
reader. Words are a unit unless one of them makes another number of it: `3 million` is multiplied out, `1 out
of 6` is a fraction, `5 less` is prose, which no step reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from omi_core.answers.formula import NotUnderstood
from omi_core.answers.lexer import Token
from omi_core.answers.units import MULTIPLIERS, NOT_UNITS

_SYMBOL_UNITS = {"\\$": "$"}
_DEGREES = (
    [("o", "^"), ("o", "{"), ("c", "\\circ"), ("o", "}")],
    [("o", "^"), ("c", "\\circ")],
    [("c", "\\circ")],
)
_FUNCTIONS = frozenset(
    "\\" + name for name in "sin cos tan cot sec csc arcsin arccos arctan ln log lg".split()
)
_SCALES = frozenset("cf")  # Celsius, Fahrenheit


class Prose(NotUnderstood):
    """Words and formulas mixed: "10 + John's age"."""


def peel(tokens: Sequence[Token]) -> tuple[list[Token], str | None, bool]:
    r"""The formula, its unit and whether it is a percentage: `\$5`, `5\%`, `5 \text{ cm}^2`, `5^\circ`.

    Raises:
        Prose: words that are not a unit.
    """
    body, currency = _without_currency(_without_ratio(list(tokens)))
    body, words = _without_words(body)
    if words and words[0] in ("percent", "percentage") and currency is None:
        if len(words) > 1 or not _is_product(body):
            raise Prose("a percentage of something")
        return body, None, True
    if words and words[0] in MULTIPLIERS:
        number = ("n", str(MULTIPLIERS[words[0]]))
        body, words = [("o", "("), *body, ("o", ")"), ("o", "*"), number], words[1:]
        if words[:1] == ["of"]:
            words = words[1:]
    for word in words:
        if word in NOT_UNITS or not set(word.split(" ")).isdisjoint(NOT_UNITS):
            raise Prose("words that are no unit")
    text = " ".join(words).replace(" ^ ", "^").replace(" / ", "/") or None
    unit_text = f"{currency} {text}" if currency and text else currency or text
    if not _is_product(body) and any(body[-len(sign) :] == sign for sign in _DEGREES):
        signs = sum(token == ("c", "\\circ") for token in body)
        if signs < 2 and not any(text in _FUNCTIONS for _, text in body):
            raise Prose("180 - x degrees: of the last term, or of all")
    body, degree = _without_degree(body)
    if degree:
        return body, f"{degree} {text}" if text else degree, False
    if body and body[-1] == ("o", "%") and _is_product(body[:-1]):
        return body[:-1], unit_text, True
    return body, unit_text, False


def _is_product(body: Sequence[Token]) -> bool:
    """Whether a mark behind `body` belongs to all of it: it is not a sum or a function's argument."""
    depth = 0
    for at, (kind, text) in enumerate(body):
        depth += (text in ("(", "{", "[")) - (text in (")", "}", "]")) if kind == "o" else 0
        if depth == 0 and at and text in ("+", "-", "\\pm", "\\mp") or text in _FUNCTIONS:
            return False
    return bool(body)


def _without_ratio(body: list[Token]) -> list[Token]:
    """`1 out of 6` as 1/6."""
    at = next((at for at, token in enumerate(body) if token == ("t", "out of")), None)
    if (
        at is not None
        and 0 < at < len(body) - 1
        and all(kind == "n" for kind, _ in body[:at] + body[at + 1 :])
    ):
        body[at] = ("o", "/")
    return body


def _without_currency(body: list[Token]) -> tuple[list[Token], str | None]:
    for at in (0, 1):
        if len(body) > at and body[at][1] in _SYMBOL_UNITS and (at == 0 or body[0][1] == "-"):
            return body[:at] + body[at + 1 :], _SYMBOL_UNITS[body[at][1]]
    if len(body) > 1 and body[0] in (("t", "€"), ("t", "£")):
        return body[1:], body[0][1]
    return body, None


def _without_words(body: list[Token]) -> tuple[list[Token], list[str]]:
    """The formula, and the words and signs of the unit behind it."""
    first = next((at for at, (kind, _) in enumerate(body) if kind == "t"), None)
    if not first:
        return body, []
    tail, words = body[first:], []
    for at, (kind, text) in enumerate(tail):
        exponent = kind == "n" and text in ("2", "3") and tail[at - 1][1] in ("^", "{")
        below = kind == "v" and len(text) == 1 and tail[at - 1][1] == "/"
        if kind == "t" or exponent or below or text in ("^", "/"):
            words.extend(text.split(" ") if kind == "t" else [text])
        elif text not in ("{", "}"):
            raise Prose("words inside a formula")
    return body[:first], words


def _without_degree(body: list[Token]) -> tuple[list[Token], str | None]:
    """The number of degrees, and "°", "° c" or "° f"; no unit where the sign belongs to a part of the
    formula.
    """
    scale = ""
    inner = body
    if len(body) > 2 and body[-1][1].lower() in _SCALES and body[-1][0] in "vt":
        inner, scale = body[:-1], f" {body[-1][1].lower()}"
    for sign in _DEGREES:
        if inner[-len(sign) :] == sign and _is_product(inner[: -len(sign)]):
            return inner[: -len(sign)], f"°{scale}"
    return body, None
