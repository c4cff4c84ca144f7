"""What every task's reduce has in common: records with their samples in, rows and counts out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from omi_core.answers import Grader, Verdict, WorkerLimits
from omi_core.answers.yes_no import read_yes_no
from omi_core.filters.chain import FilterChain
from omi_core.finish import UNCLOSED, UNNEEDED
from omi_core.records import Candidate, Record, Sample
from omi_core.tasks.settings import Config

Reading = tuple[Record, list[Sample]]
# A row as filters have left it; or None, the filter that dropped it, and the place in the text it once had.
Walked = tuple[Candidate | None, str, tuple[int, int] | None]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one sample.

    `outcome` is "row", or the name that it is counted under where it is none; "" where only the whole run
    tells. `group` is the class of its answer in the vote, `place` where in the text a filter found what it
    drops.
    """

    sample: Sample
    outcome: str
    answer: str | None = None
    group: int | None = None
    verdict: str | None = None
    place: tuple[int, int] | None = None

    @property
    def right(self) -> bool:
        """Whether its answer is the expected one."""
        return self.verdict in _RIGHT


# As the tasks `solutions` and `evaluations` have it.
_RIGHT = (Verdict.EQUAL.value, "right")


class Reducer(ABC):
    """Turns readings into published rows and counts everything on the way; a context manager.

    A subclass writes `_rows`, and names in `chains` the filters that its samples go through. What it drops
    otherwise it counts as `selection/REASON`. `provenance` are the optional columns of its rows. `samples` is
    how many a record has when it is complete; None: those that are there are filtered. `judges`: its fates
    have verdicts.
    """

    judges: ClassVar[bool] = False

    def __init__(self, config: Config, samples: int | None) -> None:
        self.chains: tuple[FilterChain, ...] = ()
        self.provenance: tuple[str, ...] = ()
        teacher = getattr(config, "teacher", None)
        self._teacher = None if teacher is None else teacher.name
        self._counts: Counter[str] = Counter()
        self._samples = samples

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027
        """Frees what the reducer holds."""

    def reduce(self, window: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        """The rows that a window of records leaves, in order of record and sample."""
        for row in self._rows([(record, self._answered(samples)) for record, samples in window]):
            self._counts["rows"] += 1
            yield row
        for _, samples in window:
            made = len(_drawn(samples))
            self._counts["records"] += 1
            self._counts["samples"] += made
            if made < len(samples):
                self._counts["unneeded"] += len(samples) - made
            self._counts["records_without_samples"] += not samples
            if self._samples is not None:
                self._counts["missing_samples"] += self._samples - len(samples)

    @abstractmethod
    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        """The rows of a window, from records with their samples that came to an answer."""

    def fates(self, window: Sequence[Reading]) -> Iterator[list[Fate]]:
        """What became of each sample of each record of a window, as far as the record alone tells."""
        ended = [(record, self._answered(samples)) for record, samples in window]
        for (_, samples), told in zip(window, self._fates(ended), strict=True):
            yield [told.get(sample.index) or Fate(sample, _failure(sample) or "") for sample in samples]

    def _fates(self, usable: Sequence[Reading]) -> Iterator[dict[int, Fate]]:
        """Of each record what became of its samples that came to an answer, by their index."""
        return ({} for _ in usable)

    def counts(self) -> dict[str, Any]:
        """Nested counts so far.

        Raises:
            AssertionError: a sample is not accounted for.
        """
        chains = {name: count for chain in self.chains for name, count in chain.counts()["filters"].items()}
        nested: dict[str, Any] = {"filters": chains}
        for key, value in self._counts.items():
            at = nested
            *path, leaf = key.split("/")
            for name in path:
                at = at.setdefault(name, {})
            at[leaf] = value
        dropped = sum(count["dropped"] for count in chains.values())
        accounted = self._counts["quarantined"] + dropped + self._used()
        accounted += sum(value for key, value in self._counts.items() if key.startswith("selection/"))
        if accounted != self._counts["samples"]:
            raise AssertionError(
                f"{self._counts['samples']} samples came in and {accounted} are accounted for"
            )
        if self._used() != self._counts["rows"]:
            nested["used"] = self._used()
        return nested

    def _used(self) -> int:
        """Samples that are in a row: one each, unless a subclass says otherwise."""
        return self._counts["rows"]

    def _answered(self, samples: list[Sample]) -> list[Sample]:
        samples = _drawn(samples)
        if not samples:
            return []
        counts = self._counts
        counts["tokens/prompt"] += sum([sample.prompt_tokens for sample in samples])
        counts["tokens/completion"] += sum([sample.completion_tokens for sample in samples])
        reasons = Counter([sample.finish_reason for sample in samples])
        for reason, number in reasons.items():
            counts[f"finish/{reason}"] += number
        if UNCLOSED in reasons:
            counts["selection/unclosed_reasoning"] += reasons[UNCLOSED]
        for sample in samples:
            if sample.reasoning is not None:
                counts["tokens/reasoning"] += sample.reasoning_tokens
            if sample.error is not None:
                counts["quarantined"] += 1
                counts[f"errors/{sample.error.partition(':')[0]}"] += 1
        return [sample for sample in samples if sample.error is None and sample.finish_reason != UNCLOSED]


class EverySample(Reducer):
    """Each sample becomes a row, also one that failed or never came to an answer."""

    def _answered(self, samples: list[Sample]) -> list[Sample]:
        super()._answered(samples)
        return samples

    def _fates(self, usable: Sequence[Reading]) -> Iterator[dict[int, Fate]]:
        return ({sample.index: Fate(sample, "row") for sample in samples} for _, samples in usable)

    def _used(self) -> int:
        """Samples that failed, or never came to an answer, are accounted for already."""
        counts = self._counts
        return counts["rows"] - counts["quarantined"] - counts["selection/unclosed_reasoning"]


class YesNoReplies(Reducer):
    """Samples are a judge's replies, several of which make a row, or none."""

    def _used(self) -> int:
        return sum(value for key, value in self._counts.items() if key.startswith("replies/"))

    def _read(self, sample: Sample) -> str | None:
        """What a reply says, counted: YES, NO, or None where it says neither."""
        answer = read_yes_no(sample.text, finished=sample.finish_reason != "length")
        self._counts[f"replies/{answer or 'unclear'}"] += 1
        return answer


def walk(chain: FilterChain, rows: Sequence[Candidate], texts: Sequence[str]) -> list[Walked]:
    """What filters make of each of these rows, of texts that were once `texts`."""
    now: list[Candidate] = list(rows)
    walked: list[Walked] = [(row, "row", None) for row in rows]
    left = range(len(now))
    for item in chain.filters:
        for at, after in zip(left, item.apply([now[at] for at in left]), strict=True):
            if after is None:
                place = _place_before(item.place(now[at]), now[at].solution, texts[at])
                walked[at] = None, item.name, place
            else:
                now[at] = after
                walked[at] = after, "row", None
        left = [at for at in left if walked[at][0] is not None]
    return walked


def _place_before(place: tuple[int, int] | None, solution: str, text: str) -> tuple[int, int] | None:
    """A place in a solution that filters have rewritten, as one in the text that it was made of."""
    if place is None or solution == text:
        return place
    start, end = place
    # Most only cut at the ends. Of what others have rewritten the place itself is looked for.
    if (at := text.find(solution)) >= 0:
        return start + at, end + at
    at = text.find(solution[start:end])
    return (at, at + end - start) if at >= 0 else None


def _failure(sample: Sample) -> str | None:
    """The name under which a sample is counted that never was one, or never came to an answer."""
    if not sample.drawn:
        return UNNEEDED
    if sample.error is not None:
        return "quarantined"
    return "unclosed_reasoning" if sample.finish_reason == UNCLOSED else None


def _drawn(samples: list[Sample]) -> list[Sample]:
    """Those that are samples, and do not only say that none was needed."""
    return [sample for sample in samples if sample.finish_reason != UNNEEDED]


def open_grader(config: Config) -> Grader:
    """The grader of a run's answers, to be closed; its workers have the limits that the options set."""
    answers = config.answers
    limits = WorkerLimits(cpu_seconds=answers.deadline, memory_bytes=int(answers.memory_gb * 2**30))
    return Grader(answers.policy, workers=config.cluster.workers or None, limits=limits)


def candidate(
    record: Record,
    sample: Sample,
    answer: str | None = None,
    expected: str = "",
    score: float | None = None,
) -> Candidate:
    """A sample on its way through the filters."""
    return Candidate(
        record.text,
        sample.text,
        answer,
        expected,
        record.source,
        sample.finish_reason,
        record.id,
        sample.index,
        sample.completion_tokens - sample.reasoning_tokens,
        sample.reasoning,
        sample.reasoning_tokens,
        score,
    )
