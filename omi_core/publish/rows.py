"""The columns of a published row, and its one canonical JSON line.

Everything that counts bytes (a part's checksum, the dataset's content hash, the key of the global dedupe)
counts the bytes of this line, so it must not depend on who wrote the row or in which order the keys came.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

PUBLISHED: tuple[str, ...] = ("problem", "generated_solution", "expected_answer", "problem_source")

# Optional columns, in the order in which they are written; any subset may be present.
PROVENANCE: dict[str, type] = {
    "record_id": str,
    "sample": int,
    "votes": int,
    "voters": int,
    "agreement": float,
    "solution_tokens": int,
    "teacher": str,
}

ABOUT: dict[str, str] = {
    "problem": "the problem as given to the teacher",
    "generated_solution": "the teacher's solution",
    "expected_answer": "the ground truth or, where the input has none, the majority answer",
    "problem_source": "where the problem comes from",
    "record_id": "content hash of the input record",
    "sample": "index of the generation among those of its record",
    "votes": "generations of the record whose answer equals `expected_answer`",
    "voters": "generations of the record that gave an answer",
    "agreement": "votes / voters",
    "solution_tokens": "tokens the teacher generated for the solution",
    "teacher": "the model that wrote the solution",
}

DTYPES: dict[type, str] = {str: "string", int: "int64", float: "float64"}

_MIDDLE = b',"generated_solution":'
_KEY_END = b',"expected_answer":'
_SOURCE = b',"problem_source":'
_AFTER = re.compile(b',"(?:%b)":' % "|".join(PROVENANCE).encode())


def column_types(columns: Iterable[str]) -> dict[str, type]:
    """Column name -> str, int or float, in the order given; ValueError for a column that is not known."""
    known: dict[str, type] = dict.fromkeys(PUBLISHED, str) | PROVENANCE
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; known are {', '.join(known)}")
    return {name: known[name] for name in columns}


def all_columns(provenance: Iterable[str]) -> tuple[str, ...]:
    """The four published columns, then the given optional ones in their fixed order."""
    wanted = set(provenance)
    unknown = wanted - PROVENANCE.keys()
    if unknown:
        raise ValueError(f"unknown provenance column {min(unknown)!r}; known are {', '.join(PROVENANCE)}")
    return PUBLISHED + tuple(name for name in PROVENANCE if name in wanted)


def clean_text(text: str) -> str:
    """`text` as UTF-8 can hold it: a lone surrogate becomes U+FFFD, two halves become their character.

    Model output reaches Python through JSON, where `"\\ud83d"` alone is legal; Parquet, tokenizers and
    UTF-8 files all refuse it.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def encode_row(row: Mapping[str, Any], types: Mapping[str, type]) -> bytes:
    """The canonical line of `row`, newline included; `types` gives its columns in order (`column_types`).

    The four published columns are strings and never null; the others may be null. Raises ValueError
    naming the column when one is missing, unknown or of another type, or holds a number that JSON or a
    64-bit column cannot.
    """
    if row.keys() != types.keys():
        name = min(row.keys() ^ types.keys())
        raise ValueError(f"row: column {name!r} is {'missing' if name in types else 'not one of the part'}")
    clean = {name: _checked(name, row[name], kind) for name, kind in types.items()}
    return orjson.dumps(clean, option=orjson.OPT_APPEND_NEWLINE)


def _checked(name: str, value: Any, kind: type[Any]) -> Any:
    if kind is str and type(value) is str:
        return clean_text(value)
    if value is None and name in PROVENANCE:
        return None
    if kind is int and type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value
    if kind is float and isinstance(value, int | float) and type(value) is not bool and math.isfinite(value):
        return float(value)
    raise ValueError(
        f"row: column {name!r} must be {DTYPES[kind]}, not {str(value)[:40]!r} ({type(value).__name__})"
    )


def duplicate_key(line: bytes) -> bytes:
    """The part of a canonical line that holds problem and solution, and determines them.

    Inside a JSON string a quote always follows a backslash, so the first `,"expected_answer":` is the key.
    """
    return line[: line.index(_KEY_END)]


def problem_key(line: bytes) -> bytes:
    """The part of a canonical line that determines its problem."""
    return line[: line.index(_MIDDLE)]


def texts(line: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The four published columns of a canonical line, each as the JSON string that stands there.

    They are first in every line, in this order; no string can hold what ends it (see `duplicate_key`).
    """
    begin = len(b'{"problem":')
    solution = line.index(_MIDDLE, begin)
    answer = line.index(_KEY_END, solution)
    source = line.index(_SOURCE, answer)
    after = _AFTER.search(line, source + len(_SOURCE))
    return (
        line[begin:solution],
        line[solution + len(_MIDDLE) : answer],
        line[answer + len(_KEY_END) : source],
        line[source + len(_SOURCE) : after.start() if after else line.rindex(b"}")],
    )
