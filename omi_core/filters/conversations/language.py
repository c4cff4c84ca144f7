"""The filter on the language: English is expected, by the share of its commonest words.

The words chosen make up a quarter to a half of running English and few of the words of any other language.
A text is judged stretch by stretch, so that one that slips into another language half-way is found.
"""

from __future__ import annotations

import re
import unicodedata

from omi_core.filters.base import Example, Option, RowFilter, share_of
from omi_core.records import Candidate
from omi_core.text.formulas import formulas

_COMMON = frozenset(
    """the of and to is that it for we this with you are be as have not by what how can which if but let at
    from there where when they one all would right your each so on or our i my your was has do does get then
    because these than know that's it's let's i'm yes here also about use think in an""".split()
)
# LaTeX's commands are matched to be left out.
_WORD = re.compile(r"\\?[^\W\d_]+(?:['’][^\W\d_]{1,3})?")
_STRETCH = 60
_FEWEST = 25
_MOST_FOREIGN = 0.1


class English(RowFilter):
    """Drops conversations with a smaller share of common English words in a stretch of 60 words, or with a
    tenth of its letters in another script.

    Formulas do not count; texts of under 25 words are not judged by their words. Greek is no other script.
    """

    name = "english"
    section = "conversations"
    option = Option(
        "float | None",
        0.12,
        "smallest share of common English words among the words",
        "share",
        gt=0,
        le=1,
        late=False,
    )
    position = 90
    reason = "[measured](measurements.md#filters-on-text-that-people-wrote)"
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
        Example(_ENGLISH, _ENGLISH),
        Example("Ann: $\\alpha$ or Ω?", "Ann: $\\alpha$ or Ω?"),
        Example("Ann: 5 + 5 = 10.", "Ann: 5 + 5 = 10."),
        Example(_ENGLISH * 2, None, options={"share": 0.9}),
    )

    def __init__(self, share: float = 0.12) -> None:
        self.share = share_of("english.share", share)

    def solution_after(self, row: Candidate) -> str | None:
        text = _prose(row.solution)
        if _foreign_letters(text) > _MOST_FOREIGN:
            return None
        words = _WORD.findall(text.casefold().replace("’", "'"))
        words = [word for word in words if not word.startswith("\\")]
        return row.solution if least_share(words) >= self.share else None


def least_share(words: list[str]) -> float:
    """The share of common words in the stretch where it is least; 1 for too few words."""
    if len(words) < _FEWEST:
        return 1.0
    common = [word in _COMMON for word in words]
    stops = [*range(_STRETCH, len(words) - _STRETCH + 1, _STRETCH), len(words)]
    starts = [0, *stops[:-1]]
    return min(sum(common[a:b]) / (b - a) for a, b in zip(starts, stops, strict=True))


def _prose(text: str) -> str:
    parts, start = [], 0
    for a, b in formulas(text):
        parts.append(text[start:a])
        start = b
    return " ".join([*parts, text[start:]])


def _foreign_letters(text: str) -> float:
    """The share of letters that are neither Latin nor Greek."""
    if text.isascii():
        return 0.0
    letters = foreign = 0
    for char in text:
        if char.isascii():
            letters += char.isalpha()
        elif char.isalpha():
            letters += 1
            foreign += not unicodedata.name(char, "").startswith(("LATIN", "GREEK", "MATHEMATICAL", "SCRIPT"))
    return foreign / letters if letters else 0.0
