"""The task `selections`: of several solutions of one problem the teacher picks the best.

This is GenSelect (arXiv 2504.16891, section 4). The input is a run of solutions, published and whole: its
samples are the candidates, judged as that run judged them. What is published teaches a model to pick; with
it `jobs.reduce answers.expected=picked` chooses one solution of many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random
from typing import Any

from omi_core.answers import Verdict
from omi_core.answers.best_of import read_choice
from omi_core.inputs import Skipped
from omi_core.options import ConfigError, option
from omi_core.prompts import Form
from omi_core.publish.rows import DEFAULT_TASK, Column, Schema
from omi_core.records import Record, Sample, digest128
from omi_core.tasks.grouping import draw_groups
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.reducing import Reading, Reducer
from omi_core.tasks.settings import Config
from omi_core.tasks.solutions import SolutionsReducer, tags_of
from omi_core.tasks.task import Counts, Task
from omi_core.teachers.teacher import Request, Texts
from omi_core.text.reasoning import joined

SELECTIONS = Schema(
    "selections",
    ("problem", "prompt", "generated_selection", "selected", "selected_solution", "expected_answer")
    + ("problem_source", "right"),
    ("record_id", "sample", "candidates", "right_candidates", "teacher", "reasoning", "reasoning_tokens"),
    key=3,
    own={
        "prompt": Column(
            str, "what the teacher was asked: problem and candidates", nullable=False, long=True
        ),
        "generated_selection": Column(str, "the teacher's reply, which picks one", nullable=False, long=True),
        "selected": Column(int, "number of the picked candidate in the prompt, from 1", nullable=False),
        "selected_solution": Column(str, "the picked candidate", nullable=False, long=True),
        "right": Column(bool, "whether its answer is the expected one; null: that is not known"),
        "candidates": Column(int, "candidates in the prompt"),
        "right_candidates": Column(int, "how many of them are right; null: that is not known"),
    },
)
_PPM = 1_000_000


@dataclass
class Selections:
    """The task `selections`: the best of several solutions is picked."""

    groups: int = option(8, "prompts of a problem, each with candidates of its own", ge=1)
    fewest: int = option(2, "fewest candidates in a prompt", ge=2)
    most: int = option(16, "most candidates in a prompt", ge=2, le=999)
    max_chars: int = option(8000, "longest solution that becomes a candidate, in characters", ge=1)
    keep: str = option(
        "right",
        "right: to train on, right picks out of right and wrong candidates; all: to choose with, every pick",
        choices=("right", "all"),
    )


class SelectionsReducer(Reducer):
    """A row for each reply that picks a candidate; with `selections.keep=right` if that one is right."""

    def __init__(self, config: Config, samples: int | None) -> None:
        super().__init__(config, samples)
        self._prompting = Prompting(config)
        self._keep = config.selections.keep
        self._tags = tags_of(config) if config.publish.reasoning == "inline" else None
        columns = SELECTIONS.optional[:5] if config.publish.provenance else ()
        if config.publish.reasoning == "column":
            columns += SELECTIONS.optional[5:] if config.publish.provenance else ("reasoning",)
        self.provenance = columns

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        for record, samples in usable:
            for sample in samples:
                group = _group(record, self._prompting.number(sample.index))
                number = read_choice(sample.text, len(group), sample.finish_reason == "stop")
                self._counts["picks/replies"] += 1
                if number is None:
                    self._counts["selection/unclear"] += 1
                    continue
                picked = group[number - 1]
                self._count(picked, group)
                if self._keep == "right" and not picked["right"]:
                    self._counts["selection/wrong_pick"] += 1
                else:
                    yield self._row(record, sample, group, number)

    def _count(self, picked: Mapping[str, Any], group: Sequence[Mapping[str, Any]]) -> None:
        self._counts["picks/read"] += 1
        if picked["right"] is not None:
            self._counts["picks/judged"] += 1
            self._counts["picks/right"] += picked["right"]
            self._counts["picks/chance_ppm"] += _right(group) * _PPM // len(group)

    def _row(
        self, record: Record, sample: Sample, group: Sequence[Mapping[str, Any]], number: int
    ) -> dict[str, Any]:
        picked, reply = group[number - 1], sample.text
        if self._tags is not None and sample.reasoning is not None:
            reply = joined(sample.reasoning, reply, self._tags)
        row = {
            "problem": record.text,
            "prompt": self._prompting.messages(record, sample.index)[-1]["content"],
            "generated_selection": reply,
            "selected": number,
            "selected_solution": picked["text"],
            "expected_answer": record.expected_answer,
            "problem_source": record.source,
            "right": picked["right"],
        }
        optional = {
            "record_id": record.extra["record"],
            "sample": picked["sample"],
            "candidates": len(group),
            "right_candidates": None if picked["right"] is None else _right(group),
            "teacher": self._teacher,
            "reasoning": sample.reasoning,
            "reasoning_tokens": sample.reasoning_tokens,
        }
        return row | {name: optional[name] for name in self.provenance}


def _group(record: Record, number: int) -> list[dict[str, Any]]:
    """The candidates in prompt `number` of a record."""
    return [record.extra["candidates"][at] for at in record.extra["groups"][number]]


def _right(group: Sequence[Mapping[str, Any]]) -> int:
    return sum(each["right"] is True for each in group)


def _shown(group: Sequence[Mapping[str, Any]]) -> str:
    return "\n\n".join(f"=== Solution {at} ===\n{each['text'].strip()}" for at, each in enumerate(group, 1))


def _reply(draw: Random, request: Request, right: bool) -> str:
    """A reply that picks a right candidate, or a wrong one; any where there is none of that kind."""
    groups = range(len(request.record.extra["groups"]))
    shown = request.messages[-1]["content"]
    group = next(each for at in groups if _shown(each := _group(request.record, at)) in shown)
    fitting = [at for at, each in enumerate(group, 1) if each["right"] is right]
    number = draw.choice(fitting or range(1, len(group) + 1))
    pick = draw.choice(("Best solution: {}", "**Best solution: {}**", "\\boxed{{Solution {}}}"))
    return f"I compared them {draw.randint(2, 9)} times, step by step.\n\n{pick.format(number)}"


class Choices(Task):
    """Of several solutions of one problem the best is picked."""

    name = SELECTIONS.task
    about = "the best of several solutions is picked"
    position = 50
    sections = {"selections": Selections}
    form = Form(SELECTIONS.task, "selection", "select", ("text", "candidates"))
    texts = Texts(
        right=lambda draw, request: _reply(draw, request, True),
        wrong=lambda draw, request: _reply(draw, request, False),
        malformed=lambda draw, request: draw.choice(
            ("", "All are right.", "Best solution: 0", "Solutions 1 or 2")
        ),
    )
    schema = SELECTIONS
    skipped = {
        "few_candidates": "with too few finished solutions",
        "all_right": "all of whose solutions are right",
        "all_wrong": "all of whose solutions are wrong",
        "no_truth": "whose right answer is not known",
    }
    made_from = "solutions"
    has_styles = False
    reads_run = (DEFAULT_TASK,)

    def check(self, config: Config) -> None:
        chosen = getattr(config, "selections", None)
        if chosen is not None and chosen.fewest > chosen.most:
            raise ConfigError(f"selections.fewest={chosen.fewest}: more than selections.most={chosen.most}")

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        path = config.data.path
        what = "data.path: missing" if path is None else f"data.path={path}: not a run"
        raise ConfigError(
            f"{what}; task=selections picks among the solutions of a run, data=file data.path=RUN"
        )

    def records_of_run(
        self, config: Config, solved: Config, windows: Iterable[Sequence[Reading]], skipped: Skipped
    ) -> Iterator[Record]:
        """A record for each problem, its candidates and groups in `extra`."""
        options, count = config.selections, 0
        mixed = options.keep == "right"
        with SolutionsReducer(solved, None) as reducer:
            for record, samples, judged in chain.from_iterable(map(reducer.judged, windows)):
                known = reducer.refusal(judged, Verdict.EQUAL) is None
                pool = _pool(samples, judged.verdicts, known, options.max_chars)
                right = [each["right"] for each in pool]
                expected = next(filter(None, judged.expected), None)
                if reason := _useless(right, known, options) or (None if expected else "no_truth"):
                    skipped.add(reason, f"record {record.id}")
                    continue
                draw = Random(digest128("groups", config.seed, record.id))
                groups = draw_groups(draw, right, options.groups, (options.fewest, options.most), mixed)
                extra = {"record": record.id, "candidates": pool, "groups": groups}
                yield Record.make(count, record.text, expected, record.source, extra)
                count += 1
                if count == config.data.limit:
                    return

    def prompts(self, config: Config) -> int:
        return config.selections.groups

    def fields(self, record: Record, number: int) -> dict[str, str]:
        return {"text": record.text, "candidates": _shown(_group(record, number))}

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        return lambda text: read_choice(text, config.selections.most) is not None

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> SelectionsReducer:
        return SelectionsReducer(config, samples)

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        judged = {True: ", right", False: ", wrong", None: ""}[row["right"]]
        return f"picks {row['selected']}{judged}", [row["prompt"], row["generated_selection"]]

    def shares(self, counts: Counts) -> dict[str, tuple[float, float]]:
        picks = Counter(counts.get("picks", {}))
        return {
            "replies that pick a solution": (picks["read"], picks["replies"]),
            "picks that are right": (picks["right"], picks["judged"]),
            "picks that would be right by chance": (picks["chance_ppm"] / _PPM, picks["judged"]),
        }


def _pool(
    samples: Sequence[Sample], verdicts: Sequence[Verdict | None], known: bool, longest: int
) -> list[dict[str, Any]]:
    """The candidates among a record's samples, each text once: index, text, and whether it is right."""
    pool: dict[str, dict[str, Any]] = {}
    for sample, verdict in zip(samples, verdicts, strict=True):
        whole = sample.finish_reason == "stop" and len(sample.text) <= longest
        if not whole or verdict is None or (known and verdict is Verdict.UNKNOWN):
            continue
        right = verdict is Verdict.EQUAL if known else None
        pool.setdefault(sample.text, {"sample": sample.index, "text": sample.text, "right": right})
    return list(pool.values())


def _useless(right: Sequence[bool | None], known: bool, options: Selections) -> str | None:
    """Why there is nothing to pick among such candidates, or None."""
    if options.keep == "right":
        if not known:
            return "no_truth"
        if right and len(set(right)) == 1:
            return "all_right" if right[0] else "all_wrong"
    return "few_candidates" if len(right) < options.fewest else None


TASK = Choices()
