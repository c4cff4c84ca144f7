r"""Majority votes: equivalence classes, ties by the lowest sample index, bounds for hostile records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.answers import Grader, Vote, vote, vote_many, voting
from omi_core.answers.pool import Pool


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1) as grader:
        yield grader


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], Vote(None, (), 0, 0, ())),
        ([None, None], Vote(None, (), 0, 0, (None, None))),
        (["5"], Vote("5", (0,), 1, 1, (0,))),
        (["5", None, "6", "5"], Vote("5", (0, 3), 2, 3, (0, None, 1, 0))),
        (
            ["0.5", r"\frac12", "2", "1/2"],
            Vote("0.5", (0, 1, 3), 3, 4, (0, 0, 1, 0)),
        ),  # spelt three ways, once each
        (
            ["7", "0.5", "1/2", "1/2"],
            Vote("1/2", (1, 2, 3), 3, 4, (0, 1, 1, 1)),
        ),  # the most frequent spelling wins
        (
            ["6", "5", "5", "6"],
            Vote("6", (0, 3), 2, 4, (0, 1, 1, 0)),
        ),  # a tie: the class that was sampled first
        (["x", "y", "z"], Vote("x", (0,), 1, 3, (0, 1, 2))),
        (
            [r"\sqrt{3+2\sqrt2}", "1", r"1+\sqrt2"],
            Vote(r"\sqrt{3+2\sqrt2}", (0, 2), 2, 3, (0, 1, 0)),
        ),  # by a worker
        (
            ["10^{10^{10}}", "9^{9^{9^9}}", "3"],
            Vote("10^{10^{10}}", (0,), 1, 3, (0, 1, 2)),
        ),  # UNKNOWN joins nothing
    ],
)
def test_majority(answers: list[str | None], expected: Vote, grader: Grader) -> None:
    assert vote(answers, grader) == expected


def test_agreement_is_the_share_of_voters() -> None:
    assert Vote("5", (0, 3), 2, 3, (0, None, 1, 0)).agreement == pytest.approx(2 / 3)
    assert Vote(None, (), 0, 0, ()).agreement == 0


def test_sameness_that_is_not_transitive_goes_by_the_most_frequent_spelling(grader: Grader) -> None:
    result = vote(["10 cm", r"10\text{ m}", "10", "10"], grader)
    assert (result.answer, result.votes, result.classes) == ("10", 4, (0, 0, 0, 0))
    result = vote(["10 cm", r"10\text{ m}", "10 cm", "10"], grader)
    assert (result.answer, result.members, result.classes) == ("10 cm", (0, 2, 3), (0, 1, 0, 0))


POOL = ["1", "1.0", "2", r"\frac{4}{2}", "x", "x=1", "(1,2)", "1,2", "2,1", "10 cm", "10", "10 kg", None]


def same_classes(one: Sequence[int | None], other: Sequence[int | None]) -> bool:
    """Do both put the same samples together, however they number the classes?"""
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@given(st.lists(st.sampled_from(POOL), max_size=12), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_of_samples_decides_nothing_but_ties(answers: list[str | None], rng) -> None:
    grader = Grader()
    order = list(range(len(answers)))
    rng.shuffle(order)
    first, second = vote(answers, grader), vote([answers[at] for at in order], grader)
    assert (first.votes, first.voters) == (second.votes, second.voters)
    placed = [
        None if answer is None else second.classes[order.index(at)] for at, answer in enumerate(answers)
    ]
    assert same_classes(first.classes, placed)
    members = {tuple(sorted(order[at] for at in second.members))}
    if first.members not in members:  # then another class has as many votes
        assert len(set(first.members) & set(*members)) == 0
    assert first.answer is None or answers[first.members[0]] is not None


@given(st.lists(st.lists(st.sampled_from(POOL), max_size=8), max_size=6))
@settings(deadline=None)
def test_records_do_not_influence_each_other(records: list[list[str | None]]) -> None:
    grader = Grader()
    assert vote_many(records, grader) == [vote(answers, Grader()) for answers in records]


def test_hostile_records_stay_cheap(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [f"{n}" for n in range(2000)] + ["7"]
    assert vote(many, grader).answer == "7"
    slow = [rf"\sin^2 {letter} + \cos^2 {letter} + {n}" for letter in "xyzuvw" for n in range(2)]
    monkeypatch.setattr(voting, "MAX_SLOW", 5)
    with patch.object(Pool, "judge", autospec=True, side_effect=Pool.judge) as judge:
        result = vote(slow, grader)
    assert sum(len(call.args[1]) for call in judge.call_args_list) <= 5
    assert result.voters == len(slow)
