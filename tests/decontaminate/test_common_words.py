"""What the n-gram rule relies on in rapidfuzz: the longest common subsequence, and its cut-off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq

# Numbers of words: few, so that they repeat, and far apart, so that no table of small ones serves.
LISTS = st.lists(st.sampled_from([0, 1, 2, 3, 300, 70_000, 4_000_000_000]), max_size=150)


def by_table(first: list[int], second: list[int]) -> int:
    """The textbook's dynamic programme."""
    row = [0] * (len(second) + 1)
    for one in first:
        new = [0]
        for place, other in enumerate(second):
            new.append(row[place] + 1 if one == other else max(row[place + 1], new[place]))
        row = new
    return row[-1]


@given(LISTS, LISTS)
def test_it_is_that_of_the_table(first: list[int], second: list[int]) -> None:
    assert LCSseq.similarity(first, second) == by_table(first, second)


@given(LISTS, LISTS, st.integers(1, 150))
def test_below_the_cut_off_it_is_zero(first: list[int], second: list[int], enough: int) -> None:
    common = by_table(first, second)
    assert LCSseq.similarity(first, second, score_cutoff=enough) == (common if common >= enough else 0)
