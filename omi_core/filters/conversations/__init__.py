"""The heuristic filter of conversations: one small class per criterion, each with its own count.

A candidate's `problem` is the chunk, its `solution` the conversation made from it.

chain = conversation_chain(Conversations(tokenizer="tokenizer.json"))
kept = chain.apply(candidates)
chain.counts()
"""

from __future__ import annotations

from typing import Any

from omi_core.dialogue_options import Conversations
from omi_core.filters.base import Filter
from omi_core.filters.chain import FilterChain, build
from omi_core.filters.conversations.copying import CopiedRun, CopiedShare
from omi_core.filters.conversations.ending import MidSentence
from omi_core.filters.conversations.language import English
from omi_core.filters.conversations.length import MinTokens
from omi_core.filters.conversations.manners import PromptTalk, Refusal
from omi_core.filters.conversations.repetition import RepeatedLines
from omi_core.filters.conversations.turns import MinSpeakers, MinTurns, StripPreamble
from omi_core.filters.length import Unfinished
from omi_core.filters.repetition import RepeatedNgrams
from omi_core.options import ConfigError
from omi_core.text.tokens import BYTES

__all__ = ["CONVERSATION_FILTERS", "conversation_chain", "conversation_filters"]

# The order in which they run. A refusal is counted as such, though it is short and has no turns.
CONVERSATION_FILTERS: dict[str, type[Filter]] = {
    cls.name: cls
    for cls in (
        Unfinished,
        StripPreamble,
        Refusal,
        PromptTalk,
        MinTokens,
        MinTurns,
        MinSpeakers,
        MidSentence,
        English,
        RepeatedLines,
        RepeatedNgrams,
        CopiedRun,
        CopiedShare,
    )
}
_LIMITS = {
    "min_tokens": "limit",
    "min_turns": "limit",
    "min_speakers": "limit",
    "english": "share",
    "repeated_lines": "share",
    "repeated_ngrams": "share",
    "copied_run": "limit",
    "copied_share": "share",
}


def conversation_filters(options: Conversations) -> dict[str, dict[str, Any]]:
    """The filters that the options turn on, as `filters.build` takes them."""
    out: dict[str, dict[str, Any]] = {}
    for name in CONVERSATION_FILTERS:
        value = getattr(options, name)
        if name not in _LIMITS:
            if value:
                out[name] = {}
        elif value is not None:
            out[name] = {_LIMITS[name]: value}
    if "min_tokens" in out:
        out["min_tokens"]["tokenizer"] = options.tokenizer or BYTES
    return out


def conversation_chain(options: Conversations) -> FilterChain:
    """The chain of these filters.

    Raises:
        ConfigError: the tokenizer is not there, or is none.
    """
    try:
        return build(conversation_filters(options), known=CONVERSATION_FILTERS)
    except ValueError as error:
        raise ConfigError(f"conversations: {error}") from error
