"""Estimates of k samples against a count over all subsets, and the coverage of intervals."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.answers import Verdict, count_draws
from omi_core.evaluate import estimators
from omi_core.evaluate.bootstrap import intervals, paired, sampling_intervals
from omi_core.evaluate.estimators import (
    best_at_k,
    majority_at_k,
    pairs_in_order,
    pass_at_k,
    weighted_at_k,
)

# The class of each sample (-1: no vote), and which classes are right.
VOTES = st.tuples(st.lists(st.integers(-1, 4), min_size=1, max_size=9), st.sets(st.integers(0, 4)))


def winner(classes: list[int], weights: list[float]) -> int | None:
    sums: dict[int, float] = defaultdict(float)
    for one, weight in zip(classes, weights, strict=True):
        if one >= 0:
            sums[one] += weight
    return max(sums, key=lambda one: (sums[one], -classes.index(one)), default=None)


def counted(classes: list[int], won: set[int], k: int, weights: list[float] | None = None) -> float:
    weights = weights or [1.0] * len(classes)
    subsets = list(combinations(range(len(classes)), k))
    wins = [winner([classes[i] for i in s], [weights[i] for i in s]) in won for s in subsets]
    return sum(wins) / len(wins)


def arrays(classes: list[int], won: set[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([classes]), np.array([[one in won for one in classes]])


@given(VOTES)
def test_the_vote_of_k_samples_is_that_of_all_subsets(drawn: tuple[list[int], set[int]]) -> None:
    found = majority_at_k(*arrays(*drawn), seed=0)[0]
    assert found == pytest.approx([counted(*drawn, k) for k in range(1, len(drawn[0]) + 1)])


@given(VOTES)
def test_the_vote_of_all_samples_and_whether_any_is_right_are_those_of_the_statistics(
    drawn: tuple[list[int], set[int]],
) -> None:
    classes, right = arrays(*drawn)
    told = {one: Verdict.EQUAL if one in drawn[1] else Verdict.NOT_EQUAL for one in drawn[0]}
    verdicts = [None if one < 0 else told[one] for one in drawn[0]]
    groups = [None if one < 0 else one for one in drawn[0]]
    # The statistics take ties by the number of the class, in the order of first samples.
    there = dict.fromkeys(one for one in groups if one is not None)
    order = {one: number for number, one in enumerate(there)}
    for draws in count_draws([None if one is None else order[one] for one in groups], verdicts):
        if draws.size == len(groups):
            assert majority_at_k(classes, right, seed=0)[0, -1] == draws.majority
            assert pass_at_k(right.sum(axis=1), len(groups))[0, -1] == draws.solved


@given(VOTES)
def test_that_any_of_k_samples_is_right_is_that_of_all_subsets(drawn: tuple[list[int], set[int]]) -> None:
    _, right = arrays(*drawn)
    n = right.shape[1]
    subsets = [[any(right[0, list(s)]) for s in combinations(range(n), k)] for k in range(1, n + 1)]
    assert pass_at_k(right.sum(axis=1), n)[0] == pytest.approx([np.mean(of_k) for of_k in subsets])


@given(VOTES, st.data())
def test_the_best_by_score_of_k_samples_is_that_of_all_subsets(
    drawn: tuple[list[int], set[int]], data: st.DataObject
) -> None:
    _, right = arrays(*drawn)
    n = right.shape[1]
    scores = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=n, max_size=n))
    expected = [
        np.mean([right[0, max(s, key=lambda at: (scores[at], -at))] for s in combinations(range(n), k)])
        for k in range(1, n + 1)
    ]
    assert best_at_k(np.array([scores]), right)[0] == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(-2, 2), st.sampled_from([True, False, None])), min_size=1, max_size=8))
def test_pairs_in_order_are_counted_one_by_one(samples: list[tuple[int, bool | None]]) -> None:
    """What is neither right nor wrong takes no part."""
    pairs = [(a > b) + (a == b) / 2 for a, high in samples if high for b, low in samples if low is False]
    scores = np.array([[float(score) for score, _ in samples]])
    right, wrong = (np.array([[kind is told for _, kind in samples]]) for told in (True, False))
    (found,) = pairs_in_order(scores, right, wrong)
    assert found == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


def test_the_seeded_draws_come_close_to_the_count() -> None:
    classes, won = [0, 1, 0, 2, 1, 1, -1, 0, 3], {0, 3}
    expected = [counted(classes, won, k) for k in range(1, 10)]
    with mock.patch.object(estimators, "MOST_COUNTED", 0):
        found = majority_at_k(*arrays(classes, won), seed=0)[0]
    assert found == pytest.approx(expected, abs=0.06) and found[-1] == expected[-1]


def test_a_vote_weighed_by_scores_is_near_that_of_all_subsets() -> None:
    classes, won, scores = [0, 1, 0, 2, 1, 1, -1], {1}, [0.9, 0.2, 0.8, 0.4, 0.1, 0.7, 3.0]
    found = weighted_at_k(*arrays(classes, won), np.array([scores]), seed=0)[0]
    expected = [counted(classes, won, k, scores) for k in range(1, 8)]
    assert found == pytest.approx(expected, abs=0.06) and found[-1] == expected[-1]


def test_sixty_four_samples_are_counted_like_nine() -> None:
    """Against the draws, since there are too many subsets to list."""
    rng = np.random.default_rng(3)
    classes = rng.choice([-1, 0, 1, 2, 3], p=[0.1, 0.35, 0.3, 0.2, 0.05], size=(1, 64))
    counted_ = majority_at_k(classes, classes == 0, seed=0)[0]
    with mock.patch.object(estimators, "MOST_COUNTED", 0):
        drawn = majority_at_k(classes, classes == 0, seed=0)[0]
    assert counted_ == pytest.approx(drawn, abs=0.06) and counted_[-1] == drawn[-1]


# --- intervals


def simulated(
    seed: int, problems: int, n: int, population: tuple[float, float] = (1.2, 0.8)
) -> tuple[np.ndarray, float]:
    """(right samples of each problem, the share that is right in the whole population of problems)."""
    rng = np.random.default_rng(seed)
    a, b = population
    return rng.binomial(n, rng.beta(a, b, problems)), a / (a + b)


def coverage(problems: int, n: int, population: tuple[float, float]) -> tuple[float, float]:
    """In which share of 200 evaluations the interval of pass@1 holds the truth, and how wide it is."""
    covered, width = 0, 0.0
    for seed in range(200):
        right, truth = simulated(seed, problems, n, population)
        low, high = intervals(pass_at_k(right, n)[:, :1], n, seed)
        covered += low[0] <= truth <= high[0]
        width += high[0] - low[0]
    return covered / 200, width / 200


@pytest.mark.parametrize(("problems", "n"), [(30, 1), (40, 8), pytest.param(300, 4, marks=pytest.mark.slow)])
def test_intervals_cover_the_truth_in_about_95_percent_of_evaluations(problems: int, n: int) -> None:
    covered, _ = coverage(problems, n, (1.2, 0.8))
    assert 0.91 <= covered <= 0.99  # 95 % of 200, give or take 2.6 standard deviations


@pytest.mark.parametrize("population", [(19, 1), (1, 19), (8, 2)])
def test_so_they_do_where_problems_differ_little_and_are_as_narrow_as_that(
    population: tuple[float, float],
) -> None:
    covered, width = coverage(60, 16, population)
    assert 0.91 <= covered <= 0.99
    a, b = population
    share = a / (a + b)
    variance = share * (1 - share) * (1 / (a + b + 1) + 1 / 16 * (a + b) / (a + b + 1))
    assert 0.9 < width / (2 * 1.96 * (variance / 60) ** 0.5) < 1.25


def test_intervals_over_samples_cover_what_the_same_problems_would_come_to() -> None:
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shares = rng.beta(1.2, 0.8, 60)
        table = pass_at_k(np.arange(9), 8)[:, :1]
        low, high = sampling_intervals(rng.binomial(8, shares), 8, table, seed)
        covered += low[0] <= shares.mean() <= high[0]
    assert 0.91 <= covered / 200 <= 0.995


@pytest.mark.parametrize(("problems", "width"), [(40, 0.15), (30, 0.175)])
def test_small_sets_carry_wide_intervals(problems: int, width: float) -> None:
    half = np.arange(problems) % 2
    low, high = intervals(half[:, None].astype(float), 1, 0)
    assert (high[0] - low[0]) / 2 == pytest.approx(width, abs=0.02)


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_all_wrong_or_all_right_is_no_certainty(right: float) -> None:
    low, high = intervals(np.full((30, 1), right), 1, 0)
    assert high[0] - low[0] > 0.1 and low[0] <= right <= high[0]


def test_a_difference_of_the_same_problems_is_resolved_where_that_of_others_is_not() -> None:
    rng = np.random.default_rng(1)
    first = (rng.random(200) < 0.5).astype(float)
    second = first.copy()
    second[np.flatnonzero(first == 0)[:14]] = 1
    found = paired(first, second, 0)
    assert (found.value, found.gained, found.lost) == (pytest.approx(0.07), 14, 0)
    assert found.resolved and not paired(first, first, 0).resolved
    apart = intervals(first[:, None], 1, 0)[1][0] - intervals(second[:, None], 1, 0)[0][0]
    assert apart > 0  # taken apart, their intervals overlap


def test_small_differences_that_all_point_one_way_are_resolved() -> None:
    """One sample of four is lost in 10 of 40 problems, and none is gained."""
    first = np.full(40, 0.75)
    second = np.where(np.arange(40) < 10, 0.5, first)
    found = paired(first, second, 0)
    assert (found.gained, found.lost, found.resolved) == (0, 10, True)


def test_the_interval_of_a_difference_covers_the_truth_in_about_95_percent() -> None:
    every = np.random.default_rng(0).beta(2, 2, 2_000_000)
    truth = float(np.clip(every + 0.05, 0, 1).mean() - 0.5)
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        ability = rng.beta(2, 2, 80)
        first = rng.binomial(4, ability) / 4
        second = rng.binomial(4, np.clip(ability + 0.05, 0, 1)) / 4
        found = paired(first, second, seed)
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 200 <= 0.995
