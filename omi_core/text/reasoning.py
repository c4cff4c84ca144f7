"""What a model thinks before it answers, parted from the answer by the tags around it."""

from __future__ import annotations

from collections.abc import Sequence

TAGS = ("<think>", "</think>")
# OpenAI's harmony format (gpt-oss): channels in place of tags, and what ends one before the other begins.
_CHANNEL_END = "<|end|><|start|>assistant"


def part(text: str, tags: Sequence[str] = TAGS, opened: bool = False) -> tuple[str | None, str | None]:
    """(reasoning, answer) of a text, without the tags and the white space around them.

    The answer is what follows the last closing tag. It is None where the thinking was never closed, and the
    reasoning None where there is no thinking. `opened`: the prompt ends with the opening tag, so the text
    begins inside. A text that closes what it never opened is taken for one that began inside, too.
    """
    opening, closing = tags
    end = text.rfind(closing)
    if end >= 0 and text.rfind(opening) < end + len(closing):
        trace = text[:end].lstrip().removeprefix(opening).strip()
        return trace.removesuffix(_CHANNEL_END).rstrip(), text[end + len(closing) :].lstrip()
    if opened or opening in text:
        return text.lstrip().removeprefix(opening).strip(), None
    return None, text


def inside(prompt: str, tags: Sequence[str] = TAGS) -> bool:
    """Whether a prompt ends with the opening tag, so that the model goes on thinking at once."""
    return prompt.rstrip().endswith(tags[0])


def joined(reasoning: str, text: str, tags: Sequence[str] = TAGS) -> str:
    """Reasoning and answer in one text, as chat templates of thinking models write it."""
    opening, closing = tags
    return f"{opening}\n{reasoning}\n{closing}\n\n{text}"
