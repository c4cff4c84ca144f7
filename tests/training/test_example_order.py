"""Which row is seen when: every row once an epoch, the same updates for any number of processes."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.training.checkpoints import average_steps
from omi_core.training.example_order import example_order, micro_batch, update_steps


@given(rows=st.integers(1, 60), epochs=st.integers(1, 4), seed=st.integers(0, 5))
def test_each_epoch_has_every_row_once_in_an_order_of_its_own(rows: int, epochs: int, seed: int) -> None:
    order = list(example_order(rows, rows * epochs, seed))
    parts = [order[at * rows : (at + 1) * rows] for at in range(epochs)]
    assert all(sorted(part) == list(range(rows)) for part in parts)
    assert rows < 20 or epochs < 2 or parts[0] != parts[1]


@given(rows=st.integers(1, 60), seen=st.integers(1, 200), seed=st.integers(0, 5))
def test_what_is_seen_first_does_not_depend_on_how_much_is_seen(rows: int, seen: int, seed: int) -> None:
    longer = example_order(rows, seen + 7, seed)
    assert list(islice(longer, seen)) == list(example_order(rows, seen, seed))


@pytest.mark.parametrize(
    ("rows", "epochs", "batch", "steps", "expected"),
    [
        (100, 1.0, 10, None, 10),
        (101, 1.0, 10, None, 11),
        (100, 2.0, 64, None, 4),
        (3, 1.0, 64, None, 1),
        (100, 0.5, 10, None, 5),
        (30, 0.1, 1, None, 3),
        (100, 1.0, 10, 7, 7),
    ],
)
def test_steps_are_those_of_the_epochs(
    rows: int, epochs: float, batch: int, steps: int | None, expected: int
) -> None:
    assert update_steps(rows, epochs, batch, steps) == expected


@given(batch=st.integers(1, 600), processes=st.integers(1, 16), most=st.integers(1, 32))
def test_micro_batches_make_up_the_batch_exactly(batch: int, processes: int, most: int) -> None:
    size = micro_batch(batch, processes, most)
    if batch % processes:
        assert size == 0
    else:
        assert 0 < size <= most and batch % (size * processes) == 0


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [
        (60_000, 6, [10_000, 20_000, 30_000, 40_000, 50_000, 60_000]),
        (100, 1, [100]),
        (10, 4, [2, 5, 8, 10]),
        (2, 6, [1, 2]),
    ],
)
def test_averaged_checkpoints_are_equally_spaced(steps: int, count: int, expected: list[int]) -> None:
    assert average_steps(steps, count) == expected
