"""The task `problems`: from a seed problem a new one, without its solution and not one that is there."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from omi_core.filters.asking import asks
from omi_core.filters.chain import FilterChain, build
from omi_core.filters.sections import Section, chosen, of_filters
from omi_core.filters.written_problem import statement
from omi_core.inputs import Skipped, read_records
from omi_core.options import option
from omi_core.prompts import Form
from omi_core.publish.rows import Column, Schema, normal_text
from omi_core.records import Candidate, Record, digest128
from omi_core.tasks.demo import oracle
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.reducing import Fate, Reading, Reducer, candidate, walk
from omi_core.tasks.settings import Config
from omi_core.tasks.task import Chosen, Counts, Task
from omi_core.teachers.teacher import Request, Texts
from omi_core.text.words import around

PROBLEMS = Schema(
    "problems",
    ("problem", "problem_source"),
    ("style", "seed_problem", "record_id", "sample", "teacher"),
    key=1,
    normalised=True,
    own={"seed_problem": Column(str, "the problem that this one was made from", repeats=True, long=True)},
)
_NUMBER = re.compile(r"[0-9]{1,6}")


@of_filters("problems")
class Problems(Section):
    """The task `problems`: what a new problem must be like."""

    source: str = option(
        "augmented_{source}", "problem_source of a new problem; {source} is its seed's (OpenMathInstruct-2)"
    )


class ProblemsReducer(Reducer):
    """Cuts out each new problem's statement; drops what is none, and copies of a seed or example.

    `seeds` are the texts of the problems that the run's new ones were made from; each takes some 90 bytes. A
    copy of another new problem is dropped when the dataset is published, where all of them meet.
    """

    def __init__(self, config: Config, samples: int | None, seeds: Iterable[str] = ()) -> None:
        super().__init__(config, samples)
        self._config = config
        self._prompting = Prompting(config)
        self._chain: FilterChain = build(filter_options(config), section="problems")
        self.chains = (self._chain,)
        self._seeds = {_digest(seed) for seed in seeds}
        turns = [turn for messages in self._prompting.probes() for turn in messages]
        self._examples = {_digest(turn["content"]) for turn in turns if turn["role"] == "assistant"}
        if config.publish.provenance:
            self.provenance = PROBLEMS.optional
        # Only the demo's world has somebody who knows whether a problem makes sense.
        self._oracle = oracle if config.data.origin == "world" else None

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        for record, samples in usable:
            for kept in self._chain.apply([candidate(record, sample) for sample in samples]):
                if copied := self._copied(record.text, kept.solution):
                    self._counts[f"selection/{copied}"] += 1
                    continue
                if self._oracle is not None:
                    self._counts["oracle/problems"] += 1
                    self._counts["oracle/well_posed"] += self._oracle(kept.solution) is not None
                yield self._row(record, kept)

    def _fates(self, usable: Sequence[Reading]) -> Iterator[dict[int, Fate]]:
        for record, samples in usable:
            rows = [candidate(record, sample) for sample in samples]
            walked = walk(self._chain, rows, [sample.text for sample in samples])
            yield {
                sample.index: Fate(
                    sample, (row and self._copied(record.text, row.solution)) or outcome, place=place
                )
                for sample, (row, outcome, place) in zip(samples, walked, strict=True)
            }

    def _copied(self, seed: str, problem: str) -> str | None:
        """The name that a copy is counted as; None for a problem that is new."""
        digest = _digest(problem)
        if digest in self._seeds or _repeats(seed, problem):
            return "copy_of_seed"
        return "copy_of_example" if digest in self._examples else None

    def _row(self, record: Record, kept: Candidate) -> dict[str, Any]:
        row = {
            "problem": kept.solution,
            "problem_source": self._config.problems.source.replace("{source}", record.source),
        }
        optional = {
            "style": self._prompting.style(kept.index),
            "seed_problem": record.text,
            "record_id": record.id,
            "sample": kept.index,
            "teacher": self._teacher,
        }
        return row | {name: optional[name] for name in self.provenance}


def _digest(text: str) -> bytes:
    """What is the same for two texts that are the same problem; 16 bytes."""
    return bytes.fromhex(digest128(normal_text(text)))


def _repeats(seed: str, problem: str) -> bool:
    """Whether a problem is its seed with a remark: nothing more is asked there, and no number is given."""
    found = around(problem, seed)
    if found is None:
        return False
    before, after = found[0].rstrip(": ") + ".", found[1].lstrip(".?!* ")
    return not any(_NUMBER.search(rest) or asks(rest) for rest in (before, after))


def filter_options(config: Config) -> Chosen:
    """The filters of new problems, in order, with their options."""
    return chosen("problems", config.problems)


def _new_problem(draw: random.Random, request: Request) -> str:
    """The seed with other numbers, and a line that tells it from a seed without any."""
    text = _NUMBER.sub(lambda _: str(draw.randint(2, 999)), request.record.text)
    return f"{text} Call this case {draw.randint(1, 10**6)}."


def _no_problem(draw: random.Random, request: Request) -> str:
    return draw.choice(("", "## Solution\nIt is 5.", "...", f"We get \\boxed{{{draw.randint(1, 9)}}}."))


class NewProblems(Task):
    """New problems are made from seed problems."""

    name = PROBLEMS.task
    about = "new problems from seed problems"
    position = 20
    sections = {"problems": Problems}
    reduced = ("problems",)
    form = Form(PROBLEMS.task, "problem", "new_problems")
    texts = Texts(right=_new_problem, wrong=lambda draw, request: request.record.text, malformed=_no_problem)
    schema = PROBLEMS

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        return read_records(config.data, None, skipped)

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        return lambda text: bool(statement(text))

    def filters(self, config: Config) -> Chosen:
        return filter_options(config)

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> ProblemsReducer:
        return ProblemsReducer(config, samples, (record.text for record in records()))

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        seed = [f"seed: {row['seed_problem']}"] if row.get("seed_problem") else []
        return row["problem_source"], [*seed, row["problem"]]

    def shares(self, counts: Counts) -> dict[str, tuple[float, float]]:
        asked = counts.get("oracle", {})
        return {
            "new problems that the demo's oracle can answer": (
                asked.get("well_posed", 0),
                asked.get("problems", 0),
            )
        }


TASK = NewProblems()
