"""What stands in a cell: the value at a column, and the one text, problem or answers that it means.

Nothing here is written by `str()` of a container: a list of one is its element, and what cannot be a text is
refused by name, with its place and the beginning of what is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from omi_core.inputs.numbers import Number
from omi_core.inputs.skipped import BadRow
from omi_core.options import did_you_mean

_ITEM = re.compile(r"-?[0-9]{1,9}")
_SHOWN = 60  # characters of a value in a message
_FORMS = ({"role": None, "content": None}, {"from": None, "value": None})
_ASKING, _ANSWERING = ("user", "human"), ("assistant", "gpt")


def head(column: str) -> str:
    """The column of the file in which a.b lies."""
    return column.partition(".")[0]


def cell(row: Mapping[str, Any], column: str, where: str, key: str) -> Any:
    """The value at `column`; a.b reaches inside when there is no column of that very name, a.0 into a list.

    Raises:
        BadRow: no such column, naming those there are; or no such item.
    """
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and _ITEM.fullmatch(part) and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, list) and _ITEM.fullmatch(part):
            raise BadRow(
                "missing_column",
                where,
                f"{key}={column}: {where} has no item {part} there, but a list of {len(value)}",
            )
        else:
            names = [str(name) for name in row]
            raise BadRow(
                "missing_column",
                where,
                f"{key}={column}: {where} has no such column{did_you_mean(column, names)}; "
                f"it has {', '.join(names[:12]) or 'none'}",
            )
    return value


def only_item(value: Any) -> Any:
    """What a list of one holds, at any depth; anything else, and a list of messages, as it is."""
    while isinstance(value, list) and len(value) == 1 and not is_messages(value):
        value = value[0]
    return value


def one_text(value: Any) -> str | None:
    """A text, or a number as it stands, as a text; None for anything else, such as NaN.

    A whole number reaches Python as one only where nothing of its spelling is lost.
    """
    if isinstance(value, str) or type(value) is int:
        return str(value)
    return None


def problem_text(value: Any, where: str, key: str) -> str:
    """The problem in a cell, without white space at its ends; of a list of chat messages the last user turn.

    "" where the cell is empty. Raises BadRow: it holds neither a text nor such a list.
    """
    if type(value) is str:  # nearly always
        return value.strip()
    value = only_item(value)
    if is_messages(value):
        value = last_turn(value, _ASKING)
    elif value is None or value == []:
        return ""
    if isinstance(value, str) and not isinstance(value, Number):
        return value.strip()
    raise BadRow(
        "not_a_problem",
        where,
        f"{key}: {where} holds {described(value)}; a problem is a text, or chat messages with one of a user",
    )


def is_messages(value: Any) -> bool:
    """Whether it is a list of chat messages: `role` and `content`, or `from` and `value`."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(item, Mapping) and any(one.keys() <= item.keys() for one in _FORMS) for item in value
        )
    )


def last_answer(value: Any) -> Any:
    """The last turn of the assistant where the value is a list of chat messages; else the value itself."""
    return last_turn(value, _ANSWERING) if is_messages(value) else value


def last_turn(messages: list[Any], roles: tuple[str, ...]) -> Any:
    """The content of the last message by one of `roles`, its parts of text joined; else the value itself."""
    for item in reversed(messages):
        role, content = ("role", "content") if "role" in item else ("from", "value")
        if item[role] in roles:
            return _joined(item[content])
    return messages


def _joined(content: Any) -> Any:
    """A content that is a list of parts, as of models that also take pictures, as one text if it can be."""
    if not isinstance(content, list):
        return "" if content is None else content
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    return "\n".join(texts) if all(isinstance(text, str) for text in texts) else content  # type: ignore[arg-type]


def described(value: Any) -> str:
    """A value for a message: what it is, and how it begins."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        kind = "a mapping"
    elif is_messages(value):
        kind = "chat messages"
    elif isinstance(value, list):
        kind = f"a list of {len(value)}"
    elif isinstance(value, Number | int | float):
        kind = "the number"
    else:
        kind = "a text" if isinstance(value, str) else f"a value of type {type(value).__name__}"
    return f"{kind} {_beginning(value)}"


def _beginning(value: Any) -> str:
    try:
        text = str(value) if isinstance(value, Number | float) else json.dumps(value, ensure_ascii=False)
    except (RecursionError, TypeError, ValueError):
        text = str(type(value).__name__) if isinstance(value, list | dict) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
