"""The set of seen rows says what a Python set says, in any batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.publish.dedupe import SeenRows, digest_keys


def naive(keys: list[bytes]) -> list[bool]:
    seen: set[bytes] = set()
    return [not (key in seen or seen.add(key)) for key in keys]


@given(st.lists(st.lists(st.binary(max_size=1), max_size=40), max_size=8))
def test_it_agrees_with_a_set(batches: list[list[bytes]]) -> None:
    seen = SeenRows(sum(map(len, batches)))
    assert [flag for batch in batches for flag in seen.add(digest_keys(batch)).tolist()] == naive(
        sum(batches, [])
    )


@given(st.lists(st.binary(max_size=1), max_size=300), st.lists(st.binary(max_size=1), max_size=300))
def test_it_tells_what_it_has_and_stays_as_it_is(keys: list[bytes], asked: list[bytes]) -> None:
    seen = SeenRows(len(keys))
    seen.add(digest_keys(keys))
    for _ in range(2):
        assert seen.has(digest_keys(asked)).tolist() == [key in set(keys) for key in asked]


def test_a_crowded_table_still_finds_every_key() -> None:
    # 1023 keys is the most that 1024 slots take: long probe runs that wrap round the end.
    keys = [str(i).encode() for i in range(1023)]
    seen = SeenRows(1)
    assert seen.add(digest_keys(keys[:500])).all() and seen.add(digest_keys(keys[500:])).all()
    assert not seen.add(digest_keys([])).any()
    with pytest.raises(ValueError, match="more rows"):
        seen.add(digest_keys([b"one too many"]))


def test_many_rows_in_uneven_batches() -> None:
    keys = [str(i * i % 20_011).encode() for i in range(60_000)]
    seen = SeenRows(len(keys))
    flags: list[bool] = []
    while len(flags) < len(keys):
        flags += seen.add(digest_keys(keys[len(flags) : len(flags) * 2 + 1])).tolist()
    assert flags == naive(keys)
