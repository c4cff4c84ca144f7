"""The task `verdicts`: a judge is asked about each problem and the test questions nearest to it, both ways.

The input is the `nearest.jsonl` of `jobs.decontaminate`; what is published is read by its `verdicts=`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from omi_core.answers.yes_no import NO, YES, read_yes_no
from omi_core.config import Generate, Reduce
from omi_core.inputs import BadRow, Row, RowReader, Skipped, read_rows
from omi_core.publish.rows import VERDICTS
from omi_core.records import Record, Sample
from omi_core.tasks import Task
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.reducing import Reading, Reducer


class VerdictsReducer(Reducer):
    """A row for each problem and question: what the judge said in either order.

    Of several replies to one prompt a single yes counts. A row stands there even when no reply could be read:
    it tells that the pair was asked about, and that nothing is known.
    """

    schema = VERDICTS

    def __init__(self, config: Generate | Reduce, samples: int | None) -> None:
        assert isinstance(config, Generate)
        super().__init__(config, samples)
        self._prompting = Prompting(config)
        if config.publish.provenance:
            self.provenance = VERDICTS.optional

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        for record, samples in usable:
            said: dict[tuple[int, bool], set[str | None]] = {}
            for sample in samples:
                said.setdefault(self._prompting.pair(sample.index), set()).add(self._read(sample))
            rows = [
                self._row(record, question, _one(said.get((number, False))), _one(said.get((number, True))))
                for number, question in enumerate(self._prompting.questions(record))
            ]
            self._counts["judged/problems"] += 1
            self._counts["judged/contaminated"] += any(row["contaminated"] for row in rows)
            yield from rows

    def _used(self) -> int:
        return sum(value for key, value in self._counts.items() if key.startswith("replies/"))

    def _read(self, sample: Sample) -> str | None:
        answer = read_yes_no(sample.text, finished=sample.finish_reason != "length")
        self._counts[f"replies/{answer or 'unclear'}"] += 1
        return answer

    def _row(
        self, record: Record, question: Row, forward: str | None, backward: str | None
    ) -> dict[str, Any]:
        both = {forward, backward}
        self._counts["judged/pairs"] += 1
        self._counts["judged/pairs_yes"] += YES in both
        self._counts["judged/pairs_unclear"] += both == {None}
        self._counts["judged/pairs_both"] += None not in both
        self._counts["judged/pairs_split"] += both == {YES, NO}
        row = {
            "problem": record.text,
            "question": question["test_text"],
            "test_set": question["test_set"],
            "test_index": question["test_index"],
            "score": question["score"],
            "forward": forward,
            "backward": backward,
            "contaminated": YES in both,
        }
        optional = {"record_id": record.id, "teacher": self._teacher}
        return row | {name: optional[name] for name in self.provenance}


def _one(replies: set[str | None] | None) -> str | None:
    """What several replies to one prompt come to."""
    said = replies or set()
    return YES if YES in said else NO if NO in said else None


def _records(config: Generate, skipped: Skipped) -> Iterator[Record]:
    """A record for each problem, its nearest questions in `extra`; each problem with its questions once."""
    record_of = RowReader(replace(config.data, answer=None), None, skipped)
    seen: set[bytes] = set()
    columns = [*record_of.columns, "nearest"]
    for where, row in read_rows(config.data, columns, record_of.columns, skipped.bad):
        found = record_of(row, where)
        if found is None:
            continue
        try:
            questions = _questions(row, where, config.verdicts.questions)
        except BadRow as fault:
            skipped.bad(fault)
            continue
        record = Record.make(len(seen), found.text, None, found.source, {"questions": questions})
        key = bytes.fromhex(record.id)
        if key in seen:
            skipped.add("duplicate", where)
            continue
        seen.add(key)
        yield record
        if len(seen) == config.data.limit:
            return


_KINDS = {"test_set": str, "test_index": int, "test_text": str, "score": (int, float)}


def _questions(row: Row, where: str, count: int) -> list[Row]:
    """The `count` nearest questions of a line of nearest.jsonl, with what is published of them.

    Raises BadRow.
    """
    nearest = row.get("nearest")
    if not isinstance(nearest, list) or not all(_is_question(one) for one in nearest):
        raise BadRow(
            "nearest_questions",
            where,
            f"task=verdicts: {where} has no nearest questions; give what jobs.decontaminate model=… writes, "
            "data=file data.path=nearest.jsonl",
        )
    if len(nearest) < count:
        raise BadRow(
            "nearest_questions",
            where,
            f"verdicts.questions={count}: {where} has only {len(nearest)} nearest questions; set it to that, "
            "or have more of them written, jobs.decontaminate top=…",
        )
    return [{name: one[name] for name in _KINDS} for one in nearest[:count]]


def _is_question(one: Any) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(name), kind) for name, kind in _KINDS.items())


def _no_filters(config: Generate | Reduce) -> dict[str, dict[str, Any]]:
    return {}


def _answers(config: Generate) -> Callable[[str], bool]:
    return lambda text: read_yes_no(text) is not None


TASK = Task(_records, VerdictsReducer.of, _no_filters, _answers)
