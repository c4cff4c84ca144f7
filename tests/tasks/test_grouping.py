"""Groups of candidates: their sizes, right and wrong in each, and none twice while there are others."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.tasks.grouping import draw_groups

POOLS = st.lists(st.booleans(), min_size=2, max_size=40)


@given(POOLS.filter(lambda right: len(set(right)) == 2), st.integers(1, 12), st.integers(2, 16), st.data())
def test_a_group_has_right_and_wrong_candidates_each_once(
    right: list[bool], count: int, most: int, data: st.DataObject
) -> None:
    fewest = data.draw(st.integers(2, min(most, len(right))))
    groups = draw_groups(Random(1), right, count, (fewest, most), mixed=True)
    assert len(groups) == count
    for group in groups:
        assert fewest <= len(group) <= most and len(set(group)) == len(group)
        assert {right[at] for at in group} == {True, False}


@given(st.integers(2, 40), st.integers(1, 12), st.integers(2, 16))
def test_where_any_group_will_do_no_answer_need_be_known(size: int, count: int, most: int) -> None:
    groups = draw_groups(Random(1), [None] * size, count, (2, most), mixed=False)
    assert len(groups) == count and all(2 <= len(set(group)) <= most for group in groups)


SMALL = [([True, False], 2, True), ([True, False, False], 3, True), ([True, True, False, False], 3, True),
         ([None, None, None], 3, False)]  # fmt: skip


@pytest.mark.parametrize(("right", "most", "mixed"), SMALL)
def test_every_group_comes_before_one_comes_again(right: list[bool | None], most: int, mixed: bool) -> None:
    sets = [
        frozenset(found)
        for size in range(2, most + 1)
        for found in combinations(range(len(right)), size)
        if not mixed or len({right[at] for at in found}) == 2
    ]
    groups = draw_groups(Random(5), right, 3 * len(sets), (2, most), mixed)
    assert Counter(map(frozenset, groups)) == Counter(sets * 3)
    for turn in range(3):
        part = groups[turn * len(sets) : (turn + 1) * len(sets)]
        assert len(set(map(frozenset, part))) == len(sets)


def test_the_right_one_stands_at_every_place() -> None:
    """Else its place would tell it."""
    right = [True, *[False] * 15]
    groups = draw_groups(Random(3), right, 400, (4, 4), mixed=True)
    places = Counter(group.index(0) for group in groups)
    assert set(places) == {0, 1, 2, 3} and min(places.values()) > 60
