"""The task `evaluations`: problems of benchmarks are solved and every sample is graded; nothing is published.

`jobs.evaluate` makes such runs. Each sample becomes a row with its verdict, and the rows become figures
(`omi_core.evaluate`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from omi_core import benchmarks
from omi_core.answers import Extractor, Verdict
from omi_core.answers.answer_options import Answers
from omi_core.answers.judging import Judge, Judged
from omi_core.benchmarks.reading import by_name, chosen_letter, read_benchmark
from omi_core.evaluate.tallies import NONE, RIGHT, UNDECIDED, WRONG
from omi_core.finish import UNCLOSED
from omi_core.inputs import Skipped
from omi_core.options import ConfigError, default_of, leaves, option
from omi_core.prompts import Form
from omi_core.publish.rows import DEFAULT_TASK, Column, Schema
from omi_core.records import Record, Sample
from omi_core.tasks import solutions
from omi_core.tasks.reducing import EverySample, Fate, Reading, open_grader
from omi_core.tasks.settings import Config
from omi_core.tasks.task import Task

UNFINISHED = ("length", UNCLOSED)
# Of the section `answers`: how solutions are chosen.
_NOT_READ = ("expected", "min_agreement", "min_votes", "picks", "scores", "select", "top")
_VERDICTS = {
    Verdict.EQUAL: RIGHT,
    Verdict.NOT_EQUAL: WRONG,
    Verdict.UNKNOWN: UNDECIDED,
    None: NONE,
}
GRADED = Schema(
    "evaluations",
    ("problem", "generated_solution", "expected_answer", "given_answer", "verdict", "vote", "finish")
    + ("completion_tokens", "benchmark", "benchmark_row", "level", "subject", "record_id", "sample"),
    (),
    key=2,
    own={
        "given_answer": Column(str, "the final answer of the solution, null: it has none"),
        "verdict": Column(str, "of the answer: right, wrong, undecided, or none where there is no answer"),
        "vote": Column(int, "the class of the answer in the vote among the samples, null: no vote"),
        "finish": Column(str, "how the sample ended: stop, length, unclosed or error"),
        "completion_tokens": Column(int, "tokens that the teacher generated, thinking included"),
        "benchmark": Column(str, "the benchmark that the problem is of"),
        "benchmark_row": Column(int, "the row of the problem in it, from 0"),
        "level": Column(str, "the level that the benchmark gives the problem"),
        "subject": Column(str, "the subject that the benchmark gives the problem"),
    },
)


@dataclass
class Evaluation:
    """Which benchmarks a teacher is evaluated on."""

    # What is read of them is in the digest of the records, so where they lie does not matter.
    benchmarks: list[str] = option(
        [], "names, NAME=FILE for a local file of one, or YAML files of your own", transient=True
    )
    limit: int | None = option(
        None, "only the first problems of each benchmark, for a trial; null: all", ge=1, transient=True
    )


class EvaluationsReducer(EverySample):
    """Grades every sample; each becomes a row, also those that failed or have no answer."""

    judges = True

    def __init__(self, config: Config, samples: int | None) -> None:
        super().__init__(config, samples)
        self._config = config
        self._extract = Extractor(config.answers.methods, config.answers.pattern)

    def __enter__(self) -> Self:
        self._grader = open_grader(self._config)
        self._judge = Judge(self._grader, "truth", self._counts)
        return self

    def close(self) -> None:
        self._grader.close()

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        answers = [[self._answer(record, sample) for sample in samples] for record, samples in usable]
        outcomes = self._judge.judge([record for record, _ in usable], answers)
        for (record, samples), judged in zip(usable, outcomes, strict=True):
            for at, sample in enumerate(samples):
                yield _row(record, sample, judged, at)

    def _fates(self, usable: Sequence[Reading]) -> Iterator[dict[int, Fate]]:
        rows = self._rows(usable)
        for _, samples in usable:
            yield {
                sample.index: Fate(sample, "row", row["given_answer"], row["vote"], row["verdict"])
                for sample, row in zip(samples, rows, strict=False)  # all rows of the window, one by one
            }

    def _answer(self, record: Record, sample: Sample) -> str | None:
        """The last answer of a sample that came to its end; of choices the letter, where one is meant."""
        ended = sample.error is None and sample.finish_reason not in UNFINISHED
        answer = self._extract.answer(sample.text) if ended else None
        self._counts[f"answers/{'none' if answer is None else 'found'}"] += 1
        choices = record.extra.get("choices")
        if answer is None or choices is None:
            return answer
        return chosen_letter(answer, choices, self._same) or answer

    def _same(self, a: str, b: str) -> bool:
        return self._grader.quick(a, b) is Verdict.EQUAL


def _row(record: Record, sample: Sample, judged: Judged, at: int) -> dict[str, Any]:
    extra = record.extra
    return {
        "problem": record.text,
        "generated_solution": sample.text,
        "expected_answer": judged.expected[at] or "",
        "given_answer": judged.answers[at],
        "verdict": _VERDICTS[judged.verdicts[at]],
        "vote": judged.classes[at],
        "finish": sample.finish_reason,
        "completion_tokens": sample.completion_tokens,
        "benchmark": record.source,
        "benchmark_row": extra["row"],
        "level": extra.get("level"),
        "subject": extra.get("subject"),
        "record_id": record.id,
        "sample": sample.index,
    }


class Evaluations(Task):
    """Problems of benchmarks are solved and graded."""

    name = GRADED.task
    about = "problems of benchmarks are solved and graded (jobs.evaluate)"
    position = 60
    sections = {"evaluation": Evaluation, "answers": Answers}
    reduced = ("answers",)
    form = Form(DEFAULT_TASK, "solution", "step_by_step")
    texts = solutions.Solutions.texts
    schema = GRADED
    figures = ("answered", "single_accuracy", "voted_accuracy", "solved", "agreement")
    has_styles = False
    scored = True

    def check(self, config: Config) -> None:
        if getattr(getattr(config, "task", None), "name", None) != self.name:
            return
        if not config.evaluation.benchmarks:
            known = ", ".join(benchmarks.known())
            raise ConfigError(f"benchmarks=[]: missing; give some of {known}, or YAML files of your own")
        if config.run.min_coverage < 1:
            raise ConfigError(
                f"run.min_coverage={config.run.min_coverage:g}: an evaluation takes every sample; omit it"
            )
        for key, value, field in leaves(config.answers):
            if key in _NOT_READ and value != default_of(field):
                raise ConfigError(f"answers.{key}: not read by task={self.name}; omit it")

    def content(self, config: Config, values: dict[str, Any]) -> None:
        """Nothing is published, and records are those of benchmarks."""
        for name in ("publish", "data"):
            del values[name]

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        skipped.option = None  # a benchmark is read whole, or its figures are of another set
        ordinal = 0
        for name, benchmark in by_name(config.evaluation.benchmarks).items():
            for record in read_benchmark(name, benchmark, config.evaluation.limit, skipped):
                yield Record(ordinal, record.id, record.text, record.expected_answer, name, record.extra)
                ordinal += 1

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        extract = Extractor(config.answers.methods, config.answers.pattern)
        return lambda text: extract.answer(text) is not None

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> EvaluationsReducer:
        return EvaluationsReducer(config, samples)

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        about = f"{row['benchmark']}, {row['verdict']}: {row['given_answer']} for {row['expected_answer']}"
        return about, [row["problem"], row["generated_solution"]]


TASK = Evaluations()
