"""Where problems and test questions come from: local files, runs, and the hub.

A test set is given as `NAME=FILE`, as `NAME=HUB_ID`, or, for those of `benchmarks`, by its name. Nothing
of a test set comes with this project.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from omi_core import benchmarks
from omi_core.decontaminate.hits import Questions
from omi_core.inputs import (
    BadRow,
    HubUnreadable,
    Number,
    Row,
    Skipped,
    cell,
    file_rows,
    hub_rows,
    local_files,
    problem_text,
)
from omi_core.inputs.data_options import Data
from omi_core.options import ConfigError, did_you_mean
from omi_core.publish.published import dataset_files

COLUMNS = ("problem", "question")
_FILES = (".jsonl", ".jsonl.zst", ".json", ".parquet")


def read_sets(given: Sequence[str], column: str | None = None) -> list[Questions]:
    """The test sets that the words of `test=[…]` mean. An empty question keeps its place, and never hits.

    `column` holds the questions; by default `problem`, or `question` where there is no such column.

    Raises:
        ConfigError: a word of another form, a name twice, a file or hub id that cannot be read, or a set
            without questions.
    """
    if not given:
        raise ConfigError(
            f"test=[]: missing; give test=[NAME=FILE,...], or names out of {', '.join(benchmarks.known())}"
        )
    sets: dict[str, Questions] = {}
    for word in given:
        name, _, source = word.partition("=")
        if not name or name in sets:
            raise ConfigError(
                f"test={word}: {'given twice' if name else 'has no name'}; each set has its own"
            )
        texts = list(_questions(name, source, column))
        if not texts:
            raise ConfigError(f"test={word}: holds no questions")
        sets[name] = Questions(name, texts)
    return list(sets.values())


def _questions(name: str, source: str, column: str | None) -> Iterator[str]:
    """A bad row always ends the reading: without it the questions after it would have other numbers."""
    for where, row in _rows(name, source, column):
        yield _text(row, column or _column(row), where, "test_column")


def _column(row: Row) -> str:
    return next((name for name in COLUMNS if name in row), COLUMNS[0])


def _rows(name: str, source: str, column: str | None) -> Iterator[tuple[str, Row]]:
    if source.endswith(_FILES):
        for path in local_files(f"test={name}", source):
            yield from file_rows(path, (column,) if column else None)
    elif source or name in benchmarks.known():
        known = _known(name)
        try:
            yield from hub_rows(replace(known, hub=source) if source else known)
        except HubUnreadable as error:
            raise HubUnreadable(error.hub, error.why, f"test={name}", f"test=[{name}=FILE]") from error
    else:
        near = did_you_mean(name, list(benchmarks.known()))
        raise ConfigError(f"test={name}: no known test set{near}; give test=[{name}=FILE]")


def _known(name: str) -> Data:
    """What is read of the hub for a name; by default the split `test`."""
    known = benchmarks.known()
    return known[name].data if name in known else Data(split="test")


@dataclass(frozen=True, slots=True)
class InputProblem:
    """A problem of the input: file and line or row, its text, and the row it stands in."""

    where: str
    text: str
    row: Row


def read_problems(
    given: str, column: str, skipped: Skipped, whole_rows: bool = False
) -> Iterator[InputProblem]:
    """The problems in files (a path or a glob) or in the dataset of a run, streamed, bad rows to `skipped`.

    With `whole_rows` every column of a row is read, its numbers as they stand; else those that are needed.

    Raises:
        ConfigError: no such file or dataset; or a bad row, as `skipped` has it: one without the column, or
            without a text there.
    """
    columns = None if whole_rows else (column,)
    for path in dataset_files("input", given):
        for where, row in file_rows(path, columns, None if whole_rows else (), skipped.bad):
            try:
                text = _text(row, column, where, "column")
            except BadRow as fault:
                skipped.bad(fault)
                continue
            yield InputProblem(where, text, row)


def _text(row: Row, column: str, where: str, key: str) -> str:
    """The text at a column as it is, or what it means as chat messages. Raises BadRow: there is neither."""
    value = cell(row, column, where, key)
    if isinstance(value, str) and not isinstance(value, Number):
        return value
    if value is None:
        raise BadRow("not_a_problem", where, f"{key}={column}: {where} holds null; a problem is a text")
    return problem_text(value, where, f"{key}={column}")
