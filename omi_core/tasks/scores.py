"""The task `scores`: a reward model gives every finished sample of a run a number.

`jobs.score` makes such runs. The input is a run of solutions or an evaluation, published and whole, or files
with solutions. A score names the sample it is of, and by a digest the text that it was made of, so that it is
never taken for another's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import orjson

from omi_core.answers import Verdict
from omi_core.answers.judging import Judged
from omi_core.evaluate.outcome import PROBLEMS
from omi_core.evaluate.tallies import NONE, RIGHT, WRONG
from omi_core.inputs import Skipped
from omi_core.inputs.generations import read_generations
from omi_core.options import ConfigError, option
from omi_core.prompts import Form
from omi_core.publish.rows import DEFAULT_TASK, clean_text
from omi_core.records import Record, Sample
from omi_core.store.layout import Layout
from omi_core.tasks.evaluations import GRADED
from omi_core.tasks.reducing import EverySample, Reading
from omi_core.tasks.score_join import SCORES, text_digest
from omi_core.tasks.settings import Config
from omi_core.tasks.solutions import SolutionsReducer
from omi_core.tasks.task import Counts, Task
from omi_core.teachers.teacher import Request, Texts
from omi_core.teachers.teacher_options import REWARD
from omi_core.text.reasoning import TAGS

_RIGHT = {RIGHT: True, WRONG: False, NONE: False}


@dataclass
class SolutionsInFiles:
    """The task `scores`: the columns of files with solutions, as `jobs.reduce` has them."""

    solution: list[str] = option(
        ["generated_solution"],
        "columns that hold solutions: each a text or a list of texts; a.b reaches inside",
        transient=True,
    )
    finish_reason: str | None = option(
        None, "column with the finish reason(s); null: all solutions are finished", transient=True
    )
    reasoning: list[str] = option(
        [],
        "columns that hold what was thought before the solutions, one for each of `solution`",
        transient=True,
    )
    reasoning_tags: list[str] = option(list(TAGS), "tags around thinking inside a solution", transient=True)


def read_score(text: str) -> float | None:
    """The number that a teacher gave; None where it gave none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class ScoresReducer(EverySample):
    """A row for each sample that was to be scored, also where it has no score."""

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        for record, sample in ((record, sample) for record, samples in usable for sample in samples):
            score = read_score(sample.text) if sample.error is None else None
            self._counts["scores/samples"] += 1
            self._counts["scores/scored"] += score is not None
            self._counts["scores/too_long"] += sample.finish_reason == "length"
            extra = record.extra
            yield {
                "record_id": extra["record"],
                "sample": extra["sample"],
                "score": score,
                "tokens": sample.prompt_tokens,
                "right": extra["right"],
                "text_digest": text_digest(extra["solution"]),
            }


def _drawn(draw: Random, request: Request, misjudged: bool) -> str:
    """A score: those of right solutions are higher on average, of misjudged ones lower."""
    good = request.record.extra["right"] is True
    return repr(draw.gauss(1.0 if good is not misjudged else -1.0, 1.0))


class Scores(Task):
    """A reward model scores the samples of a run."""

    name = SCORES.task
    about = "a reward model scores the samples of a run (jobs.score)"
    position = 80
    sections = {"scores": SolutionsInFiles}
    form = Form(SCORES.task, "score", "alone", section={"user": "{{text}}"}, judged="solution")
    texts = Texts(
        right=lambda draw, request: _drawn(draw, request, False),
        wrong=lambda draw, request: _drawn(draw, request, True),
        malformed=lambda draw, request: draw.choice(("", "nan", "high")),
    )
    schema = SCORES
    skipped = {"unfinished": "that did not come to an end"}
    made_from = "solutions"
    has_styles = False
    reads_run = (DEFAULT_TASK, GRADED.task)

    def check(self, config: Config) -> None:
        chosen, kind = config.task.name == self.name, config.teacher.kind
        if not chosen and kind == REWARD:
            raise ConfigError(f"teacher={kind}: scores what others wrote; use it with jobs.score")
        if not chosen:
            return
        if kind in ("vllm", "endpoint"):
            raise ConfigError(
                f"teacher={config.teacher.name}: writes text, no scores; give jobs.score a reward model"
            )
        if config.samples != 1:
            raise ConfigError(f"samples={config.samples}: a text has one score; omit it")
        if config.prompt.format != "chat":
            raise ConfigError(f"prompt.format={config.prompt.format}: not read by task={self.name}; omit it")

    def content(self, config: Config, values: dict[str, Any]) -> None:
        """The texts are in the digest of the records; where they lie and what they are called is not."""
        del values["data"]

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        """A record for each solution in files; whether it is right is not known."""
        if config.data.path is None:
            raise ConfigError("input: missing; give a run of solutions, an evaluation, or files of solutions")
        counts: Counter[bytes] = Counter()
        ordinal = 0
        for record, solutions in read_generations(
            config.data.path, config.data, config.scores, None, skipped
        ):
            key = bytes.fromhex(record.id)
            for solution in solutions:
                index = counts[key]
                counts[key] += 1
                if solution.reason != "stop" or solution.text is None:
                    skipped.add("unfinished", f"sample {index} of record {record.id}")
                else:
                    yield _record(ordinal, record, index, solution.text, None)
                    ordinal += 1

    def records_of_run(
        self, config: Config, solved: Config, windows: Iterable[Sequence[Reading]], skipped: Skipped
    ) -> Iterator[Record]:
        """A record for each finished sample, in the order of the run, and whether it is right there."""
        counted, ordinal = _counted(windows, skipped), 0
        graded = getattr(solved, "task", None) is not None and solved.task.name == GRADED.task
        judged = _graded(Path(config.data.path or ""), counted) if graded else _judged(solved, counted)
        for record, sample, right in judged:
            if sample.finish_reason == "stop":
                yield _record(ordinal, record, sample.index, sample.text, right)
                ordinal += 1

    def fields(self, record: Record, number: int) -> dict[str, str]:
        return {"text": record.text, "solution": record.extra["solution"]}

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        return lambda text: read_score(text) is not None

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> ScoresReducer:
        return ScoresReducer(config, samples)

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        judged = {True: ", right", False: ", wrong", None: ""}[row["right"]]
        return f"record {row['record_id']}, sample {row['sample']}{judged}: {row['score']}", []

    def shares(self, counts: Counts) -> dict[str, tuple[float, float]]:
        found = Counter(counts.get("scores", {}))
        return {
            "samples with a score": (found["scored"], found["samples"]),
            "samples too long for the model": (found["too_long"], found["samples"]),
        }


def _record(ordinal: int, record: Record, index: int, text: str, right: bool | None) -> Record:
    extra = {"record": record.id, "sample": index, "solution": clean_text(text), "right": right}
    return Record.make(ordinal, record.text, record.expected_answer, record.source, extra)


def _counted(windows: Iterable[Sequence[Reading]], skipped: Skipped) -> Iterator[Sequence[Reading]]:
    """The windows; samples that have no end to be scored go to `skipped`."""
    for window in windows:
        for record, samples in window:
            for sample in samples:
                if sample.drawn and sample.finish_reason != "stop":
                    skipped.add("unfinished", f"sample {sample.index} of record {record.id}")
        yield window


Told = Iterator[tuple[Record, Sample, bool | None]]


def _judged(solved: Config, windows: Iterable[Sequence[Reading]]) -> Told:
    """Samples of a run of solutions, judged as that run judges them."""
    with SolutionsReducer(solved, None) as reducer:
        for record, samples, judged in chain.from_iterable(map(reducer.judged, windows)):
            known = _is_known(solved, reducer, judged)
            for sample, verdict in zip(samples, judged.verdicts, strict=True):
                unknown = not known or verdict is Verdict.UNKNOWN
                yield record, sample, None if unknown else verdict is Verdict.EQUAL


def _is_known(solved: Config, reducer: SolutionsReducer, judged: Judged) -> bool:
    """Whether there is a right answer: a ground truth, or what the run would publish in its place."""
    if judged.by_vote or solved.answers.expected != "truth":
        return reducer.refusal(judged, Verdict.EQUAL) is None
    return any(expected is not None for expected in judged.expected)


def _graded(root: Path, windows: Iterable[Sequence[Reading]]) -> Told:
    """Samples of an evaluation, as it has graded them."""
    path = Layout(root).evaluation / PROBLEMS
    with path.open("rb") as file:
        for record, samples in chain.from_iterable(windows):
            line = orjson.loads(next(file, b"{}"))
            if line.get("record_id") != record.id or len(line["verdicts"]) != len(samples):
                raise ConfigError(f"{path}: is not of these samples; make the evaluation again")
            for sample, verdict in zip(samples, line["verdicts"], strict=True):
                yield record, sample, _RIGHT.get(verdict)


TASK = Scores()
