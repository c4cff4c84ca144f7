"""Filters on length: conversations that were cut off, or are too short to say anything."""

from __future__ import annotations

from collections.abc import Sequence

from omi_core.filters import length
from omi_core.filters.filter import Example, Filter, Option, kept
from omi_core.records import Candidate
from omi_core.text.tokens import BYTES, TokenCounter

# This many texts are counted at a time.
_BATCH = 1024
# Characters per token of the beginning that is counted first, and tokens that the cut at its end may change.
_CHARACTERS = 8
_MARGIN = 16


class Unfinished(length.Unfinished):
    """Drops conversations that ended at a token limit."""

    section = "conversations"
    option = Option("bool", True, "drop conversations cut off by a token limit", late=False)
    before_answers = False
    reason = "the paper"


class MinTokens(Filter):
    """Drops conversations of fewer tokens, by `conversations.tokenizer` (null: the teacher's own).

    `tokenizer` is as for `max_tokens`. A text of more than 64 bytes per token is long enough uncounted.
    """

    name = "min_tokens"
    section = "conversations"
    option = Option.limit(50, "shortest conversation, in tokens", late=False)
    position = 50
    reason = "a third party's reading of the paper"
    examples = (
        Example("1234567", None, options={"limit": 8, "tokenizer": BYTES}),
        *kept("12345678", "éééé", options={"limit": 8, "tokenizer": BYTES}),
        Example(" 1 \n" * 2, None, options={"limit": 8, "tokenizer": BYTES}),
    )

    def __init__(self, tokenizer: str, limit: int = 50) -> None:
        self.limit = limit
        self._count = TokenCounter(tokenizer, "min_tokens.tokenizer")

    def apply(self, rows: Sequence[Candidate]) -> list[Candidate | None]:
        keep: list[Candidate | None] = []
        most = self.limit * self._count.bytes_per_token
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            # The count must only tell too short from long enough, for which the beginning mostly suffices.
            texts = [row.solution.strip() for row in batch]
            tokens = self._count([text[: self.limit * _CHARACTERS] for text in texts])
            unsure = [
                at
                for at, text in enumerate(texts)
                if tokens[at] < self.limit + _MARGIN and len(text) > self.limit * _CHARACTERS
            ]
            whole = self._count([texts[at][:most] for at in unsure])
            for at, count in zip(unsure, whole, strict=True):
                tokens[at] = count
            keep += [row if tokens[at] >= self.limit else None for at, row in enumerate(batch)]
        return keep
