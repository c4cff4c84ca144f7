"""The task `verdicts`: a judge is asked about each problem and the test questions nearest to it, both ways.

The input is the `nearest.jsonl` of `jobs.decontaminate`; what is published is read by its `verdicts=`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omi_core.answers.yes_no import NO, YES, read_yes_no
from omi_core.inputs import BadRow, Row, RowReader, Skipped, read_rows
from omi_core.options import option
from omi_core.prompts import Form
from omi_core.publish.rows import Column, Schema
from omi_core.records import Record
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.reducing import Reading, YesNoReplies
from omi_core.tasks.settings import Config
from omi_core.tasks.task import Counts, Task
from omi_core.teachers.teacher import Request, Texts

VERDICTS = Schema(
    "verdicts",
    ("problem", "question", "test_set", "test_index", "score", "forward", "backward", "contaminated"),
    ("record_id", "teacher"),
    key=4,
    own={
        "question": Column(str, "the question of the test set", nullable=False, long=True),
        "test_set": Column(str, "the test set", nullable=False, repeats=True),
        "test_index": Column(int, "index of the question in it, from 0", nullable=False),
        "score": Column(float, "how near the question is: the cosine of the embeddings", nullable=False),
        "forward": Column(str, "what the judge said of problem and question: yes, no, or null if neither"),
        "backward": Column(str, "what it said with the two in the other order"),
        "contaminated": Column(bool, "whether the judge said yes, in either order", nullable=False),
    },
)
_FALSE_YES = 0.05


@dataclass
class Verdicts:
    """The task `verdicts`: a judge says whether a problem is a test question in other words."""

    questions: int = option(5, "nearest questions that a problem is compared with, each in both orders", ge=1)


class VerdictsReducer(YesNoReplies):
    """A row for each problem and question: what the judge said in either order.

    Of several replies to one prompt a single yes counts. There is a row even when no reply could be read:
    it tells that the pair was asked about, and that nothing is known.
    """

    def __init__(self, config: Config, samples: int | None) -> None:
        super().__init__(config, samples)
        self._prompting = Prompting(config)
        self._questions = config.verdicts.questions
        if config.publish.provenance:
            self.provenance = VERDICTS.optional

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        for record, samples in usable:
            said: dict[tuple[int, bool], set[str | None]] = {}
            for sample in samples:
                said.setdefault(pair(self._prompting.number(sample.index)), set()).add(self._read(sample))
            rows = [
                self._row(record, question, _one(said.get((number, False))), _one(said.get((number, True))))
                for number, question in enumerate(record.extra["questions"][: self._questions])
            ]
            self._counts["judged/problems"] += 1
            self._counts["judged/contaminated"] += any(row["contaminated"] for row in rows)
            yield from rows

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


def pair(number: int) -> tuple[int, bool]:
    """Which of a record's questions a prompt is about, and whether the question stands first."""
    question, turned = divmod(number, 2)
    return question, bool(turned)


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


def _verdict(draw: random.Random, same: bool) -> str:
    yes = ("Yes", "Yes.", "**Yes**", "Yes, both ask for the same.", "Answer: yes")
    no = ("No", "No.", "**No**", "No, the numbers differ.", "They differ.\n\nAnswer: no")
    return draw.choice(yes if same else no)


def _wrong_verdict(draw: random.Random, request: Request) -> str:
    """No of two that are the same; of two that are not, yes only now and then.

    Since one yes of ten is enough, hardly a problem would be clean if each of these were one.
    """
    return _verdict(draw, not _are_same(request) and draw.random() < _FALSE_YES)


def _are_same(request: Request) -> bool:
    """Have a problem and the question that it is compared with the same numbers, and half of the words?"""
    prompt = request.messages[-1]["content"]
    texts = [question["test_text"] for question in request.record.extra["questions"]]
    question = next((text for text in texts if text in prompt), texts[0])
    one, other = (re.findall(r"\d+|[^\W\d_]+", text.casefold()) for text in (request.record.text, question))
    if sorted(filter(str.isdecimal, one)) != sorted(filter(str.isdecimal, other)):
        return False
    return len(set(one) & set(other)) > min(len(set(one)), len(set(other))) / 2


class Judgements(Task):
    """A judge says whether problems are test questions in other words."""

    name = VERDICTS.task
    about = "a judge says whether problems are test questions in other words"
    position = 40
    sections = {"verdicts": Verdicts}
    form = Form(VERDICTS.task, "verdict", "judge", ("text", "other"))
    texts = Texts(
        right=lambda draw, request: _verdict(draw, _are_same(request)),
        wrong=_wrong_verdict,
        malformed=lambda draw, request: draw.choice(("", "Perhaps.", "Yes or no?", "<think>Yes? No?")),
    )
    schema = VERDICTS
    skipped = {"nearest_questions": "with too few nearest questions"}
    has_styles = False

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        """A record for each problem, its nearest questions in `extra`; each problem with them once."""
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

    def prompts(self, config: Config) -> int:
        """Each question is asked about in both orders."""
        return 2 * config.verdicts.questions

    def fields(self, record: Record, number: int) -> dict[str, str]:
        question, turned = pair(number)
        asked = record.text, record.extra["questions"][question]["test_text"]
        text, other = asked[::-1] if turned else asked
        return {"text": text, "other": other}

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        return lambda text: read_yes_no(text) is not None

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> VerdictsReducer:
        return VerdictsReducer(config, samples)

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        said = "contaminated" if row["contaminated"] else "clean"
        return f"{said}, by {row['test_set']} {row['test_index']}", [row["problem"], row["question"]]

    def shares(self, counts: Counts) -> dict[str, tuple[float, float]]:
        replies, judged = counts.get("replies", {}), counts.get("judged", {})
        said = sum(replies.values())
        return {
            "replies that say yes or no": (said - replies.get("unclear", 0), said),
            "pairs without such a reply": (judged.get("pairs_unclear", 0), judged.get("pairs", 0)),
            "pairs judged otherwise in the other order": (
                judged.get("pairs_split", 0),
                judged.get("pairs_both", 0),
            ),
            "problems that the judge takes for a test question": (
                judged.get("contaminated", 0),
                judged.get("problems", 0),
            ),
        }


TASK = Judgements()
