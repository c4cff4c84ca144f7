"""Filters on length: too many tokens or words, too few characters, cut off by the token limit."""

from __future__ import annotations

from collections.abc import Sequence

from omi_core.filters.filter import Example, Filter, Option, RowFilter, dropped
from omi_core.records import Candidate, Sample
from omi_core.text.tokens import BYTES, TokenCounter

_BATCH = 64  # texts counted at once; of a text of bytes each is a token, and takes many times its size


class Unfinished(RowFilter):
    """Drops solutions that ended at a token limit."""

    name = "unfinished"
    option = Option("bool", True, "drop solutions cut off by a token limit", late=False)
    position = 10
    before_answers = True
    reason = "half a solution teaches to stop anywhere"
    examples = (
        Example("So the answer is \\boxed{5}", None, finish_reason="length"),
        Example("So the answer is \\boxed{5}.", "So the answer is \\boxed{5}."),
    )

    def may_vote(self, sample: Sample) -> bool:
        return sample.finish_reason != "length"

    def solution_after(self, row: Candidate) -> str | None:
        return None if row.finish_reason == "length" else row.solution


class MinChars(RowFilter):
    """Drops solutions of fewer characters, white space at the ends not counted; 0 is off."""

    name = "min_chars"
    option = Option("int", 0, "shortest solution, in characters; 0: off", "limit", off=0, ge=0, late=False)
    position = 70
    reason = "a bare answer explains nothing"
    examples = (
        Example("", "", options={"limit": 0}),
        *dropped("\\boxed{5}", "   \\boxed{5}\n\n", options={"limit": 10}),
        Example("2+3=\\boxed{5}", "2+3=\\boxed{5}", options={"limit": 10}),
    )

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if len(row.solution.strip()) >= self.limit else None


class MaxWords(RowFilter):
    """Drops solutions of more words, split at white space. AceMath (arXiv 2412.15084): 2,500."""

    name = "max_words"
    option = Option.limit(None, "longest solution, in words; null: off")
    position = 80
    reason = "endless solutions are mostly lost ones"
    examples = (
        Example("one two\n three", "one two\n three", options={"limit": 3}),
        Example("one two\n three 4", None, options={"limit": 3}),
        Example("word " * 2501, None),
    )

    def __init__(self, limit: int = 2500) -> None:
        self.limit = limit

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if len(row.solution.split()) <= self.limit else None


def _size(text: str) -> int:
    """In bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


class MaxTokens(Filter):
    """Drops rows whose problem or whose solution has more tokens, special ones not counted.

    `tokenizer` is the path of a Hugging Face `tokenizer.json`, or "bytes" to take each UTF-8 byte for a
    token. A token is at least a byte, so only texts of more than `limit` bytes are tokenized. Raises
    ValueError when the file is not a tokenizer.
    """

    name = "max_tokens"
    option = Option.limit(1024, "longest problem and longest solution, in tokens; null: off", late=False)
    position = 90
    reason = "what does not fit the training window"
    examples = (
        Example("12345678", "12345678", problem="123", options={"limit": 8, "tokenizer": BYTES}),
        Example("123456789", None, problem="123", options={"limit": 8, "tokenizer": BYTES}),
        Example("123", None, problem="123456789", options={"limit": 8, "tokenizer": BYTES}),
        Example("ééééé", None, problem="123", options={"limit": 8, "tokenizer": BYTES}),
    )

    def __init__(self, tokenizer: str, limit: int = 1024) -> None:
        self.limit = limit
        self._count = TokenCounter(tokenizer, "max_tokens.tokenizer")

    def apply(self, rows: Sequence[Candidate]) -> list[Candidate | None]:
        keep: list[Candidate | None] = list(rows)
        unsure: list[tuple[int, str]] = []
        for at, row in enumerate(rows):
            long = [text for text in self.texts(row) if _size(text) > self.limit]
            if not long:
                continue
            if max(map(_size, long)) > self.limit * self._count.bytes_per_token:
                keep[at] = None
            else:
                unsure += [(at, text) for text in long]
        for start in range(0, len(unsure), _BATCH):
            batch = unsure[start : start + _BATCH]
            counts = self._count([text for _, text in batch])
            for (at, _), tokens in zip(batch, counts, strict=True):
                if tokens > self.limit:
                    keep[at] = None
        return keep

    def texts(self, row: Candidate) -> tuple[str, ...]:
        """What is counted, each by itself."""
        return (row.problem, row.solution)
