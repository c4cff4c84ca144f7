"""The task `rulings`: a judge says whether two final answers to a problem are the same.

The input is the `pairs.jsonl` of an evaluation: what no rule could decide there, and what the rules called
wrong.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omi_core.answers.yes_no import NO, YES, read_yes_no
from omi_core.evaluate.tallies import UNDECIDED
from omi_core.inputs import BadRow, Skipped, read_rows
from omi_core.options import option
from omi_core.prompts import Form
from omi_core.publish.rows import Column, Schema
from omi_core.records import Record
from omi_core.tasks.reducing import Reading, YesNoReplies
from omi_core.tasks.settings import Config
from omi_core.tasks.task import Counts, Task
from omi_core.teachers.teacher import Request, Texts

PAIR = ("problem", "expected_answer", "given_answer")
RULED = Schema(
    "rulings",
    ("problem", "given_answer", "expected_answer", "benchmark", "same"),
    ("record_id", "teacher"),
    key=3,
    own={
        "same": Column(
            str, "whether both answers are the same, as the judge says: yes, no, or null if neither"
        )
    },
)


@dataclass
class Rulings:
    """The task `rulings`: a judge says whether answers are the same."""

    wrong: bool = option(False, "also about answers that the rules called wrong")


class RulingsReducer(YesNoReplies):
    """A row for each pair of answers: what most of the judge's replies say."""

    def __init__(self, config: Config, samples: int | None) -> None:
        super().__init__(config, samples)
        if config.publish.provenance:
            self.provenance = RULED.optional

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        for record, samples in usable:
            said = Counter(self._read(sample) for sample in samples)
            same = YES if said[YES] > said[NO] else NO if said[NO] > said[YES] else None
            self._counts["ruled/pairs"] += 1
            self._counts[f"ruled/{same or 'unclear'}"] += 1
            row = {
                "problem": record.text,
                "given_answer": record.extra["given"],
                "expected_answer": record.expected_answer,
                "benchmark": record.source,
                "same": same,
            }
            optional = {"record_id": record.id, "teacher": self._teacher}
            yield row | {name: optional[name] for name in self.provenance}


def _looks_same(request: Request) -> bool:
    """Whether both answers have the same letters and digits."""
    both = (request.record.expected_answer or "", request.record.extra["given"])
    one, other = ("".join(filter(str.isalnum, text)).casefold() for text in both)
    return one == other


def _ruling(draw: random.Random, same: bool) -> str:
    return draw.choice(("Yes", "Yes.", "**Yes**") if same else ("No", "No.", "No, they differ."))


class AnswerRulings(Task):
    """A judge says whether final answers are the same."""

    name = RULED.task
    about = "a judge says whether answers that no rule could compare are right"
    position = 70
    sections = {"rulings": Rulings}
    form = Form(RULED.task, "ruling", "grade", ("text", "expected", "given"))
    texts = Texts(
        right=lambda draw, request: _ruling(draw, _looks_same(request)),
        wrong=lambda draw, request: _ruling(draw, not _looks_same(request)),
        malformed=lambda draw, request: draw.choice(("", "Perhaps.", "Yes or no?")),
    )
    schema = RULED
    skipped = {"decided": "that the rules have decided", "no_pair": "without two answers"}
    made_from = "pairs of answers"
    has_styles = False

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        """A record for each pair, the answer that was given in `extra`."""
        columns = [*PAIR, "benchmark", "verdict"]
        ordinal = 0
        for where, row in read_rows(config.data, columns, (), skipped.bad):
            if not all(isinstance(row.get(name), str) for name in columns):
                line = f"task=rulings: {where} holds no pair of answers; give RUN/evaluation/pairs.jsonl"
                skipped.bad(BadRow("no_pair", where, line))
            elif row["verdict"] != UNDECIDED and not config.rulings.wrong:
                skipped.add("decided", where)
            else:
                extra = {"given": row["given_answer"]}
                yield Record.make(ordinal, row["problem"], row["expected_answer"], row["benchmark"], extra)
                ordinal += 1
                if ordinal == config.data.limit:
                    return

    def fields(self, record: Record, number: int) -> dict[str, str]:
        return {"text": record.text, "expected": record.expected_answer or "", "given": record.extra["given"]}

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        return lambda text: read_yes_no(text) is not None

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> RulingsReducer:
        return RulingsReducer(config, samples)

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        return f"{row['benchmark']}, the same: {row['same']}", [row["expected_answer"], row["given_answer"]]

    def shares(self, counts: Counts) -> dict[str, tuple[float, float]]:
        ruled = counts.get("ruled", {})
        return {
            "pairs that are the same": (ruled.get(YES, 0), ruled.get("pairs", 0)),
            "pairs without a clear reply": (ruled.get("unclear", 0), ruled.get("pairs", 0)),
        }


TASK = AnswerRulings()
