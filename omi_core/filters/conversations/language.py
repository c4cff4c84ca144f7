"""The filter on the language: English is expected, and py3langid says how likely it is.

A text is judged stretch by stretch, so that one that slips into another language half-way is found. How this
compares with other ways is measured by `tests/bench/languages.py`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from omi_core.filters.filter import Example, Option, RowFilter, kept
from omi_core.records import Candidate
from omi_core.text.formulas import formulas

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# Nigerian Pidgin, which short English is taken for, and what is no language: sums, code.
_NOT_FOREIGN = frozenset(("en", "pcm", "zxx"))
_EXPECTED = 3
"""How much likelier English is than any other language before a word is read: it was asked for."""
_STRETCH = 240
# One or two Greek letters are a symbol, wherever they stand.
_SYMBOL = re.compile(r"(?<![\u0370-\u03ff\u1f00-\u1fff])[\u0370-\u03ff]{1,2}(?![\u0370-\u03ff\u1f00-\u1fff])")


class English(RowFilter):
    """Drops conversations with a smaller probability of English in a stretch of 240 characters, beside the
    likeliest other language.

    Formulas and Greek symbols do not count.
    """

    name = "english"
    section = "conversations"
    option = Option.share(
        0.12, "least probability of English, beside the likeliest other language", ge=None, gt=0, late=False
    )
    position = 90
    reason = "[measured](measurements.md#which-texts-are-english)"
    _ENGLISH = (
        "Ann: What is the sum of the first ten numbers?\nBob: It is 55, as you can see if you pair them."
    )
    _GERMAN = (
        "Anna: Was ist die Summe der ersten zehn Zahlen?\nBernd: Sie ist fünfundfünfzig, wie man sieht, wenn "
        "man immer zwei Zahlen zusammenfasst und dann alle Paare zählt."
    )
    _FRENCH = (
        "Anne : Quelle est la somme des dix premiers nombres ?\nBob : Elle vaut cinquante-cinq, comme on le "
        "voit quand on les regroupe par deux et que l'on compte les paires."
    )
    _CHINESE = "学生：前十个数的和是多少？\n老师：把它们两两配对，就可以看出是五十五。"
    examples = (
        Example(_GERMAN, None),
        Example(_FRENCH, None),
        Example(_CHINESE, None),
        Example(_ENGLISH * 6 + _GERMAN * 5, None),
        Example(_ENGLISH * 6 + _GERMAN, None),
        Example("Anna: Wie groß ist die Summe?", None),
        *kept(_ENGLISH, "Ann: $\\alpha$ or Ω?", "Ann: α + β + γ = π.", "Ann: 5 + 5 = 10."),
        Example("Ann: 5 + 5 = 10.", None, options={"share": 0.99}),
    )

    def __init__(self, share: float = 0.12) -> None:
        self.share = share

    def solution_after(self, row: Candidate) -> str | None:
        likely = all(english(stretch) >= self.share for stretch in _stretches(_prose(row.solution)))
        return row.solution if likely else None


def english(text: str) -> float:
    """The probability that a text without formulas is English, were there only its likeliest rival."""
    mine, other = 0.0, 0.0
    for language, probability in _identifier().rank(text):
        if language in _NOT_FOREIGN:
            mine += _EXPECTED * probability
        else:
            other = max(other, probability)
    return mine / (mine + other)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _prose(text: str) -> str:
    parts, start = [], 0
    for a, b in formulas(text):
        parts.append(text[start:a])
        start = b
    words = _SYMBOL.sub(" ", " ".join([*parts, text[start:]])).split()
    return " ".join(words)


def _stretches(text: str) -> list[str]:
    """The text in pieces of 240 characters, the last of up to 479."""
    stops = [*range(_STRETCH, len(text) - _STRETCH + 1, _STRETCH), len(text)]
    return [text[a:b] for a, b in zip([0, *stops[:-1]], stops, strict=True)]
