"""Which conversations and which raw chunks make up a mixture with a given share of raw text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

RAW = "raw"  # the style of raw text


class Text(Protocol):
    """What is mixed."""

    @property
    def style(self) -> str: ...

    @property
    def tokens(self) -> int: ...


AnyText = TypeVar("AnyText", bound=Text)


class MixChooser:
    """Chooses chunk by chunk, so that in the end `share` (above 0, below 1) of all tokens is raw text.

    While the share so far is not above, the chunk's raw text is taken; while it is, conversations of it are,
    each of the style that has given the fewest rows so far, of several the first. So the share is off by
    one text's tokens at most, and the styles are used alike. No text is taken twice.
    """

    def __init__(self, share: float, styles: Sequence[str]) -> None:
        self._share = share
        self._used = dict.fromkeys(styles, 0)
        self._raw = self._total = 0

    def choose(self, raw: AnyText, conversations: Sequence[AnyText]) -> list[AnyText]:
        """What is taken of a chunk, the raw text first if it is."""
        taken: list[AnyText] = []
        left, raw_left = list(conversations), True
        while True:
            short = self._raw <= self._share * self._total
            if short and raw_left:
                text, raw_left = raw, False
                self._raw += raw.tokens
            elif left and not short:
                text = min(left, key=lambda each: self._used[each.style])
                left.remove(text)
                self._used[text.style] += 1
            else:
                return sorted(taken, key=lambda each: each is not raw)
            self._total += text.tokens
            taken.append(text)
