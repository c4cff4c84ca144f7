"""The length of the longest common subsequence, against the textbook's dynamic programme."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omi_core.decontaminate.lcs import CommonSubsequence, lcs_length

LISTS = st.lists(st.integers(0, 5), max_size=150)


def by_table(first: list[int], second: list[int]) -> int:
    row = [0] * (len(second) + 1)
    for one in first:
        new = [0]
        for place, other in enumerate(second):
            new.append(row[place] + 1 if one == other else max(row[place + 1], new[place]))
        row = new
    return row[-1]


@given(LISTS, LISTS)
def test_it_is_that_of_the_table(first: list[int], second: list[int]) -> None:
    assert lcs_length(first, second) == by_table(first, second)


@given(LISTS, st.lists(LISTS, max_size=3))
def test_one_list_can_be_compared_with_many(first: list[int], others: list[list[int]]) -> None:
    prepared = CommonSubsequence(first)
    assert [prepared.length(other) for other in others] == [by_table(first, other) for other in others]
