"""Values as they are typed: one meaning in all commands, whether Hydra reads them or not.

`null` is no value, `[a,b]` a list, `'a b'` a text. A text that Hydra's grammar cannot read, or would read as
something else (2026_11, 1e3, true, a path with spaces or brackets), is the text that was typed, and a list of
texts needs no brackets. In a sweep commas stand between its cells.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from omi_core.options import leaves

_PLAIN = re.compile(r"[^'\"\[\](){}\\]*")  # where every comma is one between words
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.S)


def in_grammar(argument: str, schema: type, sweep: bool = False) -> str:
    """An argument NAME=VALUE as Hydra has to be given it, so that it means what it says."""
    key, equals, value = argument.partition("=")
    name = key.lstrip("+")
    kinds = _kinds(schema)
    kind = kinds.get(name)
    if not equals:
        return argument
    for option, one in kinds.items():
        if one == "mapping" and (name == option or name.startswith(f"{option}.")):
            readable = name == option or _read(value) is not None or value == "null"
            # It takes any key; Hydra would want a plus before those that it does not know yet.
            return f"++{name}={value if readable else quoted(value)}"
    if value == "null" or kind is None:
        return argument
    if sweep and _PLAIN.fullmatch(value):
        return f"{key}={','.join(_cell(word, kind) for word in value.split(','))}"
    if sweep and _is_sweep(value):
        return argument
    return f"{key}={_cell(value, kind)}"


def _cell(value: str, kind: str) -> str:
    """One value of a text or of a list of texts."""
    if kind == "text":
        return value if isinstance(_read(value), str) else quoted(value)
    found = _read(value)
    if isinstance(found, list) and all(isinstance(item, str) for item in found):
        return value
    return f"[{','.join(map(quoted, _items(value)))}]"


def typed(text: str, default: Any) -> Any:
    """A value as `in_grammar` has Hydra read it, for an option of that default; nothing is converted.

    Numbers and truth values are the schema's business, which takes them as texts.
    """
    if text == "null":
        return None
    if isinstance(default, list):
        return _items(text)
    return _unquoted(text)


def _items(text: str) -> list[str]:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return [_unquoted(item.strip()) for item in _split(inner) if item.strip()]


def _split(text: str) -> list[str]:
    """The pieces between commas that stand in no quotes."""
    pieces, start, at = [], 0, 0
    while at < len(text):
        found = _QUOTED.match(text, at) if at == start or text[at - 1] in ", " else None
        if found:
            at = found.end()
            continue
        if text[at] == ",":
            pieces.append(text[start:at])
            start = at + 1
        at += 1
    return [*pieces, text[start:]]


def _unquoted(text: str) -> str:
    if not _QUOTED.fullmatch(text):
        return text
    quote = text[0]
    return text[1:-1].replace(f"\\{quote}", quote)


def quoted(text: str) -> str:
    """A text in quotes, as Hydra's grammar reads it back."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text, Quote.single).with_quotes()


def written(value: Any) -> str:
    """A value as YAML has it, in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{written(item)}" for key, item in value.items()) + "}"
    text = str(value)
    plain = text.replace("_", "").isalnum() and text.isascii() and text[0].isalpha()
    if plain and text.lower() not in ("null", "true", "false", "nan", "inf"):
        return text  # the name of a group's choice
    return quoted(text)


def word(key: str, value: Any) -> str:
    """`KEY=VALUE` in Hydra's grammar, for a value as YAML has it."""
    plus = "+" if key == "cluster" and isinstance(value, str) else ""
    return f"{plus}{key}={written(value)}"


def _read(value: str) -> Any:
    """What Hydra's grammar makes of a value; None where it cannot read it, a sweep where there are cells."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(f"x={value}").value()
    except HydraException:
        return None


def _is_sweep(value: str) -> bool:
    from hydra.core.override_parser.types import Sweep

    return isinstance(_read(value), Sweep)


@cache
def _kinds(schema: type) -> dict[str, str]:
    """Options by name: those that are a text, a list of texts or a mapping; others are Hydra's to read."""
    kinds: dict[str, str] = {}
    for name, value, option in leaves(schema()):
        if option.type in ("str", "str | None"):
            kinds[name] = "text"
        elif option.type == "list[str]":
            kinds[name] = "list"
        elif isinstance(value, dict):
            kinds[name] = "mapping"
    return kinds
