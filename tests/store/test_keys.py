"""Missing keys are found and shared out exactly: each once, in order, evenly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.records import Sample
from omi_core.store.journal import JournalWriter
from omi_core.store.keys import KeyOutsidePlan, iter_keys, missing_ranges, settled, split_ranges

DONE = st.lists(st.booleans(), max_size=60).map(lambda values: np.array(values, dtype=bool))


def write(path: Path, keys: list[tuple[int, int]], error: bool = False) -> Path:
    with JournalWriter(path, flush_samples=2) as writer:
        for ordinal, index in keys:
            writer.add(Sample(ordinal, "id", index, "", "error" if error else "stop", 1, 1, 0.5))
    return path


def flat(ranges: np.ndarray) -> list[int]:
    return [key for start, stop in ranges.tolist() for key in range(start, stop)]


def test_journals_settle_the_keys_they_hold(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a", [(0, 0), (0, 1), (2, 1)]),
        write(tmp_path / "b", [(1, 2), (0, 1), (2, 1)], error=True),
        write(tmp_path / "c", []),
    ]
    found = settled(paths, records=3, samples=3)
    assert np.flatnonzero(found.done).tolist() == [0, 1, 5, 7]
    assert (found.errors, found.damage) == (3, [])
    assert missing_ranges(found.done).tolist() == [[2, 5], [6, 7], [8, 9]]


def test_without_journals_all_is_missing() -> None:
    assert missing_ranges(settled([], 2, 3).done).tolist() == [[0, 6]]
    assert missing_ranges(settled([], 0, 3).done).tolist() == []


@pytest.mark.parametrize("key", [(3, 0), (0, 2), (2**32 - 1, 2**32 - 1)])
def test_a_key_outside_the_plan_is_refused_by_name(tmp_path: Path, key: tuple[int, int]) -> None:
    journal = write(tmp_path / "a", [(0, 0), key])
    with pytest.raises(KeyOutsidePlan, match=f"sample {key[1]} of record {key[0]} is outside") as caught:
        settled([journal], records=3, samples=2)
    assert "\n" not in str(caught.value) and str(journal) in str(caught.value)


@given(DONE)
def test_missing_ranges_are_the_keys_not_done(done: np.ndarray) -> None:
    ranges = missing_ranges(done)
    assert ranges.dtype == np.int64 and ranges.shape[1:] == (2,)
    assert flat(ranges) == np.flatnonzero(~done).tolist()
    starts, stops = ranges[:, 0], ranges[:, 1]
    assert (starts < stops).all() and (stops[:-1] < starts[1:]).all(), "ranges are maximal and not empty"


@given(DONE, st.integers(1, 70))
def test_shares_are_contiguous_even_and_hold_every_key_once(done: np.ndarray, parts: int) -> None:
    ranges = missing_ranges(done)
    shares = split_ranges(ranges, parts)
    assert len(shares) == parts
    assert [key for share in shares for key in flat(share)] == flat(ranges)
    sizes = [len(flat(share)) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert all(share.shape[1:] == (2,) and (share[:, 0] < share[:, 1]).all() for share in shares)


@given(DONE, st.integers(1, 7))
def test_splitting_leaves_its_input_alone(done: np.ndarray, parts: int) -> None:
    ranges = missing_ranges(done)
    before = ranges.copy()
    for share in split_ranges(ranges, parts):
        share += 1
    assert (ranges == before).all()


@given(DONE, st.integers(1, 9))
def test_keys_come_as_ordinal_and_index(done: np.ndarray, samples: int) -> None:
    ranges = missing_ranges(done)
    keys = list(iter_keys(ranges, samples))
    assert [ordinal * samples + index for ordinal, index in keys] == flat(ranges)
    assert all(0 <= index < samples for _, index in keys)
