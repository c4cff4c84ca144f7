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
from typing import Any, get_args

import orjson

# `list` alone is one of messages.
DTYPES: dict[type, str] = {str: "string", int: "int64", float: "float64", bool: "bool", list: "list"}
DTYPES |= {kind: "list" for kind in (list[str], list[float], list[bool], list[list])}


@dataclass(frozen=True, slots=True)
class Column:
    """A column's type and meaning, the same in every task that has it.

    For Parquet: neighbours `repeat` each other, so that a dictionary saves space; and texts that are `long`
    have no statistics.
    """

    type: type
    about: str
    nullable: bool = True
    repeats: bool = False
    long: bool = False


COLUMNS: dict[str, Column] = {
    "problem": Column(str, "the problem as given to the teacher", nullable=False, repeats=True, long=True),
    "generated_solution": Column(str, "the teacher's solution", nullable=False, long=True),
    "expected_answer": Column(
        str,
        "the ground truth or, where the input has none, the majority answer",
        nullable=False,
        repeats=True,
        long=True,
    ),
    "problem_source": Column(str, "where the problem comes from", nullable=False, repeats=True, long=True),
    "style": Column(str, "how the prompt asked for it: the style of the text", nullable=False, repeats=True),
    "messages": Column(
        list, "who says what: `role` and `content` of each message", nullable=False, long=True
    ),
    "answer": Column(str, "the final answer, where the input has one", repeats=True, long=True),
    "source": Column(str, "where the document, or the conversation, is from", repeats=True),
    "record_id": Column(str, "content hash of the input record", repeats=True),
    "sample": Column(int, "index of the generation among those of its record"),
    "votes": Column(int, "generations of the record whose answer equals `expected_answer`"),
    "voters": Column(int, "generations of the record that gave an answer"),
    "agreement": Column(float, "votes / voters"),
    "score": Column(float, "a reward model's score of it, null: it has none"),
    "solution_tokens": Column(int, "tokens the teacher generated for the solution"),
    "teacher": Column(str, "the model that wrote it", repeats=True),
    "reasoning": Column(str, "what the teacher thought before the solution; null: nothing", long=True),
    "reasoning_tokens": Column(int, "tokens of that thinking"),
    "ground_truth": Column(
        str, "kept, or repaired: the majority's answer took its place; null: there is none", repeats=True
    ),
    "replaced_answer": Column(str, "the ground truth before it was repaired", repeats=True),
    "noise": Column(bool, "whether the solution was replaced by one that is wrong, or of another problem"),
    "pass_rate": Column(
        float, "share of the record's generations that are right; null: there is no ground truth"
    ),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a task's rows: `required` ones first, then any of the `optional` ones in this order.

    The first `key` columns make a row the same as another one; the first alone says which rows belong
    together. With `normalised` they are compared after `normal_text`, which is for one column only. `own` are
    the columns that only this task has; of rows that no task makes they may have names that a task has, too.
    """

    task: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    key: int
    normalised: bool = False
    own: Mapping[str, Column] = field(default_factory=dict, hash=False, repr=False)
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
    ("record_id", "sample", "votes", "voters", "agreement", "solution_tokens", "teacher")
    + ("reasoning", "reasoning_tokens", "pass_rate", "ground_truth", "replaced_answer", "score", "noise"),
    key=2,
)
# No task makes them: they are mixed out of chat messages of any origin.
MIXTURE = Schema("mixture", ("messages", "answer", "source"), (), key=1)
# Nor these, which `jobs.preferences` draws: several responses to a problem, as texts, messages or pairs.
_LISTS: dict[str, Column] = {
    "right": Column(list[bool], "of each response, whether its answer is the expected one", nullable=False),
    "answers": Column(list[str], "of each response, its final answer", nullable=False),
    "teachers": Column(list[str], "of each response, the model that wrote it", nullable=False),
    "scores": Column(list[float], "of each response, the score by which it was drawn", nullable=False),
}
_OF_LISTS = ("right", "answers", "teachers", "expected_answer", "problem_source")
RESPONSES = Schema(
    "preferences",
    ("problem", "responses", *_OF_LISTS),
    ("scores",),
    key=1,
    own={**_LISTS, "responses": Column(list[str], "right ones first, then wrong ones", nullable=False)},
)
CONVERSATIONS = Schema(
    "preference_messages",
    ("problem", "messages", *_OF_LISTS),
    ("scores",),
    key=1,
    own={
        **_LISTS,
        "messages": Column(
            list[list],
            "a conversation for each response, right ones first: the problem by `user`, it by `assistant`",
            nullable=False,
        ),
    },
)
PAIRS = Schema(
    "preference_pairs",
    ("prompt", "chosen", "rejected", "expected_answer", "problem_source"),
    ("score_chosen", "score_rejected", "teacher_chosen", "teacher_rejected"),
    key=3,
    own={
        "prompt": Column(list, "the problem, by `user`", nullable=False, long=True),
        "chosen": Column(list, "a right response, by `assistant`", nullable=False, long=True),
        "rejected": Column(list, "a wrong response, by `assistant`", nullable=False, long=True),
        "score_chosen": Column(float, "the score of the right one"),
        "score_rejected": Column(float, "the score of the wrong one"),
        "teacher_chosen": Column(str, "the model that wrote the right one", repeats=True),
        "teacher_rejected": Column(str, "the model that wrote the wrong one", repeats=True),
    },
)
PUBLISHED = SOLUTIONS.required
# What rows are where nothing says so.
DEFAULT_TASK = SOLUTIONS.task
# Those of all tasks that are known; see `register`.
SCHEMAS = {schema.task: schema for schema in (SOLUTIONS, MIXTURE, RESPONSES, CONVERSATIONS, PAIRS)}


def register(schema: Schema) -> None:
    """Makes a task's schema known, and its own columns. Raises ValueError on a clash.

    A column of another schema may have the same name and type, and mean another thing: see `columns_of`.
    """
    if SCHEMAS.setdefault(schema.task, schema) != schema:
        raise ValueError(f"there are two kinds of rows called {schema.task}")
    for name, column in schema.own.items():
        if COLUMNS.setdefault(name, column).type is not column.type:
            raise ValueError(f"column {name!r} is known with another type")


def normal_text(text: str) -> str:
    """`text` for comparing it: Unicode NFKC, without case, white space as single blanks."""
    return " ".join(unicodedata.normalize("NFKC", clean_text(text)).casefold().split())


def columns_of(task: str) -> dict[str, Column]:
    """Every column by its name, as rows of this kind have it."""
    return COLUMNS | dict(SCHEMAS[task].own) if task in SCHEMAS else COLUMNS


def column_types(columns: Iterable[str], task: str = DEFAULT_TASK) -> dict[str, type]:
    """Column name -> type, in the order given; ValueError for a column that is not known."""
    columns, known = tuple(columns), columns_of(task)
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; known are {', '.join(known)}")
    return {name: known[name].type for name in columns}


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
    values = row.values()
    if tuple(row) == tuple(types) and tuple(map(type, values)) == tuple(types.values()):
        if all([value.__class__ is str or _plain(value) for value in values]):
            try:
                return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
            except TypeError:  # a lone surrogate
                pass
    if row.keys() != types.keys():
        name = min(row.keys() ^ types.keys())
        raise ValueError(f"row: column {name!r} is {'missing' if name in types else 'not one of the part'}")
    clean = {name: _checked(name, row[name], kind) for name, kind in types.items()}
    return orjson.dumps(clean, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> bool:
    """Whether orjson writes a value that is not a text as it is: no list, no number that JSON cannot hold."""
    if type(value) is int:
        return -(1 << 63) <= value < 1 << 63
    return type(value) is float and math.isfinite(value)


def _checked(name: str, value: Any, kind: type[Any]) -> Any:
    if kind is str and type(value) is str:
        return clean_text(value)
    if kind is bool and type(value) is bool:
        return value
    if kind is list and isinstance(value, list):
        return [_message(name, item) for item in value]
    if isinstance(value, list) and (of := get_args(kind)):
        return [_checked(name, item, of[0]) for item in value]
    if value is None and (name not in COLUMNS or COLUMNS[name].nullable):
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
