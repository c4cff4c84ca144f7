"""Tokens of prompts that begin alike: the examples in front of a question are turned into tokens once."""

from __future__ import annotations

import re
from collections.abc import Callable
from os.path import commonprefix

MISSES = 8
"""After so many starts that the next prompt did not share, prompts are taken not to begin alike."""


class PromptStarts:
    """Encodes rendered prompts; what a prompt shares with those before it is not encoded again.

    A tokenizer splits a text at its control tokens before all else, so the tokens of a text that is cut in
    front of one are those of both parts. That is not taken on trust: of each start, the first prompt is also
    encoded whole, and where the tokens differ all are encoded whole from then on.
    """

    def __init__(self, encode: Callable[[str], list[int]], controls: re.Pattern[str]) -> None:
        self._encode, self._controls = encode, controls
        self._before = ""
        # What is encoded already, and the same with the control token behind it.
        self._start, self._upto = "", ""
        self._tokens: list[int] = []
        self._missed = 0

    def tokens(self, text: str) -> list[int]:
        """The token ids of a prompt as the template made it."""
        if self._missed > MISSES:
            return self._encode(text)
        if self._start and text.startswith(self._upto):
            self._missed = 0
            return self._tokens + self._encode(text[len(self._start) :])
        whole = self._encode(text)
        self._look_for_start(text, whole)
        self._before = text
        return whole

    def _look_for_start(self, text: str, whole: list[int]) -> None:
        if not self._before:
            return
        self._missed += 1
        shared = commonprefix([self._before, text])
        cuts = list(self._controls.finditer(shared))
        self._start, self._upto = (shared[: cuts[-1].start()], shared[: cuts[-1].end()]) if cuts else ("", "")
        self._tokens = self._encode(self._start) if self._start else []
        if self._start and self._tokens + self._encode(text[len(self._start) :]) != whole:
            self._missed = MISSES + 1
