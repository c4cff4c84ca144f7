"""Verdicts: each claim by the rule, all of them corrected together, and sentences that say what was found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.study.crossed import Crossed, crossed
from omi_core.study.findings import FAILS, HOLDS, OPEN, Judgement, holm, judge
from omi_core.study.study_options import Claim

A, B = {"noise": 0.2}, {"noise": 0}


def difference(mean: float, error: float = 0.005, seeds: int = 5) -> Crossed:
    return Crossed(mean, error * seeds**0.5, error, float(seeds - 1), seeds, 400)


def verdict(found: Crossed | None, claim: str = "more", margin: float = 0.0) -> Judgement:
    claims = {"it": Claim(A, B, claim, margin)}
    return judge(claims, {"it": found}, level=0.05, min_seeds=5)[0]


CASES = {
    "clearly more": (0.05, "more", 0.0, HOLDS),
    "clearly less": (-0.05, "more", 0.0, FAILS),
    "neither": (0.01, "more", 0.0, OPEN),
    "more by so much": (0.05, "more", 3.0, HOLDS),
    "not by so much": (0.05, "more", 7.0, FAILS),
    "about so much": (0.05, "more", 5.5, OPEN),
    "no great loss": (-0.005, "more", -3.0, HOLDS),
    "a great loss": (-0.05, "more", -3.0, FAILS),
    "the same": (0.002, "same", 2.0, HOLDS),
    "the same, on the other side": (-0.002, "same", 2.0, HOLDS),
    "not the same": (0.05, "same", 2.0, FAILS),
    "less, so not the same": (-0.05, "same", 2.0, FAILS),
    "too wide to say": (0.002, "same", 1.2, OPEN),
}


@pytest.mark.parametrize("case", CASES)
def test_a_claim_is_judged_by_its_margin(case: str) -> None:
    mean, claim, margin, expected = CASES[case]
    assert verdict(difference(mean), claim, margin).verdict == expected


def test_without_enough_seeds_nothing_is_resolved() -> None:
    few = verdict(difference(0.9, 1e-6, seeds=4))
    assert (few.verdict, few.p) == (OPEN, 1.0) and "the rule asks for 5 seeds" in few.told
    none = verdict(None)
    assert none.verdict == OPEN and none.told.endswith(": not resolved (no seed has both).")


@pytest.mark.parametrize(
    ("claim", "margin", "told"),
    [
        ("more", 0, "noise=0.2 is better than noise=0: holds"),
        ("more", 2, "noise=0.2 is better than noise=0 by more than 2 points: holds"),
        ("more", -2, "noise=0.2 is not worse than noise=0 by 2 points or more: holds"),
        ("same", 2, "noise=0.2 differs from noise=0 by less than 2 points: does not hold"),
    ],
)
def test_a_sentence_is_made_of_the_numbers(claim: str, margin: float, told: str) -> None:
    said = verdict(difference(0.05, 0.004), claim, margin).told
    assert said.startswith(f"{told} (+5.0 points, 95 % interval +3.9 to +6.1, 5 seeds and 400 problems, p ")


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holms_correction_is_that_of_the_definition(values: list[float]) -> None:
    corrected = holm(values)
    for at, value in enumerate(values):
        # The k-th smallest is rejected at a level if all up to it are, each at its own share of the level.
        ahead = sorted(values)[: sum(other <= value for other in values)]
        of_each = [each * (len(values) - rank) for rank, each in enumerate(ahead)]
        assert corrected[at] == pytest.approx(min(1.0, max(of_each)))


def test_more_claims_make_each_verdict_harder_also_those_without_data() -> None:
    found = difference(0.0175)
    assert verdict(found).verdict == HOLDS
    claims = {name: Claim(A, B) for name in "abc"}
    assert [one.verdict for one in judge(claims, {"a": found, "b": None, "c": None}, 0.05, 5)] == [OPEN] * 3


def test_of_many_studies_without_any_effect_few_have_a_verdict() -> None:
    """The rate is that of any wrong verdict among all claims of a study."""
    rng, times, wrong = np.random.default_rng(3), 400, 0
    claims = {name: Claim(A, B) for name in "abcdef"}
    for _ in range(times):
        found = {
            name: crossed(0.05 * rng.standard_normal((5, 1)) + rng.integers(-1, 2, (5, 50)))
            for name in claims
        }
        wrong += any(one.verdict != OPEN for one in judge(claims, found, 0.05, 5))
    assert wrong <= 0.05 * times + 3 * (0.05 * 0.95 * times) ** 0.5
