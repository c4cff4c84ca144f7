"""The filter on conversations whose lines repeat each other, whoever says them."""

from __future__ import annotations

from omi_core.filters import repetition
from omi_core.filters.base import Example
from omi_core.filters.conversations.turns import turns

_SAME = "It is the very same line as before."


class RepeatedLines(repetition.RepeatedLines):
    """Drops conversations of whose lines more than `share` stand there before, whoever says them."""

    examples = (
        *repetition.RepeatedLines.examples,
        Example(f"Ann: {_SAME}\nBob: {_SAME}\nAnn: Really?", None),
        Example(
            f"Ann: {_SAME}\nBob: {_SAME}\nAnn: Oh.\nBob: Yes.",
            f"Ann: {_SAME}\nBob: {_SAME}\nAnn: Oh.\nBob: Yes.",
        ),
        Example("Ann: Yes.\n5\n5\n5\n5\nBob: No.", "Ann: Yes.\n5\n5\n5\n5\nBob: No."),
    )

    def lines(self, text: str) -> list[str]:
        labels = {turn.start: turn.words for turn in turns(text)}
        said: list[str] = []
        start = 0
        for line in text.splitlines(keepends=True):
            said.append(text[labels.get(start, start) : start + len(line)].strip().casefold())
            start += len(line)
        return said
