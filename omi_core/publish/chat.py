"""The chat form of a row, for supervised fine-tuning: `messages` of user and assistant, and the answer.

A chat line is cut out of the canonical line of its row and pasted together, byte for byte: nothing is
decoded, and nothing can come out escaped otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from omi_core.publish.publish_options import Publish
from omi_core.publish.rows import texts

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ChatForm:
    """What the column of the answer is called, and the key of a message that holds thinking, if any does."""

    answer: str
    reasoning: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the chat form, in order."""
        return ("messages", self.answer, "problem_source")

    def schema(self) -> pa.Schema:
        """The columns and their types."""
        import pyarrow as pa

        messages, *others = self.columns
        return pa.schema(
            [
                pa.field(messages, messages_type(self.reasoning), nullable=False),
                *(pa.field(name, pa.string(), nullable=False) for name in others),
            ]
        )

    def line(self, line: bytes) -> bytes:
        """The chat form of a canonical line, newline included.

        What is thought is null for the user, as in Parquet: every message has the same keys.
        """
        problem, solution, expected, source = texts(line)
        asked = thought = b""
        if self.reasoning is not None:
            trace = orjson.dumps(orjson.loads(line)["reasoning"])
            asked, thought = (b',"%b":%b' % (self.reasoning.encode(), value) for value in (b"null", trace))
        return (
            b'{"messages":[{"role":"user","content":%b%b},{"role":"assistant","content":%b%b}],"%b":%b,'
            b'"problem_source":%b}\n'
            % (problem, asked, solution, thought, self.answer.encode(), expected, source)
        )


def chat_form(options: Publish, columns: Sequence[str]) -> ChatForm | None:
    """The form that the options ask for, of rows of these columns."""
    if options.chat is None:
        return None
    return ChatForm(options.chat, options.reasoning_key if "reasoning" in columns else None)


def messages_type(reasoning: str | None = None) -> pa.DataType:
    """A list of `role` and `content`, and of what was thought where it has a key."""
    import pyarrow as pa

    keys = ["role", "content", *([] if reasoning is None else [reasoning])]
    return pa.list_(pa.struct([pa.field(key, pa.string()) for key in keys]))
