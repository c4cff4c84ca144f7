"""The chat form of a row, for supervised fine-tuning: `messages` of user and assistant, and the answer.

A chat line is cut out of the canonical line of its row and pasted together, byte for byte: nothing is
decoded, and nothing can come out escaped otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omi_core.publish.rows import texts

if TYPE_CHECKING:
    import pyarrow as pa


def chat_columns(answer: str) -> tuple[str, ...]:
    """The columns of the chat form, in order, that of the answer named as given."""
    return ("messages", answer, "problem_source")


def messages_type() -> pa.DataType:
    """A list of `role` and `content`."""
    import pyarrow as pa

    return pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))


def chat_schema(answer: str) -> pa.Schema:
    """Columns `messages` (a list of `role` and `content`), the answer as it is called, `problem_source`."""
    import pyarrow as pa

    messages, *others = chat_columns(answer)
    return pa.schema(
        [
            pa.field(messages, messages_type(), nullable=False),
            *(pa.field(name, pa.string(), nullable=False) for name in others),
        ]
    )


def chat_line(line: bytes, answer: str) -> bytes:
    """The chat form of a canonical line, newline included."""
    problem, solution, expected, source = texts(line)
    return (
        b'{"messages":[{"role":"user","content":%b},{"role":"assistant","content":%b}],"%b":%b,'
        b'"problem_source":%b}\n' % (problem, solution, answer.encode(), expected, source)
    )
