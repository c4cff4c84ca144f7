"""Counting by indexes alone gives what reading the journals gives, whatever has become of the indexes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from omi_core.records import Sample
from omi_core.store.index import contents, index_path, set_aside
from omi_core.store.journal import JournalWriter
from omi_core.store.keys import KeyOutsidePlan, settled, settled_so_far
from omi_core.store.layout import Layout

RECORDS, SAMPLES = 20, 3


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two journals of five frames each, with two refused samples."""
    layout = Layout(tmp_path)
    layout.generate.mkdir()
    for task in range(2):
        with JournalWriter(layout.journal(1, task), 3) as journal:
            for ordinal in range(5 * task, 5 * task + 5):
                for index in range(SAMPLES):
                    error = "refused" if (ordinal, index) in ((1, 1), (6, 2)) else None
                    reason = "error" if error else "stop"
                    journal.add(Sample(ordinal, "0" * 32, index, "text", reason, 1, 1, 0.1, error))
    return layout


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def first_line_gone(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


def grown(path: Path) -> None:
    """A frame that the index does not know yet, as while a writer is at work."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def damaged(path: Path) -> None:
    journal = path.with_suffix("")
    frame = contents(journal).frames[2]
    data = bytearray(journal.read_bytes())
    data[frame.offset + frame.length // 2] ^= 1
    journal.write_bytes(data)
    (found,) = contents(journal, verify=True).damage
    set_aside(journal, found)


@pytest.mark.parametrize(
    "change",
    [None, Path.unlink, torn, first_line_gone, grown, damaged],
    ids=lambda c: getattr(c, "__name__", ""),
)
def test_it_is_the_same_as_from_the_journals(layout: Layout, change: Callable[[Path], None] | None) -> None:
    if change:
        change(index_path(layout.journal(1, 0)))
    slow = settled(layout.journals(), RECORDS, SAMPLES)
    fast = settled_so_far(layout, RECORDS, SAMPLES)
    assert np.array_equal(fast.done, slow.done)
    assert fast.errors == slow.errors
    assert fast.done.sum() == (27 if change is damaged else 30)


def test_a_journal_of_another_plan_is_refused(layout: Layout) -> None:
    with pytest.raises(KeyOutsidePlan):
        settled_so_far(layout, 7, SAMPLES)


def test_a_run_without_journals_has_nothing(tmp_path: Path) -> None:
    assert not settled_so_far(Layout(tmp_path), RECORDS, SAMPLES).done.any()
