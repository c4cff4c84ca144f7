"""Charts: well-formed drawings that stay in their frame, say every figure on hover, and escape everything."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.report.charts import (
    WIDTH,
    Axis,
    Bar,
    BarRow,
    ChartColumn,
    Curve,
    Table,
    bar_rows,
    columns,
    lines,
)
from omi_core.report.charts import from_zero as zero
from omi_core.report.html import tag, text
from omi_core.report.lengths import bin_edges
from omi_core.report.svg import Scale, duration, short, steps
from omi_core.report.votes import Accuracy, accuracy_by_votes
from omi_core.report.waterfall import waterfall

EMPTY = Table([], [])
HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\x00b\x1b[2J",
    "\ud800",
    "\u202e",
]
values = st.floats(min_value=0, max_value=1e15, allow_nan=False)


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """x, y, width and height of every rectangle; the drawing has to be well-formed for it."""
    rects = ET.fromstring(svg).iter("rect")
    return [tuple(float(rect.get(name, "nan")) for name in ("x", "y", "width", "height")) for rect in rects]  # type: ignore[misc]


@given(st.text())
def test_text_is_well_formed_whatever_it_holds(words: str) -> None:
    markup = tag("p", text(words), title=words)
    markup.encode()
    element = ET.fromstring(markup)
    assert len(element) == 0
    assert len(element.get("title", "")) == len(element.text or "") == len(words)


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_hostile_words_stay_words(words: str) -> None:
    svg = bar_rows([BarRow(words, [Bar(0, 1, "k1", words)], words)], zero(1), EMPTY).svg
    assert {element.tag for element in ET.fromstring(svg).iter()} <= {
        "svg",
        "g",
        "text",
        "title",
        "rect",
        "line",
    }
    assert not set("\x00\x1b\u202e") & set(svg)


@given(st.floats(min_value=1e-6, max_value=1e18), st.booleans())
def test_steps_are_round_and_reach_the_top(top: float, of_time: bool) -> None:
    found = steps(top, of_time=of_time)
    assert found[0] == 0
    assert found[-1] >= top * (1 - 1e-6)
    assert 2 <= len(found) <= 9
    assert found[-2] < top


@given(st.lists(values, min_size=1, max_size=30))
def test_columns_stay_in_the_frame_and_keep_their_proportions(heights: list[float]) -> None:
    bars = [ChartColumn(at, at + 1, [("k1", height)], str(height)) for at, height in enumerate(heights)]
    across = Axis([0.0, float(len(bars))], short)
    chart = columns(bars, across, zero(max(heights)), EMPTY)
    assert all(0 <= x and x + width <= WIDTH and y >= 0 for x, y, width, _ in boxes(chart.svg))
    titles = [element.text for element in ET.fromstring(chart.svg).iter("title")]
    assert titles == [str(height) for height in heights]


def test_the_legend_of_columns_has_what_is_drawn() -> None:
    bars = [ChartColumn(0, 1, [("k1", 3), ("k2", 0)], "a"), ChartColumn(1, 2, [("k1", 0), ("k3", 2)], "b")]
    legend = [("k1", "one"), ("k2", "two"), ("k3", "three")]
    assert columns(bars, zero(2), zero(5), EMPTY, legend).legend == [("k1", "one"), ("k3", "three")]


def test_a_bar_twice_as_long_is_drawn_twice_as_long() -> None:
    rows = [
        BarRow("a", [Bar(0, 10, "k1", "a")]),
        BarRow("b", [Bar(0, 20, "k1", "b")]),
        BarRow("c", [Bar(5, 10, "k2", "")]),
    ]
    (_, _, one, _), (_, _, two, _), (_, _, half, _) = boxes(bar_rows(rows, zero(20), EMPTY).svg)
    assert two == pytest.approx(2 * one, rel=1e-3)
    assert half == pytest.approx(one / 2, rel=1e-3)


def test_a_line_passes_through_its_points() -> None:
    axis = Axis([1.0, 2.0, 4.0], short, log=True)
    svg = lines([Curve("a", "k1", [(1, 0), (2, 5), (4, 10)], ["x", "y", "z"])], axis, zero(10), EMPTY).svg
    spots = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in ET.fromstring(svg).iter("circle")]
    assert spots[1] == pytest.approx(
        ((spots[0][0] + spots[2][0]) / 2, (spots[0][1] + spots[2][1]) / 2), abs=0.02
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (1.5, "1.5 s"), (99, "99 s"), (120, "2 min"), (5400, "1.5 h"), (200_000, "2.31 d")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_scale_of_one_value_is_no_division_by_zero() -> None:
    assert Scale(3, 3, 0, 10)(3) == 5


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_bins_cover_every_length(longest: int, median: int) -> None:
    edges = bin_edges(longest, min(longest, median))
    assert edges[0] == 0
    assert edges[-1] > longest
    assert edges == sorted(set(edges))
    assert len(edges) <= 60


COUNTS = {
    "records": 10,
    "samples": 80,
    "truth": {"records": 10, "samples": 80, "equal": 40, "majority_equal": 7, "records_solved": 9},
}
DRAWS = {
    "2": {"draws": 40, "majority": 22, "solved": 28},
    "4": {"draws": 20, "majority": 12},
    "16": {"draws": 0},
}


def test_accuracy_by_votes_has_the_first_and_last_point_of_every_run() -> None:
    assert accuracy_by_votes(COUNTS, 8) == [Accuracy(1, 0.5, 0.5), Accuracy(8, 0.7, 0.9)]
    assert accuracy_by_votes(COUNTS | {"samples": 79}, 8) == [Accuracy(1, 0.5, 0.5)]
    assert accuracy_by_votes({"samples": 80}, 8) == []


def test_accuracy_by_votes_takes_the_points_between_from_draws() -> None:
    counts = COUNTS | {"truth": COUNTS["truth"] | {"draws": DRAWS}}
    assert accuracy_by_votes(counts, 8)[1:3] == [Accuracy(2, 0.55, 0.7), Accuracy(4, 0.6, 0.0)]


def test_a_waterfall_ends_at_the_rows_or_is_refused() -> None:
    counts = {
        "samples": 20,
        "quarantined": 1,
        "selection": {"other_answer": 4, "no_answer": 2},
        "filters": {
            "unfinished": {"dropped": 3},
            "no_boxed": {"dropped": 0},
            "wrong_arithmetic": {"dropped": 5},
        },
        "rows": 5,
    }
    steps = waterfall(counts, 2)
    names = "quarantined, unfinished, no answer, other answer, no boxed, wrong arithmetic, duplicates"
    assert ", ".join(step.name for step in steps) == names
    assert [step.left for step in steps] == [19, 16, 14, 10, 10, 5, 3]
    with pytest.raises(ValueError, match="5 samples are left of all steps, and 6 are in rows"):
        waterfall({**counts, "rows": 6}, None)
