r"""Majority votes over equivalence classes of answers.

The distinct answers of a record are taken most frequent first (equal counts by their text), and each joins
the first class whose representative it equals, or founds one. A class's representative is thus its most
frequent spelling. The result depends on the multiset of answers only; sample order decides nothing but ties.

Sameness under a lenient policy is not transitive (`10 cm` = `10` = `10 m`): membership means "equals the
representative". UNKNOWN never joins. Two bounds keep hostile records cheap: answers beyond the `MAX_DISTINCT`
most frequent ones are classes of their own, and a record asks workers at most `MAX_SLOW` times; what is not
asked is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from omi_core.answers.grader import Grader
from omi_core.answers.policy import Verdict

MAX_DISTINCT = 256
MAX_SLOW = 256


@dataclass(frozen=True, slots=True)
class Vote:
    """Outcome for one record with `voters` answers that are not None.

    `answer` is the winning class's most frequent spelling (ties: the one that comes first), None without
    voters; `members` are the positions of its samples, ascending; `votes` their number. `classes` has for
    every sample the number of its class, from 0 in the order of their first samples; None did not vote.
    """

    answer: str | None
    members: tuple[int, ...]
    votes: int
    voters: int
    classes: tuple[int | None, ...]

    @property
    def agreement(self) -> float:
        """Share of voters in the winning class, 0 without voters."""
        return self.votes / self.voters if self.voters else 0.0


@dataclass(slots=True)
class _Ballot:
    size: int
    positions: dict[str, list[int]]
    queue: list[str]
    classes: list[list[str]] = field(default_factory=list)
    slow: int = 0


def vote(answers: Sequence[str | None], grader: Grader) -> Vote:
    """The majority among one record's answers; None does not vote."""
    return vote_many([answers], grader)[0]


def vote_many(records: Sequence[Sequence[str | None]], grader: Grader) -> list[Vote]:
    """One `Vote` per record. Records advance together, so that workers get the questions of many at once."""
    ballots = [_ballot(answers) for answers in records]
    turn = 0
    while any(turn < len(ballot.queue) for ballot in ballots):
        _advance([b for b in ballots if turn < len(b.queue)], turn, grader)
        turn += 1
    return [_result(ballot) for ballot in ballots]


def _ballot(answers: Sequence[str | None]) -> _Ballot:
    positions: dict[str, list[int]] = {}
    for at, answer in enumerate(answers):
        if answer is not None:
            positions.setdefault(answer, []).append(at)
    return _Ballot(
        len(answers), positions, sorted(positions, key=lambda answer: (-len(positions[answer]), answer))
    )


def _advance(ballots: Sequence[_Ballot], turn: int, grader: Grader) -> None:
    """Place each ballot's answer number `turn`: first by what is known at once, then by the workers."""
    open_questions: list[tuple[_Ballot, list[int]]] = []
    for ballot in ballots:
        answer = ballot.queue[turn]
        if turn >= MAX_DISTINCT:
            ballot.classes.append([answer])
            continue
        undecided: list[int] = []
        for at, members in enumerate(ballot.classes):
            verdict = grader.quick(answer, members[0])
            if verdict is Verdict.EQUAL:
                members.append(answer)
                break
            if verdict is None:
                undecided.append(at)
        else:
            undecided = undecided[: MAX_SLOW - ballot.slow]
            ballot.slow += len(undecided)
            open_questions.append((ballot, undecided))
    pairs = [(b.queue[turn], b.classes[at][0]) for b, undecided in open_questions for at in undecided]
    verdicts = iter(grader.compare_many(pairs))
    for ballot, undecided in open_questions:
        equal = [at for at in undecided if next(verdicts) is Verdict.EQUAL]
        if equal:
            ballot.classes[equal[0]].append(ballot.queue[turn])
        else:
            ballot.classes.append([ballot.queue[turn]])


def _result(ballot: _Ballot) -> Vote:
    voters = sum(map(len, ballot.positions.values()))
    if not voters:
        return Vote(None, (), 0, 0, (None,) * ballot.size)
    groups = [
        (sorted(at for answer in members for at in ballot.positions[answer]), members)
        for members in ballot.classes
    ]
    groups.sort(key=lambda group: group[0][0])
    classes: list[int | None] = [None] * ballot.size
    for number, (positions, _) in enumerate(groups):
        for at in positions:
            classes[at] = number
    positions, members = max(groups, key=lambda group: len(group[0]))  # of equal ones the first
    answer = min(members, key=lambda a: (-len(ballot.positions[a]), ballot.positions[a][0]))
    return Vote(answer, tuple(positions), len(positions), voters, tuple(classes))
