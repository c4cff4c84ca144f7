"""The task `solutions`: samples become rows where their answer is the expected one, and filters keep them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Self

from omi_core import filters
from omi_core.answers import Extractor, Grader, Limits, Policy, Verdict
from omi_core.config import Answers, Generate, Reduce
from omi_core.filters.sections import chosen, token_limits
from omi_core.inputs import Skipped, read_records
from omi_core.publish.rows import SOLUTIONS
from omi_core.records import Candidate, Record, Sample
from omi_core.stages.judging import Judge, Judged
from omi_core.stages.reducing import Reading, Reducer, candidate
from omi_core.stages.tasks import Task
from omi_core.stages.tokenizers import tokenizer_file


class SolutionsReducer(Reducer):
    """Votes, compares with the ground truth, and keeps the samples whose answer is the expected one."""

    schema = SOLUTIONS

    def __init__(self, config: Generate | Reduce, samples: int | None) -> None:
        super().__init__(config, samples)
        self._config = config
        self._extract = Extractor(config.answers.methods, config.answers.pattern)
        options = filter_options(config)
        # Those whose answer is a guess go before answers are looked at: counted as what they are, they have
        # no say in what the answer is.
        early = [name for name, cls in filters.known("filters").items() if cls.before_answers]
        self._before = filters.build({name: options[name] for name in options if name in early})
        self._after = filters.build(
            {name: options[name] for name in options if name not in early}, extract=self._extract
        )
        self.chains = (self._before, self._after)
        self.provenance = provenance(config)

    def __enter__(self) -> Self:
        answers = self._config.answers
        self._grader = Grader(
            policy_of(answers),
            workers=self._config.cluster.workers or None,
            limits=Limits(cpu_seconds=answers.deadline, memory_bytes=int(answers.memory_gb * 2**30)),
        )
        self._judge = Judge(self._grader, answers.expected, self._counts)
        return self

    def close(self) -> None:
        self._grader.close()

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        answers = [[self._answer(sample) for sample in samples] for _, samples in usable]
        judged: dict[str, Judged] = {}
        selected: list[Candidate] = []
        outcomes = self._judge.judge([record for record, _ in usable], answers)
        for (record, samples), outcome in zip(usable, outcomes, strict=True):
            judged[record.id] = outcome
            selected += self._selected(record, samples, outcome)
        for kept in self._after.apply(selected):
            yield self._row(kept, judged[kept.record_id])

    def _answer(self, sample: Sample) -> str | None:
        votes = all(item.may_vote(sample) for item in self._before.filters)
        answer = self._extract.answer(sample.text) if votes else None
        self._counts["answers/none" if answer is None else "answers/found"] += 1
        return answer

    def _selected(self, record: Record, samples: list[Sample], judged: Judged) -> Iterator[Candidate]:
        """The samples of a record whose answer is the expected one."""
        verdicts = {sample.index: verdict for sample, verdict in zip(samples, judged.verdicts, strict=True)}
        candidates = [
            candidate(record, sample, answer, expected or "")
            for sample, answer, expected in zip(samples, judged.answers, judged.expected, strict=True)
        ]
        for kept in self._before.apply(candidates):
            reason = self._refusal(judged, verdicts[kept.index])
            if reason is None:
                yield kept
            else:
                self._counts[f"selection/{reason}"] += 1

    def _refusal(self, judged: Judged, verdict: Verdict | None) -> str | None:
        """Why a sample is not kept for its answer, or None."""
        if verdict is None:
            return "no_answer"
        if verdict is Verdict.UNKNOWN:
            return "unknown"
        if verdict is Verdict.NOT_EQUAL:
            return "other_answer"
        if judged.agreement < self._config.answers.min_agreement:
            return "low_agreement"
        least = self._config.answers.min_votes
        if least is None:
            return "single_vote" if judged.contested else None
        if judged.votes < least:
            return "few_votes"
        return None

    def _row(self, candidate: Candidate, judged: Judged) -> dict[str, Any]:
        row: dict[str, Any] = {
            "problem": candidate.problem,
            "generated_solution": candidate.solution,
            "expected_answer": candidate.expected_answer,
            "problem_source": candidate.source,
        }
        optional = {
            "record_id": candidate.record_id,
            "sample": candidate.index,
            "votes": judged.votes,
            "voters": judged.voters,
            "agreement": judged.agreement,
            "solution_tokens": candidate.completion_tokens,
            "teacher": self._teacher,
        }
        return row | {name: optional[name] for name in self.provenance}


def policy_of(answers: Answers) -> Policy:
    """The comparison policy of a config; its tolerance as the decimal the user wrote, exactly."""
    chosen: dict[str, Any] = dataclasses.asdict(answers.policy)
    chosen["tolerance"] = Fraction(str(answers.policy.tolerance))
    return Policy(**chosen)


def provenance(config: Generate | Reduce) -> tuple[str, ...]:
    """The optional columns of the published rows."""
    if not config.publish.provenance:
        return ()
    columns = ("record_id", "sample", "votes", "voters", "agreement")
    return (*columns, "solution_tokens", "teacher") if isinstance(config, Generate) else columns


def filter_options(config: Generate | Reduce) -> dict[str, dict[str, Any]]:
    """The filters a config turns on, in the order in which they run, as `filters.build` takes them."""
    options = config.filters
    if isinstance(config, Reduce) and options.tokenizer is None:
        # Nothing counts the tokens of imports. New runs are planned without a limit; older ones may have one.
        options = dataclasses.replace(options, **dict.fromkeys(token_limits("filters", options)))
    return chosen("filters", options, lambda: tokenizer_file(config))


def _records(config: Generate, skipped: Skipped) -> Iterator[Record]:
    return read_records(config.data, config.answers.pattern, skipped)


def _answers(config: Generate) -> Callable[[str], bool]:
    extract = Extractor(config.answers.methods, config.answers.pattern)
    return lambda text: extract.answer(text) is not None


TASK = Task(_records, SolutionsReducer.of, filter_options, _answers)
