"""Judging records: the vote of their samples, the comparison with the ground truth, and what both come to."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from omi_core.answers import Grader, Verdict, Vote, count_draws, vote_many
from omi_core.answers.answer_options import Repair
from omi_core.records import Record

_PPM = 1_000_000
KEPT, REPAIRED, SET_ASIDE = "kept", "repaired", "set_aside"

# What an answer is held against, and what came of it; None for a sample without an answer.
Held = tuple[str | None, Verdict | None]


@dataclass(frozen=True, slots=True)
class Judged:
    """One record's outcome: of each sample its answer, the expected one it is held against, and the verdict.

    The expected answer is the same for all samples, but where the ground truth is any of several: there it is
    the one that the sample equals, else the first. `votes` of the `voters` (samples with an answer) gave it.
    `by_vote` tells that it is the majority's, not a ground truth. `classes` are those of the `Vote`. `picks`
    says how often each sample was picked, where that decides. `truth` tells what became of a ground truth
    that may be repaired, None where it may not; `replaced` is one in whose place the majority stands.
    """

    expected: list[str | None]
    answers: list[str | None]
    verdicts: list[Verdict | None]
    by_vote: bool
    classes: tuple[int | None, ...]
    picks: Sequence[int] | None = None
    truth: str | None = None
    replaced: str | None = None
    voters: int = field(init=False)
    votes: int = field(init=False)

    def __post_init__(self) -> None:
        # Every sample of the record asks for them, so they are not counted anew each time.
        object.__setattr__(self, "voters", sum(verdict is not None for verdict in self.verdicts))
        object.__setattr__(self, "votes", sum(verdict is Verdict.EQUAL for verdict in self.verdicts))

    @property
    def agreement(self) -> float:
        return self.votes / self.voters if self.voters else 0.0

    def pass_rate(self, tried: int) -> float:
        """The share of `tried` samples whose answer is the expected one; 0 of none."""
        return self.votes / tried if tried else 0.0

    @property
    def contested(self) -> bool:
        """Whether the vote was decided by a single voice against others."""
        return self.by_vote and self.votes == 1 < self.voters


class Judge:
    """Votes on records and compares every answer with the ground truth, in bulk.

    The expected answer is the ground truth where there is one and `expected` is "truth", else the majority's;
    or, where picks are given, the one whose samples were picked most often. With "repair" a ground truth
    stands where `repair.keep` samples agree with it; where none does, a majority of `repair.share` of all
    samples takes its place, if `opinion(problem)`, where there is one, is the same answer; else the record is
    set aside. Outcomes are added to `counts`.
    Votes of fewer samples are drawn from the first `most_drawn` of a record, or from all.
    """

    def __init__(
        self,
        grader: Grader,
        expected: str,
        counts: Counter[str],
        most_drawn: int | None = None,
        repair: Repair | None = None,
        opinion: Callable[[str], str | None] | None = None,
    ) -> None:
        self._most_drawn = most_drawn
        self._repair = repair if expected == "repair" else None
        self._opinion = opinion
        self._grader = grader
        self._expected = expected
        self._counts = counts

    def judge(
        self,
        records: Sequence[Record],
        answers: Sequence[list[str | None]],
        picks: Sequence[Sequence[int]] | None = None,
    ) -> list[Judged]:
        """The outcome of each record, from the answers of its samples (None: the sample has none).

        `picks` are of each record how often its samples were picked.
        """
        votes = vote_many(answers, self._grader)
        pairs: list[tuple[str, str]] = []
        for record, given in zip(records, answers, strict=True):
            found = [answer for answer in given if answer is not None]
            pairs += [(right, answer) for answer in found for right in record.right_answers]
        graded = iter(self._grader.compare_many(pairs))
        held_of: list[list[Held] | None] = []
        for record, given, vote in zip(records, answers, votes, strict=True):
            held = None
            if record.expected_answer is not None:
                held = [self._held(record, answer, graded) for answer in given]
                self._count_truth([verdict for _, verdict in held], vote)
            held_of.append(held)
            self._count_vote(vote)
        out = []
        picked = picks if picks is not None else [None] * len(records)
        truths = self._truths(records, held_of, votes)
        for record, given, held, vote, counts, truth in zip(
            records, answers, held_of, votes, picked, truths, strict=True
        ):
            outcome = self._outcome(given, held, vote, counts, truth)
            if outcome.truth == REPAIRED:
                outcome = dataclasses.replace(outcome, replaced=record.expected_answer)
            out.append(outcome)
        return out

    def _truths(
        self, records: Sequence[Record], held: Sequence[list[Held] | None], votes: Sequence[Vote]
    ) -> list[str | None]:
        """What becomes of each ground truth that may be repaired."""
        if self._repair is None:
            return [None] * len(records)
        truths = [
            None if each is None else _repaired(self._repair, [verdict for _, verdict in each], vote)
            for each, vote in zip(held, votes, strict=True)
        ]
        if self._opinion is not None:
            repaired = [at for at, truth in enumerate(truths) if truth == REPAIRED]
            opinions = [(at, self._opinion(records[at].text)) for at in repaired]
            pairs = [(answer, votes[at].answer) for at, answer in opinions if answer is not None]
            verdicts = iter(self._grader.compare_many([(a, b) for a, b in pairs if b is not None]))
            for at, answer in opinions:
                said = "none" if answer is None else "same" if next(verdicts) is Verdict.EQUAL else "other"
                self._counts[f"second_opinion/{said}"] += 1
                if said != "same":
                    truths[at] = SET_ASIDE
        self._counts.update(f"repair/{truth}" for truth in truths if truth is not None)
        return truths

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

    def _outcome(
        self,
        given: list[str | None],
        held: list[Held] | None,
        vote: Vote,
        picks: Sequence[int] | None,
        truth: str | None,
    ) -> Judged:
        if picks is not None:
            return self._picked(given, held, vote, picks)
        if truth == SET_ASIDE:
            nothing: list[str | None] = [None] * len(given)
            return Judged(nothing, given, _verdicts(given, ()), False, vote.classes, truth=truth)
        if held is not None and (self._expected == "truth" or truth == KEPT):
            expected, verdicts = [right for right, _ in held], [verdict for _, verdict in held]
            return Judged(expected, given, verdicts, by_vote=False, classes=vote.classes, truth=truth)
        majority = _verdicts(given, vote.members)
        answer = [vote.answer] * len(given)
        judged = Judged(answer, given, majority, by_vote=True, classes=vote.classes, truth=truth)
        if judged.contested:
            self._counts["votes/single_vote"] += 1
        return judged

    def _picked(
        self, given: list[str | None], held: list[Held] | None, vote: Vote, picks: Sequence[int]
    ) -> Judged:
        """The class of answers that was picked most often; of equal ones the larger, then the earlier."""
        sizes, tally = Counter(vote.classes), Counter[int]()
        for number, count in zip(vote.classes, picks, strict=True):
            if number is not None:
                tally[number] += count
        best = max(tally, key=lambda number: (tally[number], sizes[number], -number), default=-1)
        if not tally[best]:
            self._counts["picks/records_without"] += 1
            nothing: list[str | None] = [None] * len(given)
            none = [0] * len(given)
            return Judged(nothing, given, _verdicts(given, ()), False, vote.classes, none)
        members = [at for at, number in enumerate(vote.classes) if number == best]
        self._counts["picks/records"] += 1
        self._counts["picks/majority"] += members[0] in vote.members
        if held is not None:
            self._counts["picks/truth_records"] += 1
            for name, chosen in (("picked", members), ("voted", vote.members)):
                equal = any(held[at][1] is Verdict.EQUAL for at in chosen)
                self._counts[f"picks/{name}_equal"] += equal
        spelt = Counter(given[at] for at in members).most_common(1)[0][0]  # of equal ones the first
        return Judged([spelt] * len(given), given, _verdicts(given, members), False, vote.classes, picks)

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
        for drawn in count_draws(vote.classes[: self._most_drawn], verdicts[: self._most_drawn]):
            path = f"truth/draws/{drawn.size}"
            self._counts[f"{path}/draws"] += drawn.number
            self._counts[f"{path}/majority"] += drawn.majority
            self._counts[f"{path}/solved"] += drawn.solved


def _repaired(repair: Repair, verdicts: Sequence[Verdict | None], vote: Vote) -> str:
    """What becomes of a ground truth, by the verdicts of the samples on it and their own vote."""
    agree = sum(verdict is Verdict.EQUAL for verdict in verdicts)
    if agree >= repair.keep:
        return KEPT
    return (
        REPAIRED if not agree and vote.votes > 1 and vote.votes >= repair.share * len(verdicts) else SET_ASIDE
    )


def _verdicts(given: Sequence[str | None], members: Sequence[int]) -> list[Verdict | None]:
    """The verdicts on samples by whether they are among these; None for one without an answer."""
    right = set(members)
    return [
        None if answer is None else Verdict.EQUAL if at in right else Verdict.NOT_EQUAL
        for at, answer in enumerate(given)
    ]
