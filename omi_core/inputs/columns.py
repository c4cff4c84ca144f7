"""From rows to records: the problem, the ground truth by `data.answer_format`, and the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from omi_core.inputs.cells import cell, described, one_text, only_item, problem_text
from omi_core.inputs.data_options import Data
from omi_core.inputs.origins import WORLDS, read_rows
from omi_core.inputs.row_files import Row
from omi_core.inputs.skipped import BadRow, Skipped
from omi_core.options import ConfigError
from omi_core.records import Record


def read_records(data: Data, pattern: str | None, skipped: Skipped) -> Iterator[Record]:
    """Records in input order, ordinals from 0, each content once; unusable rows go to `skipped`.

    `pattern` is the final-answer pattern, for `data.answer_format=pattern`.

    Raises:
        ConfigError: no such file, or an input that cannot be read; or a bad row, as `skipped` has it.
    """
    record_of = RowReader(data, pattern, skipped)
    seen: set[bytes] = set()
    for where, row in read_rows(data, record_of.columns, record_of.columns, skipped.bad):
        record = record_of(row, where)
        if record is None:
            continue
        key = bytes.fromhex(record.id)
        if key in seen:
            skipped.add("duplicate", where)
            continue
        yield replace(record, ordinal=len(seen))
        seen.add(key)
        if data.limit is not None and len(seen) >= data.limit:
            return


class RowReader:
    """Makes a record of a row, with ordinal 0; of a row that cannot be used it tells `skipped` why.

    `columns` are those it looks at, numbers in them as they stand (see `file_rows`).
    """

    def __init__(self, data: Data, pattern: str | None, skipped: Skipped) -> None:
        self._data = data
        self._truth = GroundTruth(data, pattern)
        self._skipped = skipped
        self._source = _source_column(data)
        self.columns = [name for name in (data.problem, data.answer, self._source) if name is not None]

    def __call__(self, row: Row, where: str) -> Record | None:
        """None when the row was skipped. Raises ConfigError: it is a bad one, as `skipped` has it."""
        try:
            return self._record(row, where)
        except BadRow as fault:
            self._skipped.bad(fault)
            return None

    def _record(self, row: Row, where: str) -> Record | None:
        data = self._data
        text = problem_text(
            cell(row, data.problem, where, "data.problem"), where, f"data.problem={data.problem}"
        )
        if not text:
            self._skipped.add("empty_problem", where)
            return None
        answers = self._truth(row, where)
        known = data.answer is None or data.answer_format == "oracle"
        if not answers and not known:
            self._skipped.add("no_ground_truth", where)
            return None
        source = data.source if self._source is None else source_of(row, self._source, where)
        return Record.make(0, text, next(iter(answers), None), source, _others(answers))


def _others(answers: tuple[str, ...]) -> dict[str, Any] | None:
    return {"answers": list(answers)} if len(answers) > 1 else None


class GroundTruth:
    """The ground truth of a row by `data.answer_format`: no answer, one, or several of which any is right."""

    def __init__(self, data: Data, pattern: str | None) -> None:
        from omi_core.answers import Extractor, gsm8k_ground_truth, math_ground_truth

        if data.answer_format == "pattern" and pattern is None:
            raise ConfigError("data.answer_format=pattern: give the pattern, answers.pattern=REGEX")
        by_pattern = Extractor(("pattern",), pattern)
        self._data = data
        self._read: Callable[[str], str | None] = {
            "plain": lambda text: text.strip() or None,
            "gsm8k": gsm8k_ground_truth,
            "boxed": math_ground_truth,
            "pattern": lambda text: by_pattern(text).answer,
            "oracle": lambda text: WORLDS["world"].answer(text),
        }[data.answer_format]

    def __call__(self, row: Row, where: str) -> tuple[str, ...]:
        """Raises BadRow: there is no answer, or there are several and nothing says what they mean."""
        column = self._data.answer
        if column is None:
            return ()
        value = cell(row, column, where, "data.answer")
        if type(value) is str:  # nearly always
            answer = self._read(value)
            return () if answer is None else (answer,)
        if self._data.answer_format == "oracle":
            value = problem_text(value, where, f"data.answer={column}")
        value = only_item(value)
        items = value if isinstance(value, list) else [value]
        found: dict[str | None, None] = dict.fromkeys(self._one(item, value, where) for item in items)
        if self._data.several_answers == "any":
            found.pop(None, None)
        if len(found) > 1 and (self._data.several_answers is None or None in found):
            raise self._several(value, where)
        answers = tuple(answer for answer in found if answer is not None)
        return (", ".join(answers),) if answers and self._data.several_answers == "all" else answers

    def _one(self, item: Any, value: Any, where: str) -> str | None:
        item = only_item(item)
        if item is None or item == []:
            return None
        text = one_text(item)
        if text is None:
            raise BadRow(
                "not_an_answer",
                where,
                f"data.answer={self._data.answer}: {where} holds {described(value)}; an answer is a text, a "
                "number or a list of them",
            )
        return self._read(text)

    def _several(self, value: list[Any], where: str) -> BadRow:
        column = self._data.answer
        line = f"data.answer={column}: {where} holds {described(value)}"
        if self._data.several_answers == "all":
            line += ", in one of which no answer is found, so they are not all there"
        else:
            line += "; choose data.several_answers=any (one of them is enough) or all (together they are the "
            line += f"answer), or take one, data.answer={column}.0"
        return BadRow("several_answers", where, line)


def _source_column(data: Data) -> str | None:
    """The column that `data.source=from:COLUMN` names; None where the source is a label."""
    return data.source.removeprefix("from:").strip() if data.source.startswith("from:") else None


def source_of(row: Row, column: str, where: str) -> str:
    """What is published as `problem_source`, from the row's own column.

    Raises:
        BadRow: there is no such column, or neither a text nor a number in it.
    """
    value = cell(row, column, where, "data.source")
    text = one_text(only_item(value))
    if text is None:
        raise BadRow(
            "not_a_source",
            where,
            f"data.source=from:{column}: {where} holds {described(value)}; a source is a text or a number",
        )
    return text
