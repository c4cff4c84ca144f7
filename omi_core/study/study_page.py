"""The page of a study: what was found, in sentences and figures, and the table. It needs no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from omi_core.report import html
from omi_core.report.charts import Axis, Bar, BarRow, Curve, Table, bar_rows, lines
from omi_core.report.plots import Figure
from omi_core.report.svg import percent, short, steps
from omi_core.study.arms import Arm
from omi_core.study.findings import FAILS, HOLDS, claimed, numbers_of
from omi_core.study.study_options import setting_of
from omi_core.study.study_table import HEADINGS, Study, table_of

_KINDS = {HOLDS: "k5", FAILS: "k2"}  # others are grey
_MOST_CURVES = 6
_WIDTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of an axis of differences, to either side
_TINY = 1e-9  # so that a bar without a width is no dot


def render_study(study: Study) -> str:
    """The page."""
    return html.render(
        "study/page.html",
        title=study.name,
        style=html.packaged("report/style.css"),
        rule=study.rule,
        findings=[one.told for one in study.judged],
        missing=study.missing,
        figures=[*_settings(study), *_differences(study), *_over_parameters(study)],
        table_of=Table(HEADINGS, table_of(study)),
    )


def _settings(study: Study) -> Iterator[Figure]:
    rows, most = [], 0.0
    for arm in study.arms:
        if (found := arm.found) is None:
            continue
        low, high = _ends(arm)
        most = max(most, high)
        words = f"{arm.setting}: {found.mean * 100:.1f} % ({low * 100:.1f} to {high * 100:.1f})"
        bars = [Bar(low, max(high, low + _TINY), "k0 thin", words), Bar(found.mean, found.mean, "k1", words)]
        rows.append(BarRow(arm.setting, bars, f"{found.mean * 100:.1f}"))
    axis = Axis(steps(most), lambda tick: f"{tick * 100:g} %")
    caption = "Share of problems that are right, with its 95 % interval over seeds and problems."
    yield Figure("Every setting", caption, bar_rows(rows, axis, Table(HEADINGS, table_of(study))))


def _ends(arm: Arm) -> tuple[float, float]:
    """The interval of a setting that was evaluated, of one seed its mean alone."""
    assert arm.found is not None
    low, high = arm.found.interval
    if high == float("inf"):
        return arm.found.mean, arm.found.mean
    return max(low, 0.0), min(high, 1.0)


def _differences(study: Study) -> Iterator[Figure]:
    rows, body = [], []
    for one in study.judged:
        if one.found is None or one.found.error != one.found.error:
            continue
        low, high = one.found.interval
        label = one.name.replace("_", " ")
        kind = _KINDS.get(one.verdict, "k0")
        span = Bar(low, max(high, low + _TINY), "k0 thin", one.told)
        dot = Bar(one.found.mean, one.found.mean, kind, one.told)
        rows.append(BarRow(label, [span, dot], f"{one.found.mean * 100:+.1f}"))
        body.append([claimed(one.claim), one.verdict, numbers_of(one.found)])
    if not rows:
        return
    most = max(max(abs(bar.start), abs(bar.end)) for row in rows for bar in row.bars)
    width = next((width for width in _WIDTHS if width >= most), 1.0)
    axis = Axis([width * half / 2 for half in range(-2, 3)], lambda value: f"{value * 100:+g}")
    legend = [("k5", HOLDS), ("k2", FAILS), ("k0", "not resolved")]
    table = Table(["claim", "verdict", "difference"], body)
    caption = "Points between two settings, paired by seed and problem; 95 % intervals before any correction."
    yield Figure("What was claimed", caption, bar_rows(rows, axis, table, legend))


def _over_parameters(study: Study) -> Iterator[Figure]:
    """For each parameter of three numbers or more a curve over it, one for each setting of the others."""
    names = dict.fromkeys(key for arm in study.arms for key in sorted(arm.parameters))
    for name in names:
        values = {arm.parameters.get(name) for arm in study.arms if arm.found is not None}
        numbers = sorted(float(value) for value in values if _is_number(value))
        if len(numbers) >= 3:
            yield _over(name, numbers, study.arms)


def _over(name: str, numbers: Sequence[float], arms: Sequence[Arm]) -> Figure:
    curves: dict[str, list[Arm]] = {}
    for arm in arms:
        if arm.found is not None and _is_number(arm.parameters.get(name)):
            curves.setdefault(setting_of(_without(arm.parameters, name)), []).append(arm)
    several = {label: of for label, of in curves.items() if len(of) > 1}
    series, legend, body = [], [], []
    for number, (label, of) in enumerate(several.items(), 1):
        points = [(float(arm.parameters[name]), arm.found.mean) for arm in of if arm.found]
        words = [f"{label}, {name} {x:g}: {y * 100:.1f} %" for x, y in points]
        body += [[label, f"{x:g}", f"{y * 100:.1f}"] for x, y in points]
        if number <= _MOST_CURVES:
            series.append(Curve(label, f"k{number}", points, words, marks=True))
            legend.append((f"k{number}", label))
    log = numbers[0] > 0 and numbers[-1] / numbers[0] >= 8
    ticks = list(numbers) if len(numbers) <= 8 else [*numbers[:: len(numbers) // 6]]
    across = Axis(ticks, short, name, log=log, low=numbers[0], high=numbers[-1])
    most = max((y for curve in series for _, y in curve.points), default=1.0)
    caption = "Mean over seeds of the share of problems that are right."
    if len(several) > _MOST_CURVES:
        caption += f" Drawn are the first {_MOST_CURVES} of {len(several)} curves; the table has all."
    chart = lines(series, across, Axis(steps(most), percent), Table(["", name, "%"], body), legend)
    return Figure(f"Over {name}", caption, chart)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key != name}
