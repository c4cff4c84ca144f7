"""Windows of the reduce stage: bounded in records, samples and characters, and no record is cut or lost."""

from __future__ import annotations

import pytest

from omi_core.records import Record, Sample
from omi_core.stages import reduce


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([1] * 7, [3, 3, 1]),
        ([0] * 4, [3, 1]),
        ([4, 6, 9, 1, 1], [2, 2, 1]),  # the tenth sample closes a window
        ([25, 1], [1, 1]),
        ([], []),
    ],
)
def test_a_window_ends_with_enough_records_or_samples(
    monkeypatch: pytest.MonkeyPatch, samples: list[int], expected: list[int]
) -> None:
    monkeypatch.setattr(reduce, "WINDOW", 3)
    monkeypatch.setattr(reduce, "WINDOW_SAMPLES", 10)
    readings = [
        (
            Record.make(ordinal, f"p{ordinal}", None, "s"),
            [Sample(ordinal, "r", index, "t", "stop", 1, 1, 0.1) for index in range(count)],
        )
        for ordinal, count in enumerate(samples)
    ]
    windows = list(reduce.windows(iter(readings)))
    assert [len(window) for window in windows] == expected
    assert [reading for window in windows for reading in window] == readings


def test_a_window_ends_with_enough_characters_of_text_and_thinking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduce, "WINDOW_CHARACTERS", 10)
    sizes = [(4, 6), (3, 0), (3, 3), (0, 20), (1, 1)]
    readings = [
        (
            Record.make(ordinal, f"p{ordinal}", None, "s"),
            [Sample(ordinal, "r", 0, "t" * text, "stop", 1, 1, 0.1, None, "r" * thinking)],
        )
        for ordinal, (text, thinking) in enumerate(sizes)
    ]
    windows = list(reduce.windows(iter(readings)))
    assert [[reading[0].ordinal for reading in window] for window in windows] == [[0], [1, 2, 3], [4]]
