"""Where a text may be cut, from the best place to the worst: each level cuts a span into smaller units.

A unit is a span whose end holds the white space behind it, so the units of a level follow each other without
a gap. The work of each level is linear in the span.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge

from omi_core.text.formulas import Span

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_LINE = re.compile(r"\n\s*")
_BLANK = re.compile(r"\s+")
# Closing marks may follow the full stop. Scripts without blanks have full stops of their own.
_SENTENCE = re.compile(r"(?<![.!?…])[.!?…]{1,8}[\"'’”)\]}*_]{0,8}(?=\s)\s+|[。！？]{1,8}[」』”）]{0,4}\s*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[])(?:e\.g|i\.e|cf|vs|resp|approx|etc|viz|al|Dr|Mr|Mrs|Ms|Prof|St|Fig|Figs|Eq|Eqs|Sec|Ch"
    r"|Thm|Lem|Prop|Cor|Def|Ex|Ref|Refs|No|Vol|pp|[A-Z])\.$"
)
_LIST_NUMBER = re.compile(r"(?:^|\n)\s{0,8}\(?(?:\d{1,3}|[a-zA-Z])\)?\.$")


def paragraphs(text: str, span: Span, formulas: Sequence[Span]) -> Iterator[Span]:
    """Units that end at blank lines."""
    return _outside(_PARAGRAPH, text, span, formulas)


def sentences(text: str, span: Span, formulas: Sequence[Span]) -> Iterator[Span]:
    """Units that end at a full stop, question or exclamation mark; a formula may hold it: `$$ x = 1. $$`."""
    behind = _after_formulas(text, span, formulas)
    found = merge(_SENTENCE.finditer(text, *span), behind, key=lambda match: match.end())
    ends = (m.end() for m in found if not inside(m.start(), formulas) and _ends_sentence(text, m))
    return _cut(span, ends)


def lines(text: str, span: Span, formulas: Sequence[Span]) -> Iterator[Span]:
    """Units that end at line ends."""
    return _outside(_LINE, text, span, formulas)


def words(text: str, span: Span, formulas: Sequence[Span]) -> Iterator[Span]:
    """Words; one that holds or touches a formula takes it along whole."""
    return _outside(_BLANK, text, span, formulas)


def edges(text: str, span: Span, formulas: Sequence[Span]) -> Iterator[Span]:
    """Formulas apart from what touches them."""
    return _cut(span, (at for formula in _within(formulas, span) for at in formula))


def pieces(text: str, span: Span, formulas: Sequence[Span]) -> Iterator[Span]:
    """Units that end at blanks, in formulas and out of them."""
    return _outside(_BLANK, text, span, ())


def characters(text: str, span: Span, formulas: Sequence[Span]) -> Iterator[Span]:
    """Single characters."""
    return ((at, at + 1) for at in range(*span))


# A formula is torn from `pieces` on.
Level = Callable[[str, Span, Sequence[Span]], Iterator[Span]]
LEVELS: tuple[Level, ...] = (paragraphs, sentences, lines, words, edges, pieces, characters)


def _outside(pattern: re.Pattern[str], text: str, span: Span, formulas: Sequence[Span]) -> Iterator[Span]:
    """Units that end where the pattern matches outside formulas."""
    found = pattern.finditer(text, *span)
    return _cut(span, (match.end() for match in found if not inside(match.start(), formulas)))


def _cut(span: Span, ends: Iterable[int]) -> Iterator[Span]:
    """The span in units that end at those of the places, in order, that lie inside."""
    start, end = span
    for at in ends:
        if start < at < end:
            yield start, at
            start = at
    if start < end:
        yield start, end


def inside(at: int, formulas: Sequence[Span]) -> bool:
    """Does a formula hold the character at `at`?"""
    number = bisect_right(formulas, (at, sys.maxsize)) - 1
    return number >= 0 and at < formulas[number][1]


def _within(formulas: Sequence[Span], span: Span) -> Sequence[Span]:
    """The formulas that overlap the span."""
    first = bisect_left(formulas, (span[0], 0))
    if first and formulas[first - 1][1] > span[0]:
        first -= 1
    return formulas[first : bisect_left(formulas, (span[1], 0))]


def _after_formulas(text: str, span: Span, formulas: Sequence[Span]) -> Iterator[re.Match[str]]:
    r"""The blanks behind formulas whose last sign is a full stop, as displays have it: `\[ x = 1. \]`."""
    for a, b in _within(formulas, span):
        if b < span[1] and (match := _BLANK.match(text, b, span[1])):
            inner = text[max(a, b - 40) : b].rstrip("$\\])`~ \n")
            if inner.endswith((".", "?", "!")):
                yield match


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    """Not behind an abbreviation, an initial or a list item's number, nor where a small letter follows."""
    if text[match.end() : match.end() + 1].islower():
        return False
    marks = match.group().rstrip()
    if marks != ".":
        return True
    before = text[max(0, match.start() - 12) : match.start() + 1]
    return not _ABBREVIATION.search(before) and not _LIST_NUMBER.search(before)
