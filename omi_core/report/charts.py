"""Three kinds of charts as inline SVG: bars in rows, columns side by side, and lines.

A mark's colour is a CSS class (`kind`) of the page's style, so that light, dark and print need no second
drawing. Every mark says its figures on hover; every chart carries them as a table, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from omi_core.report.html import tag
from omi_core.report.svg import Format, Scale, clip, short, steps, tooltip

WIDTH = 560
_PLOT_HEIGHT = 190
_LETTER = 6.9  # mean width of a letter of the labels, in the units of the drawing
_MARGIN = 24  # at the right, for half of the last label


@dataclass(frozen=True)
class Table:
    """The figures of a chart, as text."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """A drawing with its legend, (kind, meaning) pairs, and its table."""

    svg: Markup
    table: Table
    legend: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Bar:
    """A stretch of a row, or with `start == end` a dot."""

    start: float
    end: float
    kind: str
    words: str


@dataclass(frozen=True)
class BarRow:
    """A row of bars; `note` stands behind the last one."""

    label: str
    bars: Sequence[Bar]
    note: str = ""


@dataclass(frozen=True)
class ChartColumn:
    """A column from `low` to `high` of the axis, of stacked (kind, value) pieces."""

    low: float
    high: float
    pieces: Sequence[tuple[str, float]]
    words: str


@dataclass(frozen=True)
class Curve:
    """(x, y) points with what each says; `marks` draws them, else they are found on hover only."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]
    words: Sequence[str]
    marks: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """Ticks in rising order, how they are written, and the title; the axis goes from `low` to `high`, where
    they are not given from the first tick to the last."""

    ticks: Sequence[float]
    form: Format
    title: str = ""
    log: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def start(self) -> float:
        return self.ticks[0] if self.low is None else self.low

    @property
    def stop(self) -> float:
        return self.ticks[-1] if self.high is None else self.high

    def scale(self, start: float, stop: float) -> Scale:
        return Scale(self.start, self.stop, start, stop, self.log)


def bar_rows(
    rows: Sequence[BarRow], axis: Axis, table: Table, legend: Sequence[tuple[str, str]] = ()
) -> Chart:
    """Rows of bars along a common horizontal axis."""
    pitch = 24 if len(rows) <= 24 else 15
    letters = min(max((len(row.label) for row in rows), default=0), 34)
    left, right = letters * _LETTER + 14, max((len(row.note) for row in rows), default=0) * _LETTER + 18
    bottom = 6 + pitch * len(rows)
    x = axis.scale(left, WIDTH - max(right, 16))
    out = [_vertical_grid(axis, x, 4, bottom)]
    for number, row in enumerate(rows):
        top = 6 + pitch * number
        middle = top + pitch / 2
        name = tag("text", clip(row.label, letters), tooltip(row.label), x=left - 8, y=middle + 4)
        out.append(tag("g", name, class_="end"))
        out += [_bar(bar, x, top + pitch * 0.17, pitch * 0.66) for bar in row.bars]
        end = max((x(bar.end) for bar in row.bars), default=left)
        out.append(tag("text", row.note, x=end + 7, y=middle + 4, class_="note"))
    return Chart(_drawing(out, bottom + _axis_height(axis)), table, legend)


def _bar(bar: Bar, x: Scale, top: float, height: float) -> Markup:
    if bar.start == bar.end:
        middle = top + height / 2
        return tag("circle", tooltip(bar.words), cx=x(bar.end), cy=middle, r=5, class_=f"mark {bar.kind}")
    start, end = sorted((x(bar.start), x(bar.end)))
    width = max(end - start, 1.0)
    if "thin" in bar.kind:
        top, height = top + height / 2 - 2, 4
    return tag(
        "rect", tooltip(bar.words), x=start, y=top, width=width, height=height, class_=f"mark {bar.kind}"
    )


def columns(
    bars: Sequence[ChartColumn], across: Axis, up: Axis, table: Table, legend: Sequence[tuple[str, str]] = ()
) -> Chart:
    """Stacked columns over a horizontal axis of values; the legend leaves out what no column has."""
    left, x, y = _frame(across, up)
    out = [_horizontal_grid(up, y, left), _ticks_below(across, x, _PLOT_HEIGHT + 8)]
    gap = 1.5 if len(bars) <= 80 else 0.0
    for bar in bars:
        start, end = x(bar.low) + gap / 2, x(bar.high) - gap / 2
        below, pieces = 0.0, []
        for kind, value in bar.pieces:
            top, foot = y(below + value), y(below)
            below += value
            if value:
                height, width = max(foot - top, 0.5), max(end - start, 0.5)
                box = {"x": start, "y": top, "width": width, "height": height}
                pieces.append(tag("rect", class_=f"mark {kind}", **box))
        # The whole height answers to the pointer, or a small column could not be hit.
        hit = {"x": start, "y": y(up.stop), "width": max(end - start, 0.5), "height": _PLOT_HEIGHT}
        out.append(tag("g", tooltip(bar.words), tag("rect", class_="hit", **hit), *pieces, class_="column"))
    drawn = {kind for bar in bars for kind, value in bar.pieces if value}
    shown = [(kind, meaning) for kind, meaning in legend if kind in drawn]
    return Chart(_drawing(out, _PLOT_HEIGHT + 8 + _axis_height(across)), table, shown)


def lines(
    series: Sequence[Curve],
    across: Axis,
    up: Axis,
    table: Table,
    legend: Sequence[tuple[str, str]] = (),
    moments: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Lines over two axes; `moments` are vertical lines with what they mean."""
    left, x, y = _frame(across, up)
    out = [_horizontal_grid(up, y, left), _ticks_below(across, x, _PLOT_HEIGHT + 8)]
    top, foot = y(up.stop), y(up.start)
    for at, words in moments:
        out.append(tag("line", tooltip(words), x1=x(at), x2=x(at), y1=top, y2=foot, class_="moment"))
    for line in series:
        spots = [(x(px), y(py)) for px, py in line.points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in spots)
        dash = " dashed" if line.dashed else ""
        out.append(tag("polyline", points=path, class_=f"line {line.kind}{dash}"))
        for (px, py), words in zip(spots, line.words, strict=True):
            look = f"spot {line.kind}" if line.marks else f"spot hidden {line.kind}"
            out.append(tag("circle", tooltip(words), cx=px, cy=py, r=4, class_=look))
    return Chart(_drawing(out, _PLOT_HEIGHT + 8 + _axis_height(across)), table, legend)


def _frame(across: Axis, up: Axis) -> tuple[float, Scale, Scale]:
    left = max(len(up.form(tick)) for tick in up.ticks) * _LETTER + 14
    return left, across.scale(left, WIDTH - _MARGIN), up.scale(_PLOT_HEIGHT + 8, 8)


def _axis_height(axis: Axis) -> int:
    return 40 if axis.title else 22


def _horizontal_grid(axis: Axis, y: Scale, left: float) -> Markup:
    out = []
    for tick in axis.ticks:
        out.append(tag("line", x1=left, x2=WIDTH - _MARGIN, y1=y(tick), y2=y(tick), class_="grid"))
        out.append(tag("text", axis.form(tick), x=left - 7, y=y(tick) + 4))
    return tag("g", *out, class_="end axis")


def _vertical_grid(axis: Axis, x: Scale, top: float, bottom: float) -> Markup:
    out = [tag("line", x1=x(tick), x2=x(tick), y1=top, y2=bottom, class_="grid") for tick in axis.ticks]
    return tag("g", *out, class_="axis") + _ticks_below(axis, x, bottom)


def _ticks_below(axis: Axis, x: Scale, y: float) -> Markup:
    out, last = [], float("-inf")
    for tick in axis.ticks:
        words = axis.form(tick)
        half = len(words) * _LETTER / 2
        if x(tick) - half < last + 4:  # labels that would run into each other
            continue
        last = x(tick) + half
        out.append(tag("text", words, x=min(x(tick), WIDTH - half), y=y + 16))
    if axis.title:
        out.append(tag("text", axis.title, x=(x.start + x.stop) / 2, y=y + 34, class_="title"))
    return tag("g", *out, class_="middle axis")


def _drawing(parts: Sequence[str], height: float) -> Markup:
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {height:.0f}", role="img")


def from_zero(
    top: float, form: Format = short, title: str = "", of_time: bool = False, tight: bool = False
) -> Axis:
    """An axis from 0 to a round value at or above `top`, or with `tight` to `top` itself."""
    ticks = steps(top, of_time=of_time)
    if not tight:
        return Axis(ticks, form, title)
    return Axis([tick for tick in ticks if tick <= top], form, title, low=0.0, high=top)
