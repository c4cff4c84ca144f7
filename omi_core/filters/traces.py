"""Filters on what was thought before a solution: too long, or going round in circles."""

from __future__ import annotations

from omi_core.filters.filter import Example, Option
from omi_core.filters.length import MaxTokens
from omi_core.filters.repetition import RepeatedNgrams
from omi_core.records import Candidate
from omi_core.text.tokens import BYTES

_TEN = "one two three four five six seven eight nine ten"


class MaxReasoningTokens(MaxTokens):
    """Drops solutions whose thinking has more tokens, special ones not counted."""

    name = "max_reasoning_tokens"
    option = Option.limit(None, "longest thinking, in tokens; null: off")
    position = 92
    reason = "what does not fit the training window"
    examples = (
        Example("5", "5", reasoning="12345678", options={"limit": 8, "tokenizer": BYTES}),
        Example("5", None, reasoning="123456789", options={"limit": 8, "tokenizer": BYTES}),
        Example("123456789", "123456789", options={"limit": 8, "tokenizer": BYTES}),
    )

    def texts(self, row: Candidate) -> tuple[str, ...]:
        return (row.reasoning or "",)


class RepeatedReasoning(RepeatedNgrams):
    """Drops solutions whose thinking has a larger share of words in runs of 10 that repeat an earlier run."""

    name = "repeated_reasoning"
    option = Option.share(
        None, "largest share of the words of thinking in runs of 10 that repeat an earlier run; null: off"
    )
    position = 125
    examples = (
        Example("5", None, reasoning=f"{_TEN}. Wait: {_TEN}.", options={"share": 0.1}),
        Example("5", "5", reasoning=f"{_TEN}. Wait: it is five.", options={"share": 0.1}),
        Example(f"{_TEN} {_TEN}", f"{_TEN} {_TEN}", options={"share": 0.1}),
    )

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if self.passes(row.reasoning or "") else None
