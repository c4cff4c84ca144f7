"""Words and runs of words of a text, for what compares texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# A sign of mathematics counts as a word, so that formulas are compared, too; LaTeX's marks do not.
_WORD = re.compile(r"[^\W_]{1,100}|[+\-=<>^/|!%±×÷≤≥≠∈√∫∑]")


def wording(text: str) -> list[str]:
    """The words, numbers and signs of a text in lower case, punctuation and markup left out."""
    return _WORD.findall(text.casefold())


def ngrams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """All runs of `n` words, in order."""
    return zip(*(words[at:] for at in range(n)), strict=False)


def covered(marked: Sequence[bool], n: int) -> int:
    """How many words lie in at least one marked run; `marked[i]` is the run of `n` words from word i."""
    count = until = 0
    for at, mark in enumerate(marked):
        if mark:
            count += at + n - max(at, until)
            until = at + n
    return count


def longest(marked: Sequence[bool], n: int) -> int:
    """How many words the longest stretch of marked runs covers; 0 without any."""
    best = here = 0
    for mark in marked:
        here = here + 1 if mark else 0
        best = max(best, here)
    return best + n - 1 if best else 0


def around(text: str, part: str) -> tuple[str, str] | None:
    """What stands before and after the words of `part` in `text`, in lower case; None: they are not there.

    Words are compared as `wording` gives them. The work is linear in the two texts.
    """
    text = text.casefold()
    places = list(_WORD.finditer(text))
    words, wanted = [place[0] for place in places], wording(part)
    found = f" {' '.join(words)} ".find(f" {' '.join(wanted)} ") if wanted else -1
    if found < 0:
        return None
    first = f" {' '.join(words)} ".count(" ", 0, found + 1) - 1
    last = first + len(wanted) - 1
    return text[: places[first].start()], text[places[last].end() :]
