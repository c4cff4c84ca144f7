"""Options of the dialogues task: which conversations stay.

The defaults are those of Nemotron-MIND (arXiv 2410.12881) where it is known what it did; at least 50
tokens a conversation are a third party's reading of the paper. The rest is said at each.
"""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.options import option


@dataclass
class Conversations:
    """The heuristic filter of conversations; null or false turns a criterion off."""

    tokenizer: str | None = option(None, "tokenizer.json that min_tokens counts with; null: the teacher's")
    unfinished: bool = option(True, "drop conversations cut off by a token limit")
    strip_preamble: bool = option(True, "cut an announcement before the first turn")
    min_tokens: int | None = option(50, "shortest conversation, in tokens", ge=1)
    min_turns: int | None = option(2, "fewest turns", ge=1)
    min_speakers: int | None = option(2, "fewest speakers", ge=1)
    refusal: bool = option(True, "drop conversations in which the teacher refuses")
    prompt_talk: bool = option(True, "drop conversations about the prompt or the given text as such")
    mid_sentence: bool = option(True, "drop conversations whose last sentence has no end")
    english: float | None = option(0.12, "least share of common English words among the words", gt=0, le=1)
    repeated_lines: float | None = option(
        0.3, "largest share of lines that stand there before (Gopher, arXiv 2112.11446)", ge=0, le=1
    )
    repeated_ngrams: float | None = option(
        0.1, "largest share of words in 10-grams that stand there before (Gopher)", ge=0, le=1
    )
    copied_run: int | None = option(100, "longest run of words that is copied from the chunk", ge=1)
    copied_share: float | None = option(
        0.5, "largest share of 8-grams of words that are copied from the chunk", ge=0, le=1
    )
