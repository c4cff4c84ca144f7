"""Numbers as they stand in the input: text, so that nothing of them is lost on the way through a float.

JSON's own spelling is kept: `1.50`, `1e400` and 3**50 stay what they are. A parquet file has no
spelling: there a float is the shortest text that its own type reads back, so 0.1 of 32 bits is 0.1, and a
decimal has the digits of its scale.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import pyarrow as pa

# Up to here every whole number is a float of this many bits.
_ALL_WHOLE = {16: 2**11, 32: 2**24, 64: 2**53}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Number(str):
    """The text of a number, told apart from a text that looks like one."""

    __slots__ = ()


def _whole(text: str) -> int | float:
    """Longer ones take time that grows with the square of their length, so Python refuses them."""
    return int(text) if len(text) <= 4000 else float(text)


# Both take NaN and Infinity, which are no JSON; but Python and pandas write them.
_PLAIN = json.JSONDecoder(parse_int=_whole)
_EXACT = json.JSONDecoder(parse_int=Number, parse_float=Number)


def decode(line: bytes, *, exactly: bool) -> Any:
    """The value of a line of JSON that orjson may refuse; NaN and infinities are floats.

    Numbers are `Number`s, or else Python's own. Lone surrogates, which JSON can hold, stay in the texts, and
    bytes that are not UTF-8 become such.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return (_EXACT if exactly else _PLAIN).decode(line.decode("utf-8", "surrogateescape"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_inexact(value: Any, line: bytes) -> bool:
    """Whether a value that orjson read out of a line may have lost how its numbers are spelled."""
    minus_zero = b"-0" in line
    return any(type(leaf) is float or minus_zero and leaf == 0 for leaf in _leaves(value))


def is_rounded(value: Any) -> bool:
    """Whether there is a float in a value from 2**53 on, where not every whole number has one of its own."""
    return any(type(leaf) is float and 2**53 <= abs(leaf) < math.inf for leaf in _leaves(value))


def is_broken_text(value: Any) -> bool:
    """Whether there is a lone surrogate in a value, at any depth, or in a key."""
    return any(
        type(leaf) is str and not leaf.isascii() and _SURROGATE.search(leaf) for leaf in _leaves(value)
    )


def _leaves(value: Any) -> Iterator[Any]:
    """What a value of JSON is made of, keys included; however deep it is."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value)
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        else:
            yield value


def needs_types(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type hold numbers of which Python's own form is not the whole truth."""
    import pyarrow.types as types

    if types.is_floating(kind) or types.is_decimal(kind):
        return True
    if types.is_dictionary(kind):
        return needs_types(kind.value_type)
    return any(needs_types(kind.field(at).type) for at in range(kind.num_fields))


def typed(value: Any, kind: pa.DataType) -> Any:
    """A value of an Arrow type, as `to_pylist` gives it, with its numbers as `Number`s.

    NaN and infinities stay floats; the entries of a map stay as they are.
    """
    import pyarrow.types as types

    if value is None:
        return None
    if isinstance(value, float):
        return float_text(value, kind.bit_width) if math.isfinite(value) else value
    if isinstance(value, Decimal):
        return Number(format(value, "f"))
    if types.is_dictionary(kind):
        return typed(value, kind.value_type)
    if isinstance(value, dict):
        return {field.name: typed(value[field.name], field.type) for field in kind}
    if isinstance(value, list) and not types.is_map(kind):
        return [typed(item, kind.value_type) for item in value]  # type: ignore[attr-defined]
    return value


def float_text(value: float, bits: int = 64) -> Number:
    """The shortest text of a finite float of this many bits, without `.0` at its end."""
    import numpy as np

    if value.is_integer() and 0 < abs(value) <= _ALL_WHOLE[bits]:
        return Number(int(value))
    text = repr(value) if bits == 64 else str({16: np.float16, 32: np.float32}[bits](value))
    return Number(text.removesuffix(".0"))


def json_form(row: Any) -> bytes:
    """A row as a line of JSON, newline included, its `Number`s as they stood; what JSON lacks becomes text.

    Raises TypeError: a text holds a lone surrogate.
    """
    return orjson.dumps(
        row, default=_as_it_stood, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_SUBCLASS
    )


def _as_it_stood(value: Any) -> Any:
    return orjson.Fragment(str(value).encode()) if isinstance(value, Number) else str(value)
