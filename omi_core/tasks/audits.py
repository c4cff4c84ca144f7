"""The task `audits`: a judge looks for what is wrong with problems, before they cost GPU hours.

It is asked about each flaw by itself, so that a yes means one thing. What is published is the input of a run
that solves: problems in which no flaw was found, or all of them with what was said.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omi_core.answers.yes_no import NO, YES, read_yes_no
from omi_core.inputs import Skipped, read_records
from omi_core.options import option
from omi_core.prompts import Form
from omi_core.publish.rows import Column, Schema
from omi_core.records import Record
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.reducing import Reading, YesNoReplies
from omi_core.tasks.settings import Config
from omi_core.tasks.task import Counts, Task
from omi_core.teachers.teacher import Texts

FLAWS = {
    "incomplete": (
        "Is anything missing that is needed to solve it, such as a number, a figure, a table, a list of "
        "choices or the end of a sentence?"
    ),
    "contradictory": "Do its conditions contradict each other, so that no answer fits all of them?",
    "open_ended": (
        "Does it ask for something else than one final answer, such as a proof, a drawing, an opinion, or "
        "answers to several questions?"
    ),
}
_ABOUT = "whether the judge said so: yes, no, or null if neither"
AUDITED = Schema(
    "audits",
    ("problem", "problem_source", "sound", *FLAWS),
    ("answer", "record_id", "teacher"),
    key=1,
    own={
        "sound": Column(bool, "whether the judge found none of the flaws", nullable=False),
        "incomplete": Column(str, f"something is missing; {_ABOUT}", repeats=True),
        "contradictory": Column(str, f"its conditions contradict each other; {_ABOUT}", repeats=True),
        "open_ended": Column(str, f"it has not one final answer; {_ABOUT}", repeats=True),
    },
)
_FLAWED = 0.05


@dataclass
class Audits:
    """The task `audits`: a judge looks for what is wrong with problems."""

    keep: str = option(
        "sound",
        "sound: problems in which the judge found no flaw; all: every problem, with what was said",
        choices=("sound", "all"),
    )


class AuditsReducer(YesNoReplies):
    """A row for each problem: of the replies about each flaw what most of them say; a tie is a yes.

    Replies that cannot be read leave a flaw open. That does not count as one.
    """

    def __init__(self, config: Config, samples: int | None) -> None:
        super().__init__(config, samples)
        self._prompting, self._keep = Prompting(config), config.audits.keep
        self.provenance = AUDITED.optional if config.publish.provenance else ("answer",)

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        for record, samples in usable:
            said: dict[str, Counter[str | None]] = {name: Counter() for name in FLAWS}
            for sample in samples:
                said[_flaw(self._prompting.number(sample.index))][self._read(sample)] += 1
            found = {name: _most(replies) for name, replies in said.items()}
            sound = YES not in found.values()
            self._counts["audited/problems"] += 1
            self._counts["audited/sound"] += sound
            for name, word in found.items():
                self._counts[f"audited/{name}"] += word == YES
                self._counts["audited/unclear"] += word is None
            if sound or self._keep == "all":
                yield self._row(record, sound, found)

    def _row(self, record: Record, sound: bool, found: Mapping[str, str | None]) -> dict[str, Any]:
        row = {"problem": record.text, "problem_source": record.source, "sound": sound, **found}
        optional = {"answer": record.expected_answer, "record_id": record.id, "teacher": self._teacher}
        return row | {name: optional[name] for name in self.provenance}


def _flaw(number: int) -> str:
    """The flaw that prompt `number` of a record asks about."""
    return tuple(FLAWS)[number]


def _most(replies: Mapping[str | None, int]) -> str | None:
    yes, no = replies.get(YES, 0), replies.get(NO, 0)
    return None if not yes + no else YES if yes >= no else NO


def _reply(draw: random.Random, flawed: bool) -> str:
    yes, no = ("Yes", "Yes.", "**Yes**, a number is missing."), ("No", "No.", "**No**", "No, all is there.")
    return draw.choice(yes if flawed else no)


class ProblemAudits(Task):
    """A judge looks for what is wrong with problems."""

    name = AUDITED.task
    about = "a judge looks for what is wrong with problems: incomplete, contradictory, no one answer"
    position = 45
    sections = {"audits": Audits}
    form = Form(AUDITED.task, "verdict", "audit", ("text", "question"))
    texts = Texts(
        right=lambda draw, request: _reply(draw, draw.random() < _FLAWED),
        wrong=lambda draw, request: _reply(draw, draw.random() > _FLAWED),
        malformed=lambda draw, request: draw.choice(("", "Perhaps.", "Yes or no?")),
    )
    schema = AUDITED
    has_styles = False

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        """The problems of the input, as they would be solved."""
        for record in read_records(config.data, None, skipped):
            yield replace(record, extra={})

    def prompts(self, config: Config) -> int:
        """Each flaw is asked about by itself."""
        return len(FLAWS)

    def fields(self, record: Record, number: int) -> dict[str, str]:
        return {"text": record.text, "question": FLAWS[_flaw(number)]}

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        return lambda text: read_yes_no(text) is not None

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> AuditsReducer:
        return AuditsReducer(config, samples)

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        flaws = [name.replace("_", " ") for name in FLAWS if row[name] == YES]
        return ", ".join(flaws) or "sound", [row["problem"]]

    def shares(self, counts: Counts) -> dict[str, tuple[float, float]]:
        replies, audited = counts.get("replies", {}), counts.get("audited", {})
        said, problems = sum(replies.values()), audited.get("problems", 0)
        return {
            "replies that say yes or no": (said - replies.get("unclear", 0), said),
            "problems that are sound": (audited.get("sound", 0), problems),
            **{
                f"problems that are {name.replace('_', ' ')}": (audited.get(name, 0), problems)
                for name in FLAWS
            },
        }


TASK = ProblemAudits()
