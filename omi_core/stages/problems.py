"""The task `problems`: from a seed problem a new one, without its solution and not one that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

from omi_core.config import Generate, Reduce
from omi_core.filters.chain import FilterChain, build
from omi_core.filters.sections import chosen
from omi_core.filters.statements import statement
from omi_core.inputs import Skipped, read_records
from omi_core.publish.rows import PROBLEMS, normal_text
from omi_core.records import Candidate, Record, digest128
from omi_core.stages.prompting import Prompting
from omi_core.stages.reducing import Reading, Reducer, candidate
from omi_core.stages.run import Run
from omi_core.stages.tasks import Task
from omi_core.store.plan import Records


class ProblemsReducer(Reducer):
    """Cuts out each new problem's statement; drops empty and overlong ones, and copies of a seed.

    `seeds` are the texts of the problems that the run's new ones were made from; each takes some 90 bytes. A
    copy of another new problem is dropped when the dataset is published, where all of them meet.
    """

    schema = PROBLEMS

    def __init__(self, config: Generate | Reduce, samples: int | None, seeds: Iterable[str] = ()) -> None:
        assert isinstance(config, Generate)
        super().__init__(config, samples)
        self._config = config
        self._prompting = Prompting(config)
        self._chain: FilterChain = build(filter_options(config), section="problems")
        self.chains = (self._chain,)
        self._seeds = {_digest(seed) for seed in seeds}
        if config.publish.provenance:
            self.provenance = PROBLEMS.optional
        # Only the demo's world has somebody who knows whether a problem makes sense.
        self._oracle = _oracle() if config.data.origin == "world" else None

    @classmethod
    def of(cls, run: Run) -> Self:
        """The reducer of a run, which knows the seeds of all its records."""
        records = Records(run.layout.records).slice(0, run.plan.records)
        return cls(run.config, cls.samples_of(run), (record.text for record in records))

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        for record, samples in usable:
            for kept in self._chain.apply([candidate(record, sample) for sample in samples]):
                if _digest(kept.solution) in self._seeds:
                    self._counts["selection/copy_of_seed"] += 1
                    continue
                if self._oracle is not None:
                    self._counts["oracle/problems"] += 1
                    self._counts["oracle/well_posed"] += self._oracle(kept.solution)
                yield self._row(record, kept)

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


def _oracle() -> Callable[[str], bool]:
    from omi_core.teachers.tiny import world

    return lambda text: world.answer(text) is not None


def filter_options(config: Generate | Reduce) -> dict[str, dict[str, Any]]:
    """The filters of new problems, in order, with their options."""
    assert isinstance(config, Generate)
    return chosen("problems", config.problems)


def _records(config: Generate, skipped: Skipped) -> Iterator[Record]:
    return read_records(config.data, config.answers.pattern, skipped)


def _answers(config: Generate) -> Callable[[str], bool]:
    return lambda text: bool(statement(text))


TASK = Task(_records, ProblemsReducer.of, filter_options, _answers)
