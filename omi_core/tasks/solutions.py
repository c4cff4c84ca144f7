"""The task `solutions`: samples become rows where their answer is the expected one, and filters keep them.

What was generated elsewhere and comes in by `jobs.reduce` is of this task, too.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from omi_core import filters
from omi_core.answers import Extractor, Verdict
from omi_core.answers.answer_options import Answers, Repair
from omi_core.answers.judging import KEPT, REPAIRED, SET_ASIDE, Judge, Judged
from omi_core.answers.settling import is_settled
from omi_core.filters.sections import Filters, chosen, refuse_idle, token_limits
from omi_core.inputs import Skipped, read_records
from omi_core.options import ConfigError
from omi_core.prompts import Form
from omi_core.publish.rows import DEFAULT_TASK, SOLUTIONS
from omi_core.records import Candidate, Record, Sample
from omi_core.tasks.opinions import SecondOpinions
from omi_core.tasks.picks import Picks
from omi_core.tasks.reducing import Fate, Reading, Reducer, candidate, open_grader
from omi_core.tasks.score_join import ScoreReader, best_scored, check_scores, ended_texts
from omi_core.tasks.settings import Config
from omi_core.tasks.solution_texts import right_answer, solution_text, unsolved_text, wrong_answer
from omi_core.tasks.task import Chosen, Counts, Settling, Task
from omi_core.teachers.teacher import Texts
from omi_core.teachers.tokenizers import tokenizer_file
from omi_core.text.reasoning import joined


class SolutionsReducer(Reducer):
    """Votes, compares with the ground truth, and keeps the samples whose answer is the expected one."""

    def __init__(self, config: Config, samples: int | None) -> None:
        super().__init__(config, samples)
        self._config = config
        self._tags = tags_of(config)
        self._extract = Extractor(config.answers.methods, config.answers.pattern)
        options = filter_options(config)
        # Those whose answer is a guess go before answers are looked at: counted as what they are, they have
        # no say in what the answer is.
        early = [name for name, cls in filters.known("filters").items() if cls.before_answers]
        self._before = filters.build({name: options[name] for name in options if name in early})
        self._after = filters.build(
            {name: options[name] for name in options if name not in early}, extract=self._extract
        )
        answers = config.answers
        self._scores = ScoreReader("answers.scores", answers.scores) if answers.scores is not None else None
        self._picks = Picks(answers.picks) if answers.picks is not None else None
        other = answers.second_opinion
        self._opinions = SecondOpinions(other).of if other is not None else None
        self.chains = (self._before, self._after)
        self.provenance = provenance(config)
        self._tried: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._grader = open_grader(self._config)
        adaptive = getattr(self._config, "adaptive", None)
        most = None if adaptive is None else adaptive.first
        answers = self._config.answers
        self._judge = Judge(
            self._grader, answers.expected, self._counts, most, answers.repair, self._opinions
        )
        return self

    def close(self) -> None:
        self._grader.close()

    def judged(self, window: Sequence[Reading]) -> Iterator[tuple[Record, list[Sample], Judged]]:
        """The records of a window, of each the samples that came to an end, and what was found of them."""
        usable = [(record, self._answered(samples)) for record, samples in window]
        for (record, samples), outcome in zip(usable, self._outcomes(usable), strict=True):
            yield record, samples, outcome

    def reduce(self, window: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        self._tried = {record.id: tried(samples) for record, samples in window}
        yield from super().reduce(window)

    def _outcomes(self, usable: Sequence[Reading]) -> list[Judged]:
        answers = [[self._answer(sample) for sample in samples] for _, samples in usable]
        picks = self._picks and [self._picks.of(record.id, samples) for record, samples in usable]
        return self._judge.judge([record for record, _ in usable], answers, picks)

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        judged: dict[str, Judged] = {}
        selected: list[Candidate] = []
        for (record, samples), outcome in zip(usable, self._outcomes(usable), strict=True):
            judged[record.id] = outcome
            selected += self._selected(record, samples, outcome, self._scored(record, samples, outcome))
        chosen: set[str] = set()
        passed = self._after.apply(selected)
        if self._config.answers.select == "best":
            passed, left = best_scored(passed, self._config.answers.top)
            self._counts.update(f"selection/{reason}" for reason in left)
        for kept in passed:
            if self._picks is not None and kept.record_id in chosen:
                self._counts["selection/other_solution"] += 1
            else:
                chosen.add(kept.record_id)
                yield self._row(kept, judged[kept.record_id])

    def _scored(self, record: Record, samples: list[Sample], judged: Judged) -> list[float | None]:
        """The scores of a record's samples. Raises ConfigError as `ScoreReader.of`."""
        if self._scores is None:
            return [None] * len(samples)
        scores = self._scores.of(record.id, ended_texts(samples))
        found = [at for at, score in enumerate(scores) if score is not None]
        if found and not judged.by_vote and judged.picks is None and record.expected_answer is not None:
            best = max(found, key=lambda at: (scores[at], -at))
            self._counts["scores/truth_records"] += 1
            self._counts["scores/best_equal"] += judged.verdicts[best] is Verdict.EQUAL
        return scores

    def fates(self, record: Record, samples: Sequence[Sample]) -> list[Fate]:
        self._tried = {record.id: tried(samples)}
        [(_, ended, judged)] = self.judged([(record, list(samples))])
        scores = self._scored(record, ended, judged)
        found = {
            sample.index: self._fate(record, judged, at, sample, scores[at])
            for at, sample in enumerate(ended)
        }
        passed = [row for _, row in found.values() if row is not None]
        if judged.picks is not None:
            picks = dict(zip(found, judged.picks, strict=True))
            passed.sort(key=lambda row: -picks[row.index])
        taken = {row.index for row in passed[: 1 if judged.picks is not None else None]}
        best = self._config.answers.select == "best"
        if best:
            taken = {row.index for row in best_scored(passed, self._config.answers.top)[0]}
        told = {
            index: fate
            if row is None or index in taken
            else dataclasses.replace(
                fate, outcome="no_score" if best and row.score is None else "other_solution"
            )
            for index, (fate, row) in found.items()
        }
        return [told.get(fate.sample.index, fate) for fate in super().fates(record, samples)]

    def _fate(
        self, record: Record, judged: Judged, at: int, sample: Sample, score: float | None
    ) -> tuple[Fate, Candidate | None]:
        """What became of a sample that ended, and the row that it would be, if it passes."""
        answer, verdict = judged.answers[at], judged.verdicts[at]
        told = None if verdict is None else verdict.value

        def fate(outcome: str, place: tuple[int, int] | None = None) -> Fate:
            return Fate(sample, outcome, answer, judged.classes[at], told, place)

        row = candidate(record, sample, answer, judged.expected[at] or "", score)
        rate = judged.pass_rate(self._tried[record.id])
        for chain in (self._before, self._after):
            if chain is self._after and (reason := self.refusal(judged, verdict) or self._unwanted(rate)):
                return fate(reason), None
            for item in chain.filters:
                [after] = item.apply([row])
                if after is None:
                    return fate(item.name, item.place(row)), None
                row = after
        return fate("row"), row

    def _answer(self, sample: Sample) -> str | None:
        votes = all(item.may_vote(sample) for item in self._before.filters)
        answer = self._extract.answer(sample.text) if votes else None
        self._counts["answers/none" if answer is None else "answers/found"] += 1
        return answer

    def _selected(
        self, record: Record, samples: list[Sample], judged: Judged, scores: Sequence[float | None]
    ) -> Iterator[Candidate]:
        """A record's samples whose answer is the expected one; where picks decide, the most picked first."""
        verdicts = {sample.index: verdict for sample, verdict in zip(samples, judged.verdicts, strict=True)}
        candidates = [
            candidate(record, sample, answer, expected or "", score)
            for sample, answer, expected, score in zip(
                samples, judged.answers, judged.expected, scores, strict=True
            )
        ]
        if judged.picks is not None:
            picks = {one.index: count for one, count in zip(candidates, judged.picks, strict=True)}
            candidates.sort(key=lambda one: -picks[one.index])
        rate = judged.pass_rate(self._tried[record.id])
        for kept in self._before.apply(candidates):
            reason = self.refusal(judged, verdicts[kept.index]) or self._unwanted(rate)
            if reason is None:
                yield kept
            else:
                self._counts[f"selection/{reason}"] += 1

    def refusal(self, judged: Judged, verdict: Verdict | None) -> str | None:
        """Why a sample is not kept for its answer, or None."""
        if judged.truth == SET_ASIDE:
            return SET_ASIDE
        if verdict is None:
            return "no_answer"
        if judged.picks is not None and not any(judged.picks):
            return "no_pick"
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

    def _unwanted(self, rate: float) -> str | None:
        """Why a record with this share of right samples is not wanted, or None."""
        least, most = self._config.answers.min_pass_rate, self._config.answers.max_pass_rate
        if least is not None and rate < least:
            return "too_hard"
        return "too_easy" if most is not None and rate > most else None

    def _row(self, candidate: Candidate, judged: Judged) -> dict[str, Any]:
        solution = candidate.solution
        if self._config.publish.reasoning == "inline" and candidate.reasoning is not None:
            solution = joined(candidate.reasoning, solution, self._tags)
        row: dict[str, Any] = {
            "problem": candidate.problem,
            "generated_solution": solution,
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
            "reasoning": candidate.reasoning,
            "reasoning_tokens": candidate.reasoning_tokens,
            "ground_truth": judged.truth,
            "replaced_answer": judged.replaced,
            "pass_rate": None if judged.by_vote else judged.pass_rate(self._tried[candidate.record_id]),
            "score": candidate.score,
        }
        return row | {name: optional[name] for name in self.provenance}


class SolutionsSettling(Settling):
    """A record has enough when its vote is settled, or enough are right, as `adaptive.until` has it."""

    def __init__(self, config: Config) -> None:
        self._adaptive, self._most = config.adaptive, config.samples
        self._reducer = SolutionsReducer(config, config.samples)

    def __enter__(self) -> Self:
        self._reducer.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._reducer.close()

    def wanted(self, record: Record, samples: Sequence[Sample]) -> int:
        [(_, _, judged)] = self._reducer.judged([(record, list(samples))])
        there, adaptive = len(samples), self._adaptive
        if adaptive.until == "vote":
            enough = is_settled(judged.classes, self._most - there, adaptive.confidence)
        elif adaptive.until == "right":
            enough = judged.votes >= adaptive.right
        else:
            return math.ceil(self._most * (1 - judged.votes / there))
        return there if enough else self._most


def provenance(config: Config) -> tuple[str, ...]:
    """The optional columns of the published rows."""
    counted = hasattr(config, "teacher")  # nothing counts the tokens of imports
    publish = config.publish
    columns = ["reasoning"] if publish.reasoning == "column" else []
    if publish.provenance:
        if columns and counted:
            columns.append("reasoning_tokens")
        own = ["solution_tokens", "teacher"] if counted else []
        columns = ["record_id", "sample", "votes", "voters", "agreement", *own, *columns]
    columns += ["pass_rate"] if publish.pass_rate else []
    columns += ["ground_truth", "replaced_answer"] if config.answers.expected == "repair" else []
    columns += ["score"] if publish.provenance and config.answers.scores is not None else []
    return tuple(columns)


def tried(samples: Sequence[Sample]) -> int:
    """How many samples say something of their problem: all but those that failed."""
    return sum(sample.drawn and sample.error is None for sample in samples)


def tags_of(config: Config) -> Sequence[str]:
    """The tags around thinking where it is published inline."""
    teacher = getattr(config, "teacher", None)
    return config.reasoning_tags if teacher is None else teacher.reasoning_tags


def filter_options(config: Config) -> Chosen:
    """The filters a config turns on, in the order in which they run, as `filters.build` takes them."""
    otherwise = ", or turn the limit off with filters.max_tokens=null"
    teacher = getattr(config, "teacher", None)
    named = config.filters.tokenizer
    options = config.filters
    if teacher is None and named is None:
        # Nothing counts the tokens of imports. New runs are planned without a limit; older ones may have one.
        options = dataclasses.replace(options, **dict.fromkeys(token_limits("filters", options)))
    return chosen("filters", options, lambda: tokenizer_file(named, teacher, "filters", otherwise))


def _check_rates(config: Config) -> None:
    """Raises ConfigError when bounds of pass rates are not bounds."""
    answers, given = config.answers, config.data.pass_rate
    bounds = (answers.min_pass_rate or 0.0, 1.0 if answers.max_pass_rate is None else answers.max_pass_rate)
    if bounds[0] > bounds[1]:
        raise ConfigError(
            f"answers.min_pass_rate={bounds[0]:g}: more than answers.max_pass_rate={bounds[1]:g}"
        )
    if given and not (len(given) == 2 and 0 <= given[0] <= given[1] <= 1):
        raise ConfigError(f"data.pass_rate={given}: give the least and the most, such as [0,0.3]")


class Solutions(Task):
    """Problems are solved, and the solutions voted on, compared with a ground truth, and filtered."""

    name = DEFAULT_TASK
    about = "solve every problem `samples` times"
    position = 10
    sections = {"answers": Answers, "filters": Filters}
    reduced = ("answers", "filters")
    form = Form(DEFAULT_TASK, "solution", "concise")
    texts = Texts(
        right=lambda draw, request: solution_text(draw, right_answer(request)),
        wrong=lambda draw, request: solution_text(draw, wrong_answer(draw, right_answer(request))),
        malformed=unsolved_text,
    )
    schema = SOLUTIONS
    figures = ("answered", "single_accuracy", "voted_accuracy", "solved", "agreement")
    skipped = {"pass_rate": "of problems with another pass rate"}
    has_styles = False
    solves = True
    settles = True

    def check(self, config: Config) -> None:
        refuse_idle("filters", config.filters)
        _check_rates(config)
        answers = config.answers
        if answers.pattern is not None and "pattern" not in answers.methods:
            if config.data.answer_format != "pattern":
                raise ConfigError("answers.pattern: not used; add pattern to answers.methods, or omit it")
        if answers.expected == "picked" and hasattr(config, "teacher"):
            raise ConfigError(
                "answers.expected=picked: there is nothing to pick from yet; give it to jobs.reduce input=RUN"
            )
        if answers.expected == "picked" and answers.picks is None:
            raise ConfigError("answers.picks: missing; give the run of selections whose picks decide")
        check_scores(config)
        if answers.expected != "repair":
            for key, given in (
                ("repair", answers.repair != Repair()),
                ("second_opinion", answers.second_opinion is not None),
            ):
                if given:
                    raise ConfigError(f"answers.{key}: not used; set answers.expected=repair, or omit it")
        if answers.expected != "picked" and answers.picks is not None:
            raise ConfigError("answers.picks: not used; set answers.expected=picked, or omit it")
        try:
            Extractor(answers.methods, answers.pattern)
        except ValueError as error:
            raise ConfigError(f"answers: {error}") from error

    def content(self, config: Config, values: dict[str, Any]) -> None:
        """How many votes it takes, as the fingerprint has it.

        Once there was no limit unless one was given, and that was left out. So it still is, for 0 and 1 and
        where a ground truth decides; only the vote without a limit given has become another thing.
        """
        least = config.answers.min_votes
        # What the oracle does not know is voted on, too.
        truth = config.data.answer is not None and config.data.answer_format != "oracle"
        by_vote = not truth or config.answers.expected in ("majority", "repair")
        if least is None and by_vote:
            values["answers"]["min_votes"] = None
        elif least is not None and least <= 1:
            values["answers"].pop("min_votes", None)

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        return read_records(config.data, config.answers.pattern, skipped)

    def records_of_run(
        self, config: Config, solved: Config, windows: Iterable[Sequence[Reading]], skipped: Skipped
    ) -> Iterator[Record]:
        """The records of a run of whose samples a share in `data.pass_rate` is right."""
        least, most = config.data.pass_rate
        ordinal = 0
        with SolutionsReducer(solved, None) as reducer:
            for window in windows:
                judged = reducer.judged(window)
                for (record, samples), (_, _, outcome) in zip(window, judged, strict=True):
                    if not least <= outcome.pass_rate(tried(samples)) <= most:
                        skipped.add("pass_rate", f"record {record.ordinal}")
                        continue
                    yield dataclasses.replace(record, ordinal=ordinal)
                    ordinal += 1
                    if ordinal == config.data.limit:
                        return

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        extract = Extractor(config.answers.methods, config.answers.pattern)
        return lambda text: extract.answer(text) is not None

    def filters(self, config: Config) -> Chosen:
        return filter_options(config)

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> SolutionsReducer:
        return SolutionsReducer(config, samples)

    def settling(self, config: Config) -> Settling:
        return SolutionsSettling(config)

    def shares(self, counts: Counts) -> dict[str, tuple[float, float]]:
        repair, second = counts.get("repair", {}), counts.get("second_opinion", {})
        scores = counts.get("scores", {})
        picks = counts.get("picks", {})
        records, truths = picks.get("records", 0), picks.get("truth_records", 0)
        judged = sum(repair.values())
        return {
            "ground truths that were kept": (repair.get(KEPT, 0), judged),
            "ground truths that the majority replaced": (repair.get(REPAIRED, 0), judged),
            "problems set aside": (repair.get(SET_ASIDE, 0), judged),
            "replacements that the second opinion confirms": (second.get("same", 0), sum(second.values())),
            "picked answers that are the majority's": (picks.get("majority", 0), records),
            "picked answers equal to the ground truth": (picks.get("picked_equal", 0), truths),
            "majority answers of the same problems equal to it": (picks.get("voted_equal", 0), truths),
            "best-scored samples equal to the ground truth": (
                scores.get("best_equal", 0),
                scores.get("truth_records", 0),
            ),
        }

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        votes = f", {row['votes']} of {row['voters']} votes" if row.get("votes") is not None else ""
        return f"{row['expected_answer']}{votes}", [row["problem"], row["generated_solution"]]


TASK = Solutions()
