"""How a generation ended: the words of engines, servers and files, and which of them mean a sample."""

from __future__ import annotations

from typing import Any

# "eos_token" and "stop_sequence" are the words of Hugging Face's TGI, "model_length" is Mistral's, "end_turn"
# and "max_tokens" are Anthropic's. vLLM ends a text that goes round in circles with "repetition": the same
# seed would end it there again, so it is a sample, cut off as by a token limit.
_FINISHED = {
    **dict.fromkeys(("stop", "eos", "eos_token", "stop_sequence", "end_turn"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "repetition"), "length"),
}

# Of a sample whose thinking never came to an answer: no word of an engine.
UNCLOSED = "unclosed"

# Stands in a journal in place of a sample that adaptive sampling does not draw: its key is settled.
UNNEEDED = "unneeded"


def finished(word: Any) -> str | None:
    """How a sample of this finish reason ended, "stop" or "length" (a limit); None: it is not finished.

    Not finished is what was aborted, failed or kept back ("abort", "error", "content_filter", "tool_calls"),
    what says nothing, and what says a word that is not known: half a text must not pass for a whole one.
    """
    return _FINISHED.get(word.lower()) if isinstance(word, str) else None
