"""The columns of a published row, and its one canonical JSON line.

Everything that counts bytes (a part's checksum, the dataset's content hash, the key of the global dedupe)
counts the bytes of this line, so it must not depend on who wrote the row or in which order the keys came.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

DTYPES: dict[type, str] = {str: "string", int: "int64", float: "float64", bool: "bool", list: "list"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column's type and meaning, the same in every task that has it."""

    type: type
    about: str
    nullable: bool = True


COLUMNS: dict[str, Column] = {
    "problem": Column(str, "the problem as given to the teacher", nullable=False),
    "generated_solution": Column(str, "the teacher's solution", nullable=False),
    "expected_answer": Column(
        str, "the ground truth or, where the input has none, the majority answer", nullable=False
    ),
    "problem_source": Column(str, "where the problem comes from", nullable=False),
    "text": Column(str, "the conversation, or in `mix` also the raw text", nullable=False),
    "style": Column(str, "how the prompt asked for it: the style of the text", nullable=False),
    "document_id": Column(str, "the document that the text was made from", nullable=False),
    "chunk_id": Column(str, "its chunk: the document's id, a colon and the chunk's number", nullable=False),
    "tokens": Column(int, "tokens of the text, as the chunks were counted", nullable=False),
    "question": Column(str, "the question of the test set", nullable=False),
    "test_set": Column(str, "the test set", nullable=False),
    "test_index": Column(int, "index of the question in it, from 0", nullable=False),
    "contaminated": Column(bool, "whether the judge said yes, in either order", nullable=False),
    "score": Column(float, "how near the question is: the cosine of the embeddings", nullable=False),
    "messages": Column(list, "who says what: `role` and `content` of each message", nullable=False),
    "answer": Column(str, "the final answer, where the input has one"),
    "forward": Column(str, "what the judge said of problem and question: yes, no, or null if neither"),
    "backward": Column(str, "what it said with the two in the other order"),
    "source": Column(str, "where the document, or the conversation, is from"),
    "seed_problem": Column(str, "the problem that this one was made from"),
    "record_id": Column(str, "content hash of the input record"),
    "sample": Column(int, "index of the generation among those of its record"),
    "votes": Column(int, "generations of the record whose answer equals `expected_answer`"),
    "voters": Column(int, "generations of the record that gave an answer"),
    "agreement": Column(float, "votes / voters"),
    "solution_tokens": Column(int, "tokens the teacher generated for the solution"),
    "teacher": Column(str, "the model that wrote it"),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a task's rows: `required` ones first, then any of the `optional` ones in this order.

    The first `key` columns make a row the same as another one; the first alone says which rows belong
    together. With `normalised` they are compared after `normal_text`, which is for one column only.
    """

    task: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    key: int
    normalised: bool = False
    _key_end: bytes = field(init=False, repr=False)
    _group_end: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, after in (("_key_end", self.key), ("_group_end", 1)):
            object.__setattr__(self, name, b',"%b":' % self.required[after].encode())

    def columns(self, optional: Iterable[str] = ()) -> tuple[str, ...]:
        """The required columns, then the given optional ones in their fixed order. Raises ValueError."""
        wanted = set(optional)
        unknown = wanted - set(self.optional)
        if unknown:
            raise ValueError(f"unknown column {min(unknown)!r}; known are {', '.join(self.optional)}")
        return self.required + tuple(name for name in self.optional if name in wanted)

    def by_problem(self) -> Schema:
        """The same columns, where one row of each problem is enough."""
        return replace(self, key=1, normalised=True)

    def duplicate_key(self, line: bytes) -> bytes:
        """The part of a canonical line that holds the first `key` columns, and determines them.

        Inside a JSON string a quote always follows a backslash, so the first `,"NEXT":` is the next key.
        """
        key = line[: line.index(self._key_end)]
        if not self.normalised:
            return key
        return normal_text(next(iter(orjson.loads(key + b"}").values()))).encode()

    def group_key(self, line: bytes) -> bytes:
        """The part of a canonical line that determines its first column."""
        return line[: line.index(self._group_end)]


SOLUTIONS = Schema(
    "solutions",
    ("problem", "generated_solution", "expected_answer", "problem_source"),
    ("record_id", "sample", "votes", "voters", "agreement", "solution_tokens", "teacher"),
    key=2,
)
PROBLEMS = Schema(
    "problems",
    ("problem", "problem_source"),
    ("style", "seed_problem", "record_id", "sample", "teacher"),
    key=1,
    normalised=True,
)
DIALOGUES = Schema(
    "dialogues",
    ("text", "style", "document_id", "chunk_id", "tokens"),
    ("source", "sample", "teacher"),
    key=2,
)
VERDICTS = Schema(
    "verdicts",
    ("problem", "question", "test_set", "test_index", "score", "forward", "backward", "contaminated"),
    ("record_id", "teacher"),
    key=4,
)
# No task makes them: they are mixed out of chat messages of any origin.
MIXTURE = Schema("mixture", ("messages", "answer", "source"), (), key=1)
SCHEMAS = {schema.task: schema for schema in (SOLUTIONS, PROBLEMS, DIALOGUES, VERDICTS, MIXTURE)}
PUBLISHED = SOLUTIONS.required


def normal_text(text: str) -> str:
    """`text` for comparing it: Unicode NFKC, without case, white space as single blanks."""
    return " ".join(unicodedata.normalize("NFKC", clean_text(text)).casefold().split())


def column_types(columns: Iterable[str]) -> dict[str, type]:
    """Column name -> type, in the order given; ValueError for a column that is not known."""
    columns = tuple(columns)
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; known are {', '.join(COLUMNS)}")
    return {name: COLUMNS[name].type for name in columns}


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

    Raises ValueError naming the column when one is
    missing, unknown or of another type, or holds a number that JSON or a 64-bit column cannot.
    """
    if row.keys() != types.keys():
        name = min(row.keys() ^ types.keys())
        raise ValueError(f"row: column {name!r} is {'missing' if name in types else 'not one of the part'}")
    if tuple(row) == tuple(types) and all(map(_plain, row.values(), types.values())):
        try:
            return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:  # a lone surrogate
            pass
    clean = {name: _checked(name, row[name], kind) for name, kind in types.items()}
    return orjson.dumps(clean, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any, kind: type[Any]) -> bool:
    """Whether orjson writes the value as it is: no None, no list, no number that JSON cannot hold."""
    if type(value) is not kind:
        return False
    if kind is int:
        return -(1 << 63) <= value < 1 << 63
    return kind is str or (kind is float and math.isfinite(value))


def _checked(name: str, value: Any, kind: type[Any]) -> Any:
    if kind is str and type(value) is str:
        return clean_text(value)
    if kind is bool and type(value) is bool:
        return value
    if kind is list and isinstance(value, list):
        return [_message(name, item) for item in value]
    if value is None and COLUMNS[name].nullable:
        return None
    if kind is int and type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value
    if kind is float and isinstance(value, int | float) and type(value) is not bool and math.isfinite(value):
        return float(value)
    raise ValueError(
        f"row: column {name!r} must be {DTYPES[kind]}, not {str(value)[:40]!r} ({type(value).__name__})"
    )


def _message(name: str, item: Any) -> dict[str, str]:
    """A message as `role` and `content`, in this order, and nothing else."""
    if not isinstance(item, Mapping) or not all(type(item.get(key)) is str for key in ("role", "content")):
        raise ValueError(f"row: column {name!r} must hold texts `role` and `content`, not {str(item)[:40]!r}")
    return {key: clean_text(item[key]) for key in ("role", "content")}


_MIDDLE = b',"generated_solution":'
_KEY_END = b',"expected_answer":'
_SOURCE = b',"problem_source":'
_AFTER = re.compile(b',"(?:%b)":' % "|".join(SOLUTIONS.optional).encode())


def texts(line: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The four required columns of a solution's line, each as the JSON string that stands there.

    They are first in every line, in this order; no string can hold what ends it (see `Schema.duplicate_key`).
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
