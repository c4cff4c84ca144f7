"""Judging records: the vote of their samples, the comparison with the ground truth, and what both come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from omi_core.answers import Grader, Verdict, Vote, count_draws, vote_many
from omi_core.records import Record

_PPM = 1_000_000

# What an answer is held against, and what came of it; None for a sample without an answer.
Held = tuple[str | None, Verdict | None]


@dataclass(frozen=True, slots=True)
class Judged:
    """One record's outcome: of each sample its answer, the expected one it is held against, and the verdict.

    The expected answer is the same for all samples, but where the ground truth is any of several: there it is
    the one that the sample equals, else the first. `votes` of the `voters` (samples with an answer) gave it.
    `by_vote` tells that it is the majority's, not a ground truth. `classes` are those of the `Vote`.
    """

    expected: list[str | None]
    answers: list[str | None]
    verdicts: list[Verdict | None]
    by_vote: bool
    classes: tuple[int | None, ...]
    voters: int = field(init=False)
    votes: int = field(init=False)

    def __post_init__(self) -> None:
        # Every sample of the record asks for them, so they are not counted anew each time.
        object.__setattr__(self, "voters", sum(verdict is not None for verdict in self.verdicts))
        object.__setattr__(self, "votes", sum(verdict is Verdict.EQUAL for verdict in self.verdicts))

    @property
    def agreement(self) -> float:
        return self.votes / self.voters if self.voters else 0.0

    @property
    def contested(self) -> bool:
        """Whether the vote was decided by a single voice against others."""
        return self.by_vote and self.votes == 1 < self.voters


class Judge:
    """Votes on records and compares every answer with the ground truth, in bulk.

    The expected answer is the ground truth where there is one and `expected` is "truth", else the majority's.
    Outcomes are added to `counts`.
    """

    def __init__(self, grader: Grader, expected: str, counts: Counter[str]) -> None:
        self._grader = grader
        self._expected = expected
        self._counts = counts

    def judge(self, records: Sequence[Record], answers: Sequence[list[str | None]]) -> list[Judged]:
        """The outcome of each record, from the answers of its samples (None: the sample has none)."""
        votes = vote_many(answers, self._grader)
        pairs: list[tuple[str, str]] = []
        for record, given in zip(records, answers, strict=True):
            found = [answer for answer in given if answer is not None]
            pairs += [(right, answer) for answer in found for right in record.right_answers]
        graded = iter(self._grader.compare_many(pairs))
        out = []
        for record, given, vote in zip(records, answers, votes, strict=True):
            held = None
            if record.expected_answer is not None:
                held = [self._held(record, answer, graded) for answer in given]
                self._count_truth([verdict for _, verdict in held], vote)
            self._count_vote(vote)
            out.append(self._outcome(given, held, vote))
        return out

    def _held(self, record: Record, answer: str | None, graded: Iterator[Verdict]) -> Held:
        """An answer against the ground truth, by the next verdicts: it need equal only one of several."""
        if answer is None:
            return record.expected_answer, None
        verdicts = {right: next(graded) for right in record.right_answers}
        for right, verdict in verdicts.items():
            if verdict is Verdict.EQUAL:
                return right, verdict
        unequal = set(verdicts.values()) == {Verdict.NOT_EQUAL}
        return record.expected_answer, Verdict.NOT_EQUAL if unequal else Verdict.UNKNOWN

    def _outcome(self, given: list[str | None], held: list[Held] | None, vote: Vote) -> Judged:
        if held is not None and self._expected == "truth":
            expected, verdicts = [right for right, _ in held], [verdict for _, verdict in held]
            return Judged(expected, given, verdicts, by_vote=False, classes=vote.classes)
        members = set(vote.members)
        majority: list[Verdict | None] = [
            None if answer is None else Verdict.EQUAL if at in members else Verdict.NOT_EQUAL
            for at, answer in enumerate(given)
        ]
        judged = Judged([vote.answer] * len(given), given, majority, by_vote=True, classes=vote.classes)
        if judged.contested:
            self._counts["votes/single_vote"] += 1
        return judged

    def _count_vote(self, vote: Vote) -> None:
        if vote.voters:
            self._counts["votes/records"] += 1
            self._counts["votes/voters"] += vote.voters
            self._counts["votes/votes"] += vote.votes
            self._counts["votes/agreement_ppm"] += round(vote.agreement * _PPM)
            self._counts[f"votes/histogram/{min(vote.votes * 10 // vote.voters, 9)}"] += 1

    def _count_truth(self, verdicts: list[Verdict | None], vote: Vote) -> None:
        self._counts["truth/records"] += 1
        self._counts["truth/samples"] += len(verdicts)
        for verdict in verdicts:
            self._counts[f"truth/{'no_answer' if verdict is None else verdict.value}"] += 1
        self._counts["truth/records_solved"] += Verdict.EQUAL in verdicts
        # The members of a class are equal to each other, so any of them speaks for the majority.
        self._counts["truth/majority_equal"] += any(verdicts[at] is Verdict.EQUAL for at in vote.members)
        for drawn in count_draws(vote.classes, verdicts):
            path = f"truth/draws/{drawn.size}"
            self._counts[f"{path}/draws"] += drawn.number
            self._counts[f"{path}/majority"] += drawn.majority
            self._counts[f"{path}/solved"] += drawn.solved
