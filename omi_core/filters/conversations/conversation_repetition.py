"""The filters on conversations that repeat themselves, in lines, whoever says them, or in runs of words."""

from __future__ import annotations

from omi_core.filters import repetition
from omi_core.filters.conversations.turns import turns
from omi_core.filters.filter import Example, Option, kept

_SAME = "It is the very same line as before."


class RepeatedLines(repetition.RepeatedLines):
    """Drops conversations with a larger share of lines that repeat an earlier one, whoever says them."""

    section = "conversations"
    option = Option.share(
        0.3, "largest share of lines that repeat an earlier one (Gopher, arXiv 2112.11446)", late=False
    )
    position = 100
    reason = "[Gopher](https://arxiv.org/abs/2112.11446), table A1"
    examples = (
        *repetition.RepeatedLines.examples,
        Example(f"Ann: {_SAME}\nBob: {_SAME}\nAnn: Really?", None),
        *kept(f"Ann: {_SAME}\nBob: {_SAME}\nAnn: Oh.\nBob: Yes.", "Ann: Yes.\n5\n5\n5\n5\nBob: No."),
    )

    def lines(self, text: str) -> list[str]:
        labels = {turn.start: turn.words for turn in turns(text)}
        said: list[str] = []
        start = 0
        for line in text.splitlines(keepends=True):
            said.append(text[labels.get(start, start) : start + len(line)].strip().casefold())
            start += len(line)
        return said


class RepeatedNgrams(repetition.RepeatedNgrams):
    """Drops conversations with a larger share of words in runs of 10 that repeat an earlier run."""

    section = "conversations"
    option = Option.share(
        0.1, "largest share of words in runs of 10 that repeat an earlier run (Gopher)", late=False
    )
    position = 110
    reason = "Gopher, table A1"
