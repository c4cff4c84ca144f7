"""Means over seeds and problems: Student's t, and how often an interval or a probability is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.study.crossed import Crossed, crossed, quantile, tail


@pytest.mark.parametrize(
    ("freedom", "upper", "value"),  # of the tables in any textbook
    [(1, 0.025, 12.7062), (2, 0.05, 2.9200), (4, 0.025, 2.7764), (10, 0.005, 3.1693), (30, 0.025, 2.0423)]
    + [(120, 0.05, 1.6577), (1e6, 0.025, 1.9600), (math.inf, 0.025, 1.9600)],
)
def test_students_t_is_that_of_the_tables(freedom: float, upper: float, value: float) -> None:
    assert tail(value, freedom) == pytest.approx(upper, rel=1e-3)
    assert tail(-value, freedom) == pytest.approx(1 - upper, rel=1e-3)
    assert quantile(1 - upper, freedom) == pytest.approx(value, rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.floats(-20, 20), st.floats(0.5, 1e4))
def test_a_tail_is_a_probability_and_falls(t: float, freedom: float) -> None:
    assert 0 <= tail(t + 0.5, freedom) <= tail(t, freedom) <= 1
    assert tail(t, freedom) + tail(-t, freedom) == pytest.approx(1)


def test_of_seeds_that_all_problems_share_it_is_the_t_test_of_their_means() -> None:
    of_seeds = np.array([0.1, -0.2, 0.3, 0.25, 0.0])
    found = crossed(np.repeat(of_seeds[:, None], 50, axis=1))
    assert found.mean == pytest.approx(of_seeds.mean())
    assert found.spread == pytest.approx(of_seeds.std(ddof=1))
    assert found.error == pytest.approx(of_seeds.std(ddof=1) / math.sqrt(5))
    assert found.freedom == pytest.approx(4)
    half = 2.7764 * found.error
    assert found.interval == pytest.approx((found.mean - half, found.mean + half), rel=1e-4)


def test_where_there_is_no_chance_there_is_certainty_and_of_one_seed_nothing_is_known() -> None:
    sure = crossed(np.full((5, 20), 0.25))
    assert sure.interval == (0.25, 0.25)
    assert (sure.above(0), sure.below(0), sure.above(0.25), sure.below(0.25)) == (0, 1, 1, 1)
    for shape in ((1, 20), (5, 1)):
        found = crossed(np.full(shape, 0.25))
        assert found.interval == (-math.inf, math.inf) and found.above(-9) == found.below(9) == 1
    with pytest.raises(ValueError):
        crossed(np.empty((0, 3)))


# (seeds, problems), and standard deviations of what seeds, problems, and each of both bring along.
WORLDS = {
    "nothing but chance": ((5, 60), (0.0, 0.0, 0.5)),
    "seeds": ((5, 60), (0.1, 0.0, 0.5)),
    "problems": ((5, 60), (0.0, 0.3, 0.5)),
    "both": ((6, 60), (0.05, 0.3, 0.4)),
}
TIMES = 600


def drawn(world: str, mean: float) -> list[Crossed]:
    (seeds, problems), (of_seed, of_problem, of_both) = WORLDS[world]
    rng = np.random.default_rng(7)
    found = []
    for _ in range(TIMES):
        table = mean + of_both * rng.standard_normal((seeds, problems))
        table += of_seed * rng.standard_normal((seeds, 1)) + of_problem * rng.standard_normal((1, problems))
        found.append(crossed(table))
    return found


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_not_there_is_found_no_more_often_than_is_said(world: str) -> None:
    found = drawn(world, 0.0)
    most = 0.025 * TIMES + 3 * math.sqrt(0.025 * 0.975 * TIMES)
    assert sum(one.above(0) <= 0.025 for one in found) <= most
    assert sum(one.below(0) <= 0.025 for one in found) <= most
    for one in found[:20]:  # an interval holds what is not that improbable
        assert (one.interval[0] <= 0 <= one.interval[1]) == (min(one.above(0), one.below(0)) >= 0.025)


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_clearly_there_is_found(world: str) -> None:
    """An effect of six of the mean's true standard deviations."""
    (seeds, problems), (of_seed, of_problem, of_both) = WORLDS[world]
    true = math.sqrt(of_seed**2 / seeds + of_problem**2 / problems + of_both**2 / (seeds * problems))
    assert sum(one.above(0) <= 0.025 for one in drawn(world, 6 * true)) > 0.9 * TIMES
