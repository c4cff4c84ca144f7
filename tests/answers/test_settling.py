"""When a vote is settled: nothing that is still to come can change it, or its lead is sure enough."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.answers.settling import is_settled, lead_probability

TABLE: list[tuple[str, list[int | None], int, bool]] = [
    ("nobody voted", [None, None], 1, False),
    ("nobody voted, and nobody will", [None, None], 0, True),
    ("all are there", [0, 1, 1, 0], 0, True),
    ("more than half of all", [0, 0, 0, 1], 2, True),
    ("a rival that draws level is later", [0, 0, 0, 1], 3, False),
    ("a tie goes to the first", [0, 0, 1], 1, True),
    ("a rival that draws level is earlier", [0, 1, 1], 1, False),
    ("one that nobody has seen yet is the last", [0, 0], 2, True),
    ("one that nobody has seen yet takes it", [0, 0], 3, False),
    ("no answer is no vote", [None, None, 0, 0], 3, False),
]


@pytest.mark.parametrize(
    ("classes", "left", "settled"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_a_vote_is_settled_when_nothing_can_overtake_it(
    classes: list[int | None], left: int, settled: bool
) -> None:
    assert is_settled(classes, left) is settled


def winner(classes: list[int | None]) -> int | None:
    voted = [number for number in classes if number is not None]
    return max(voted, key=lambda number: (voted.count(number), -number)) if voted else None


def numbered(drawn: list[int | None]) -> list[int | None]:
    """Numbers of classes in the order of their first samples, as a vote has them."""
    order = [name for name in dict.fromkeys(drawn) if name is not None]
    return [None if name is None else order.index(name) for name in drawn]


@given(st.lists(st.sampled_from([0, 1, 2, None]), min_size=1, max_size=7), st.integers(0, 4))
def test_it_is_settled_exactly_when_every_ending_has_the_same_winner(
    drawn: list[int | None], left: int
) -> None:
    now = numbered(drawn)
    endings = {winner([*now, *rest]) for rest in product([None, 0, 1, 2, 3], repeat=left)}
    assert is_settled(now, left) is (endings == {winner(now)})


@pytest.mark.parametrize(
    ("lead", "second", "probability"),
    [(1, 1, Fraction(1, 2)), (1, 0, Fraction(3, 4)), (4, 0, Fraction(31, 32)), (3, 1, Fraction(13, 16))],
)
def test_the_probability_of_a_lead_is_that_of_a_beta_distribution(
    lead: int, second: int, probability: Fraction
) -> None:
    # Beta(lead + 1, second + 1) above 1/2, e.g. (1, 0): the integral of 2p from 1/2 to 1.
    assert lead_probability(lead, second) == probability


def test_a_sure_lead_ends_a_vote_that_could_still_be_overtaken() -> None:
    assert not is_settled([0, 0, 0, 0], 60)
    assert is_settled([0, 0, 0, 0], 60, confidence=0.95)
    assert not is_settled([0, 0, 0, 0], 60, confidence=0.97)
    assert not is_settled([0, 0, 0, 1], 60, confidence=0.95)


def test_a_lead_at_95_per_cent_is_wrong_in_5_per_cent_of_votes_between_two() -> None:
    draw = Random(0)
    wrong = ended = 0
    for _ in range(1000):
        share, votes = draw.random(), []
        while len(votes) < 200:
            votes.append(int(draw.random() > share))
            if is_settled(numbered(votes), 200 - len(votes), confidence=0.95):
                ended += 1
                leading = votes[0] if winner(numbered(votes)) == 0 else 1 - votes[0]
                wrong += leading != int(share < 0.5)
                break
    assert ended > 950
    assert wrong / ended < 0.05 + 3 * (0.05 * 0.95 / ended) ** 0.5
