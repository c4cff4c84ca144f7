r"""Units that follow a number: one spelling for each, and exact factors between those of one dimension.

`unit("square centimeters")` and `unit("cm^2")` are the same thing. Words that are not listed (`apples`,
`ways`) are units of their own, known only by their spelling: two different ones cannot be compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Unit:
    """`dimension` is a name such as "length" with its power; None where only the spelling is known."""

    spelling: str
    dimension: tuple[str, int] | None = None
    factor: Fraction = Fraction(1)


# dimension: spellings -> factor to the dimension's base unit (exact by definition of the units)
_TABLE: dict[str, list[tuple[str, Fraction]]] = {
    "length": [
        ("m meter metre", Fraction(1)),
        ("mm millimeter millimetre", Fraction(1, 1000)),
        ("cm centimeter centimetre", Fraction(1, 100)),
        ("km kilometer kilometre", Fraction(1000)),
        ("in inch inche", Fraction(254, 10_000)),
        ("ft foot feet", Fraction(3048, 10_000)),
        ("yd yard", Fraction(9144, 10_000)),
        ("mi mile", Fraction(1609_344, 1000)),
    ],
    "time": [
        ("s sec second", Fraction(1)),
        ("min minute", Fraction(60)),
        ("h hr hour", Fraction(3600)),
        ("day", Fraction(86_400)),
        ("wk week", Fraction(604_800)),
    ],
    "mass": [("g gram", Fraction(1)), ("mg milligram", Fraction(1, 1000)), ("kg kilogram", Fraction(1000))],
    "pound": [("lb pound", Fraction(1)), ("oz ounce", Fraction(1, 16))],
    "volume": [("l liter litre", Fraction(1)), ("ml milliliter millilitre", Fraction(1, 1000))],
    "dollar": [("$ dollar usd", Fraction(1)), ("¢ cent", Fraction(1, 100))],
    "euro": [("€ euro eur", Fraction(1))],
    "sterling": [("£ gbp", Fraction(1))],
    "angle": [("° degree deg", Fraction(1))],
    "speed": [
        ("m/s", Fraction(1)),
        ("km/h kph kmh", Fraction(1000, 3600)),
        ("mph", Fraction(1609_344, 3_600_000)),
        ("ft/s", Fraction(3048, 10_000)),
    ],
    "celsius": [("°c", Fraction(1))],
    "fahrenheit": [("°f", Fraction(1))],
    "length unit": [("unit", Fraction(1))],
    "month": [("month", Fraction(1)), ("yr year", Fraction(12))],
}
_KNOWN = {
    spelling: (dimension, factor)
    for dimension, rows in _TABLE.items()
    for spellings, factor in rows
    for spelling in spellings.split()
}
_PHRASES = {
    "miles per hour": "mph", "miles/hour": "mph", "mi/h": "mph",
    "mi/hr": "mph", "kilometers per hour": "km/h", "km per hour": "km/h",
    "km/hr": "km/h", "kilometers/hour": "km/h", "meters per second": "m/s",
    "m/sec": "m/s", "meters/second": "m/s", "feet per second": "ft/s",
    "feet/second": "ft/s", "ft/sec": "ft/s", "degrees celsius": "°c",
    "degree celsius": "°c", "celsius": "°c", "° celsius": "°c",
    "° c": "°c", "degrees fahrenheit": "°f", "degree fahrenheit": "°f",
    "fahrenheit": "°f", "° fahrenheit": "°f", "° f": "°f",
    "$ dollars": "$", "$ dollar": "$", "$ usd": "$",
}  # fmt: skip
# Words behind a number that make another number, or a statement, of it. A phrase with one is not a unit.
NOT_UNITS = frozenset(
    "hundred hundreds thousand thousands million millions billion billions trillion trillions dozen "
    "dozens score half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths "
    "seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths thousandth "
    "thousandths millionth millionths percent percents percentage more less fewer most least over under "
    "above below times time's not no non mod modulo remainder squared cubed negative minus plus of out to "
    "through between or and factorial base th st nd rd about approximately around greater smaller larger "
    "off discount increase decrease increased decreased up down divided multiplied "
    "than except choose power root pi one two three four five six seven eight nine ten pm am a.m p.m".split()
)
MULTIPLIERS = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
}  # fmt: skip
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}

# Bare words (not in \text{}) that are units when they follow a number; single letters are variables there.
BARE_UNITS = frozenset(word for word in _KNOWN if len(word) >= 2) | {
    word + "s" for word in _KNOWN if len(word) > 2
}


def _singular(word: str) -> str:
    if word in _KNOWN:
        return word
    return word[:-1] if word.endswith("s") and word[:-1] in _KNOWN else word


@lru_cache(maxsize=4096)
def unit(text: str) -> Unit:
    """The unit that lower-case `text` names, e.g. "cm^2", "square inches", "dollars", "miles per hour".

    Capitals are kept where they are all that tells `M` from `m`."""
    text = re.sub(r"\s+", " ", re.sub(r"[.{}]", "", text)).strip()
    text = _PHRASES.get(text, text)
    words = text.split(" ")
    exponent = 1
    if len(words) == 2 and words[0] in _POWERS:
        exponent, words = _POWERS[words[0]], words[1:]
    match = re.fullmatch(r"([^^]*[^^ ]) ?\^ ?([23])", " ".join(words))
    if match and exponent == 1:
        exponent, words = int(match[2]), match[1].split(" ")
    name = _singular(words[0]) if len(words) == 1 else ""
    if name in _KNOWN:
        dimension, factor = _KNOWN[name]
        return Unit(text, (dimension, exponent), factor**exponent)
    return Unit(text[:-1] if text.endswith("s") else text)
