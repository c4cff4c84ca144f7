"""The filter on conversations that are too short to say anything."""

from __future__ import annotations

from collections.abc import Sequence

from omi_core.filters.base import Example, Filter
from omi_core.filters.length import BYTES, TokenCounter, at_least
from omi_core.records import Candidate

# So many texts are counted at a time.
_BATCH = 1024


class MinTokens(Filter):
    """Drops conversations of fewer than `limit` tokens, special tokens not counted.

    `tokenizer` is as for `max_tokens`. A text of more than 64 bytes per token is long enough uncounted.
    50 is a third party's reading of Nemotron-MIND (arXiv 2410.12881).
    """

    name = "min_tokens"
    examples = (
        Example("1234567", None, options={"limit": 8, "tokenizer": BYTES}),
        Example("12345678", "12345678", options={"limit": 8, "tokenizer": BYTES}),
        Example("éééé", "éééé", options={"limit": 8, "tokenizer": BYTES}),
        Example(" 1 \n" * 2, None, options={"limit": 8, "tokenizer": BYTES}),
    )

    def __init__(self, tokenizer: str, limit: int = 50) -> None:
        self.limit = at_least("min_tokens.limit", limit, 1)
        self._count = TokenCounter(tokenizer, "min_tokens.tokenizer")

    def apply(self, rows: Sequence[Candidate]) -> list[Candidate | None]:
        keep: list[Candidate | None] = []
        most = self.limit * self._count.bytes_per_token
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            # What is cut off is beyond any doubt: the count must only tell too short from long enough.
            texts = [row.solution.strip()[:most] for row in batch]
            counted = zip(batch, self._count(texts), strict=True)
            keep += [row if tokens >= self.limit else None for row, tokens in counted]
        return keep
