r"""Ground truths as they stand, changed by one digit, sign, letter, prime, word, unit, relation or item.

A change is only made where it is sure to make another answer: no digit of an answer that may hide it (a
factor or exponent zero or one, a binomial, a remainder, an absolute value, a rounded or a periodic function),
no sign of a zero or next to a plus-minus. What is left out so is left out for both graders. `respelt` gives
spellings of the same answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Rng = random.Random

_HIDES = re.compile(
    r"\\(?:binom|choose|pmod|mod|lfloor|lceil|sin|cos|tan|cot|sec|csc|log|ln|pm|mp|infty|circ|gcd|max|min)|[|!]"
    r"|\\dbinom|\\text|\\mbox|\\begin"
)
_DIGIT = re.compile(r"[2-9]")
_ZERO = re.compile(r"(?<![0-9.])[01](?![0-9.])|\^")
_COMMAND = re.compile(r"\\[a-zA-Z]+|\\.")
_TEXT = re.compile(r"\\(?:text|mbox)(?:bf|rm|it)?\s*\{([^{}]*)\}")
_UNITS = (
    "cm",
    "inches",
    "feet",
    "miles",
    "hours",
    "minutes",
    "seconds",
    "days",
    "grams",
    "pounds",
    "dollars",
    "cents",
)
_OTHER_UNIT = {unit: _UNITS[(at + 5) % len(_UNITS)] for at, unit in enumerate(_UNITS)}
_WORDS = {
    "even": "odd", "odd": "even", "yes": "no", "no": "yes", "true": "false", "false": "true",
    "Monday": "Friday", "Sunday": "Tuesday", "Saturday": "Monday", "Friday": "Sunday",
    "ellipse": "circle", "circle": "parabola",
    "parabola": "hyperbola", "hyperbola": "ellipse", "Yes": "No", "No": "Yes", "A": "B", "B": "C", "C": "D",
    "D": "E", "E": "A", "(A)": "(B)", "(B)": "(C)", "(C)": "(D)", "(D)": "(E)", "(E)": "(A)",
}  # fmt: skip
_RELATIONS = {"<": ">", ">": "<", "\\le": "<", "\\ge": ">", "\\leq": "\\geq", "\\geq": "\\leq"}
_RELATION = re.compile(r"\\leq?(?![a-z])|\\geq?(?![a-z])|[<>]")


def _at(text: str, start: int, stop: int, new: str) -> str:
    return text[:start] + new + text[stop:]


def _digit(answer: str, rng: Rng) -> str | None:
    """One digit of 2 to 9 made one more or less, and never 0 or 1."""
    if _HIDES.search(answer) or re.search(r"(?<![0-9.])0(?![0-9.])", answer):
        return None
    found = list(_DIGIT.finditer(answer))
    if not found:
        return None
    match = rng.choice(found)
    digit = int(match[0])
    return _at(answer, *match.span(), str(digit + 1 if digit < 9 else digit - 1))


def _sign(answer: str, rng: Rng) -> str | None:
    """A sign before the whole answer put or taken away."""
    plain = re.fullmatch(r"-?(?:[0-9][0-9.,{}!\\]*|\\d?frac\{?[0-9]+\}?\{?[0-9]+\}?)", answer)
    if plain is None or not re.search("[1-9]", answer) or re.match("0,", answer):
        return None
    return answer[1:] if answer.startswith("-") else f"-{answer}"


def _letters(answer: str) -> list[re.Match[str]]:
    hidden = [match.span() for match in [*_COMMAND.finditer(answer), *_TEXT.finditer(answer)]]
    return [
        match
        for match in re.finditer(r"(?<![a-zA-Z])[a-z](?![a-zA-Z])", answer)
        if match[0] not in "eid" and not any(low <= match.start() < high for low, high in hidden)
    ]


def _letter(answer: str, rng: Rng) -> str | None:
    """One letter made a letter that the answer does not have."""
    if _HIDES.search(answer) or "\\{" in answer:
        return None
    found = _letters(answer)
    if not found:
        return None
    match = rng.choice(found)
    return _at(answer, *match.span(), next(letter for letter in "wvqz" if letter not in answer))


def _prime(answer: str, rng: Rng) -> str | None:
    if _HIDES.search(answer) or "\\{" in answer:
        return None
    found = _letters(answer)
    if not found:
        return None
    match = rng.choice(found)
    return _at(answer, match.end(), match.end(), "'")


def _word(answer: str, rng: Rng) -> str | None:
    for match in _TEXT.finditer(answer):
        word = match[1].strip()
        if word in _WORDS:
            return _at(answer, *match.span(1), _WORDS[word])
    return None


def _unit(answer: str, rng: Rng) -> str | None:
    for match in _TEXT.finditer(answer):
        word = match[1].strip()
        if word in _OTHER_UNIT:
            return _at(answer, *match.span(1), f" {_OTHER_UNIT[word]}")
    return None


def _relation(answer: str, rng: Rng) -> str | None:
    found = list(_RELATION.finditer(answer))
    if len(found) != 1:
        return None
    return _at(answer, *found[0].span(), _RELATIONS[found[0][0]] + " ")


def _item(answer: str, rng: Rng) -> str | None:
    """One of several numbers left out, made another, or two of a tuple exchanged."""
    match = re.fullmatch(r"(\(|\\\{|\[|)\s*(-?[0-9]+(?:\s*,\s*-?[0-9]+)+)\s*(\)|\\\}|\]|)", answer)
    if match is None or re.fullmatch(r"[0-9]{1,3}(?:,[0-9]{3})+", answer):
        return None
    items = re.split(r"\s*,\s*", match[2])
    if len(set(items)) < len(items):
        return None
    if match[1] == "(" and match[3] == ")" and rng.random() < 0.5:
        items = [*items[1:], items[0]]
    elif len(items) > 2 and rng.random() < 0.5:
        items = items[:-1]
    else:
        items = [*items[:-1], next(str(n) for n in range(50, 99) if str(n) not in items)]
    return f"{match[1]}{', '.join(items)}{match[3]}"


CHANGES: dict[str, Callable[[str, Rng], str | None]] = {
    "digit": _digit,
    "sign": _sign,
    "letter": _letter,
    "prime": _prime,
    "word": _word,
    "unit": _unit,
    "relation": _relation,
    "item": _item,
}


def _spaced(answer: str) -> str:
    return f"$ {answer} $"


def _upright(answer: str) -> str:
    return answer.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\frac", "\\dfrac")


def _loose(answer: str) -> str:
    return re.sub(r"\\left|\\right|\\!|\\displaystyle", "", re.sub(r",\\!\s*", "{,}", answer))


def _boxed_text(answer: str) -> str:
    return re.sub(r"\\text\{\s*(.*?)\s*\}", r"\\mbox{ \1 }", answer)


def _assigned(answer: str) -> str:
    return f"x = {answer}" if re.fullmatch(r"-?[0-9]+|\\frac\{[0-9]+\}\{[0-9]+\}", answer) else f"{answer}."


def _decimal(answer: str) -> str:
    return f"{answer}.0" if re.fullmatch(r"-?[0-9]+", answer) else answer.replace("+", " + ")


RESPELT: tuple[Callable[[str], str], ...] = (_spaced, _upright, _loose, _boxed_text, _assigned, _decimal)


def respelt(answer: str, rng: Rng) -> str:
    """Another usual spelling of the same answer."""
    for change in rng.sample(RESPELT, 2):
        answer = change(answer)
    return answer


_KINDS = (
    ("matrices", r"\\begin"),
    ("unions", r"\\cup"),
    ("relations", r"[=<>]|\\leq?|\\geq?|\\ne|\\in"),
    ("sets", r"^\\?\s*\{|\\\{"),
    ("tuples and intervals", r"^\s*(?:\\left\s*)?[(\[].*,.*[)\]]$"),
    ("lists", r",(?!\d{3}(?:\D|$))(?!\\)"),
    ("percents", r"%"),
    ("degrees", r"\\circ"),
    ("money", r"\\\$"),
    ("words and units", r"\\text|\\mbox|[a-zA-Z]{4,}(?<!frac)(?<!sqrt)"),
    ("radicals", r"\\sqrt"),
    ("pi", r"\\pi"),
    ("bases", r"\d_"),
    ("polynomials", r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])"),
    ("fractions", r"\\[dt]?frac|/"),
    ("decimals", r"\."),
    ("integers", r"^-?[0-9,{}!\\ ]+$"),
)


def kind(answer: str) -> str:
    """The shape of a ground truth, for a table."""
    return next((name for name, pattern in _KINDS if re.search(pattern, answer)), "other")
