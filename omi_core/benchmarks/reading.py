"""The rows of a benchmark as problems to solve, one each; and which of several choices an answer means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from omi_core.benchmarks import Benchmark, find
from omi_core.inputs import HubUnreadable, Row, RowReader, Skipped, cell, described, one_text, read_rows
from omi_core.options import ConfigError
from omi_core.records import Record

# Between a question and its choices; the examples of prompt=choices have it, too.
CHOICES = "\n\nThe answer is the letter of one of these:\n"


def by_name(words: Sequence[str]) -> dict[str, Benchmark]:
    """The benchmarks of `benchmarks=[…]` by name. Raises ConfigError: as `find`, or one is given twice."""
    found: dict[str, Benchmark] = {}
    for word in words:
        name, benchmark = find(word)
        if name in found:
            raise ConfigError(f"benchmarks={word}: {name} is given twice; each has its own name")
        found[name] = benchmark
    return found


def read_benchmark(name: str, benchmark: Benchmark, limit: int | None, skipped: Skipped) -> Iterator[Record]:
    """The problems of a benchmark, ordinals from 0; each row is one, also where two are the same.

    Raises:
        ConfigError: it cannot be read, a row is a bad one, it has no problems, or more or fewer rows than it
            should have.
    """
    record_of = RowReader(benchmark.data, None, skipped)
    columns = [*record_of.columns, *(name for name in (benchmark.choices,) if name is not None)]
    rows = usable = 0
    for where, row in _rows(name, benchmark, [*columns, *benchmark.columns], skipped):
        if rows == limit:
            return
        found = record_of(row, where)
        if found is not None:
            extra = {**found.extra, "row": rows, **_told(benchmark, row)}
            text, answer = found.text, found.expected_answer
            if benchmark.choices is not None:
                extra["choices"] = _choices(row, benchmark.choices, where)
                text, answer = _with_choices(text, answer or "", extra["choices"], where)
            yield Record.make(rows, text, answer, name, extra)
            usable += 1
        rows += 1
    if not usable:
        raise ConfigError(f"benchmarks={name}: holds no problems; omit it, or give the file with its rows")
    if benchmark.rows is not None and rows != benchmark.rows and limit is None:
        raise ConfigError(
            f"benchmarks={name}: has {rows:,} rows in place of {benchmark.rows:,}; give the whole set, or a "
            "YAML file of your own that says how many there are"
        )


def _rows(
    name: str, benchmark: Benchmark, columns: Sequence[str], skipped: Skipped
) -> Iterator[tuple[str, Row]]:
    try:
        yield from read_rows(benchmark.data, columns, None, skipped.bad)
    except HubUnreadable as error:
        key, instead = f"benchmarks={name}", f"benchmarks=[{name}=FILE]"
        raise HubUnreadable(error.hub, error.why, key, instead) from error


def _told(benchmark: Benchmark, row: Row) -> dict[str, str]:
    """Level and subject of a row, where it has them."""
    named = {"level": benchmark.level, "subject": benchmark.subject}
    said = {key: one_text(row.get(column)) for key, column in named.items() if column is not None}
    return {key: value for key, value in said.items() if value is not None}


def question_of(record: Record) -> str:
    """The problem as the benchmark has it, without the choices that were put below."""
    return record.text.partition(CHOICES)[0] if "choices" in record.extra else record.text


def _choices(row: Row, column: str, where: str) -> list[str]:
    value = cell(row, column, where, "choices")
    texts = [one_text(item) for item in value] if isinstance(value, list) else []
    found = [text for text in texts if text is not None]
    if len(found) != len(texts) or not 2 <= len(found) <= 10:
        raise ConfigError(f"choices={column}: {where} holds {described(value)}; give a list of 2 to 10 texts")
    return found


def _with_choices(text: str, answer: str, choices: Sequence[str], where: str) -> tuple[str, str]:
    """The problem with its choices, and the letter of the right one."""
    letters = [chr(ord("A") + number) for number in range(len(choices))]
    right = answer.strip("() ").upper()
    if answer.isdecimal() and int(answer) < len(letters):
        right = letters[int(answer)]
    if right not in letters:
        shown = repr(answer[:20])
        raise ConfigError(f"choices: {where} has the answer {shown}, neither a letter nor a number of them")
    listed = "\n".join(f"({letter}) {choice}" for letter, choice in zip(letters, choices, strict=True))
    return f"{text}{CHOICES}{listed}", right


# `B`, `(B)`, `B.` and `(B) 12`, also in \text{}; `A cell` is not one.
_MARKED = re.compile(r"(?:\(([A-Ja-j])\)|([A-Ja-j])(?=$|[.:)]))", re.ASCII)
_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\{([^{}]*)\}", re.ASCII)


def chosen_letter(answer: str, choices: Sequence[str], same: Callable[[str, str], bool]) -> str | None:
    """The letter of the choice that an answer names by its mark, or by the text of exactly one; else None."""
    text = _WRAPPED.sub(r"\1", answer).strip().strip("$").strip()
    letters = [chr(ord("A") + number) for number in range(len(choices))]
    if found := _MARKED.match(text):
        letter = (found[1] or found[2]).upper()
        return letter if letter in letters else None
    equal = [
        letter
        for letter, choice in zip(letters, choices, strict=True)
        if choice.strip().casefold() == text.casefold() or same(text, choice)
    ]
    return equal[0] if len(equal) == 1 else None
