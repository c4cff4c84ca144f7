"""Chat messages as training takes them: what a row of a file must be to stand in a mixture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omi_core.inputs import Row, one_text, only_item
from omi_core.text.reasoning import joined

_SPEAKERS = ("user", "assistant")
_THOUGHT = ("reasoning_content", "thinking")
# Columns that may hold the final answer; the first that a row has counts.
ANSWERS = ("answer", "expected_answer")


def fault(row: Row) -> str | None:
    """Why a row is no conversation to train on, in a word or two; None when it is one.

    Messages begin with the system or the user, then user and assistant take turns, and the assistant ends. No
    text is blank. An answer is a text or a number, or there is none.
    """
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return "no_messages"
    if not all(isinstance(item, Mapping) for item in messages):
        return "not_a_message"
    roles = [item.get("role") for item in messages]
    if any(role not in ("system", *_SPEAKERS) for role in roles):
        return "unknown_role"
    if not all(isinstance(item.get("content"), str) and item["content"].strip() for item in messages):
        return "empty_message"
    turns = roles[1:] if roles[0] == "system" else roles
    if any(role != _SPEAKERS[at % 2] for at, role in enumerate(turns)):
        return "not_alternating"
    if len(turns) % 2 or not turns:
        return "no_reply"
    if not isinstance(answer_of(row), str | None):
        return "answer_not_text"
    return None


def inline(message: Row) -> Row:
    """A message with what was thought before it in its content, between tags: a mixture has no key for it."""
    thought = next((message[key] for key in _THOUGHT if isinstance(message.get(key), str)), None)
    return message if thought is None else {**message, "content": joined(thought, message["content"])}


def answer_of(row: Row) -> Any:
    """The text or number in the column of the answer, None where it is blank or not there; else what is."""
    value = only_item(next((row[name] for name in ANSWERS if name in row), None))
    text = one_text(value)
    return value if text is None else text if text.strip() else None
