"""What samples are there: one count and digest for any spread over journals, another for other samples."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.records import Sample, Seen
from omi_core.store.journal import JournalWriter
from omi_core.store.keys import KeyOutsidePlan
from omi_core.store.seen import survey

RECORDS, SAMPLES = 6, 3
KEYS = st.sets(st.tuples(st.integers(0, RECORDS - 1), st.integers(0, SAMPLES - 1)))


def write(path: Path, keys: list[tuple[int, int]], text: str = "") -> Path:
    with JournalWriter(path, flush_samples=1) as writer:  # a frame each: its checksum is the sample's
        for ordinal, index in keys:
            writer.add(Sample(ordinal, "id", index, f"{ordinal} {index} {text}", "stop", 1, 1, 0.5))
    return path


def seen(journals: list[Path], *bounds: int) -> list[Seen]:
    return survey(journals, bounds or (0, RECORDS), SAMPLES).seen()


@given(KEYS, st.randoms(use_true_random=False))
def test_the_spread_over_journals_and_the_order_leave_no_trace(
    keys: set[tuple[int, int]], random: object
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place, shuffled = Path(folder), sorted(keys)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        half = len(shuffled) // 2
        one = seen([write(place / "one", sorted(keys))], 0, 2, 5, RECORDS)
        two = seen(
            [write(place / "a", shuffled[:half]), write(place / "b", shuffled[half:])], 0, 2, 5, RECORDS
        )
        again = seen([place / "one", write(place / "c", shuffled, "a later try")], 0, 2, 5, RECORDS)
        assert one == two == again
        assert sum(each.samples for each in one) == len(keys)
        assert seen([place / "one"], 2, 5) == one[1:2]


@given(KEYS, KEYS)
def test_other_samples_have_another_digest(first: set[tuple[int, int]], second: set[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        a, b = (write(Path(folder) / str(n), sorted(keys)) for n, keys in enumerate((first, second)))
        assert (seen([a]) == seen([b])) == (first == second)


def test_another_text_under_the_same_keys_is_another_digest(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", [(0, 0), (3, 1)]), write(tmp_path / "b", [(0, 0), (3, 1)], "other")
    assert seen([a])[0].samples == seen([b])[0].samples
    assert seen([a]) != seen([b])
    assert seen([a, b]) == seen([a])  # the first journal counts
    assert seen([b, a]) == seen([b])


def test_what_is_there_is_told_by_key(tmp_path: Path) -> None:
    found = survey([write(tmp_path / "a", [(1, 2), (2, 0)])], (1, 3), SAMPLES)
    assert np.flatnonzero(found.done).tolist() == [2, 3]


def test_a_sample_too_many_is_another_plan_s(tmp_path: Path) -> None:
    with pytest.raises(KeyOutsidePlan):
        seen([write(tmp_path / "a", [(0, SAMPLES)])])
