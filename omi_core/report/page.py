"""The report: one HTML page without scripts that needs nothing but itself.

A content security policy forbids scripts and any request, should hostile text ever slip through escaping.
The page depends on the runs alone, so that the same runs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Any

from omi_core.publish.parts import read_part
from omi_core.report import overview, plots
from omi_core.report.charts import Chart, Table
from omi_core.report.compare import Row, rows_of
from omi_core.report.facts import Facts
from omi_core.report.plots import Figure
from omi_core.report.style import STYLE
from omi_core.report.svg import breakable, count, duration, share, tag, text
from omi_core.report.svg import tasks as tasks_in_words
from omi_core.tasks import figures_of, known

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SHOWN_CHARACTERS = 1500


def render(runs: Sequence[Facts], examples: int) -> str:
    """The page for these runs, with this many rows of each dataset.

    Raises:
        ValueError: a part of a run is damaged, or there is no run.
    """
    if not runs:
        raise ValueError("a report needs a run")
    rows = rows_of(runs)
    names = overview.labels(rows) if len(runs) > 1 else [runs[0].name]
    title = names[0] if len(runs) == 1 else f"{len(runs)} runs side by side"
    body = [tag("h1", text(title))]
    if len(runs) > 1:
        body.append(_side_by_side(runs, rows, names))
    for number, (run, row) in enumerate(zip(runs, rows, strict=True)):
        body.append(_section(number, run, row, names[number], examples, alone=len(runs) == 1))
    head = tag(
        "head",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        tag("title", text(title)),
        tag("style", STYLE),
    )
    page = tag("html", head, tag("body", tag("main", *body)), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _side_by_side(runs: Sequence[Facts], rows: Sequence[Row], names: Sequence[str]) -> str:
    return _table_of_runs(rows) + _grid(overview.figures(runs, rows))


# Header, figure of a row, and how it is written.
_COLUMNS = (
    ("coverage", "coverage", share),
    ("single", "single_accuracy", share),
    ("voted", "voted_accuracy", share),
    ("agreement", "agreement", share),
    ("tokens each", "tokens_per_solution", count),
    ("kept", "kept_share", share),
    ("rows", "rows", count),
    ("tokens", "tokens", count),
    ("tokens/s", "tokens_per_second", lambda value: f"{value:,.0f}"),
)
_TIME_COLUMN = ("time of tasks", lambda row: _hours(row, row.task_hours))
_TASK_COLUMN = ("task-seconds per row", lambda row: _seconds(row, row.task_hours_per_accepted))
_GPU_COLUMNS = (
    ("time of GPUs", lambda row: _hours(row, row.gpu_hours if row.gpus_per_task else None)),
    (
        "GPU-seconds per row",
        lambda row: _seconds(row, row.gpu_hours_per_accepted if row.gpus_per_task else None),
    ),
)


def _table_of_runs(rows: Sequence[Row]) -> str:
    """Every run with the options in which it differs, linked to its part of the page."""
    options = list(dict.fromkeys(key for row in rows for key in row.options))
    others = figures_of(row.task for row in rows)
    columns = [column for column in _COLUMNS if column[1] not in others]
    times = [_TIME_COLUMN, *(_GPU_COLUMNS if any(row.gpus_per_task for row in rows) else [_TASK_COLUMN])]
    head = ["run", *options, "stage", *(name for name, _, _ in columns), *(name for name, _ in times)]
    out = [tag("tr", *(tag("th", breakable(name), scope="col") for name in head))]
    for number, row in enumerate(rows):
        link = tag("td", tag("a", text(row.run), href=f"#run-{number + 1}"))
        chosen = [overview._shown(row.options[key]) if key in row.options else "–" for key in options]
        cells = [*chosen, row.stage, *(_dash(getattr(row, figure), form) for _, figure, form in columns)]
        cells += [figure(row) for _, figure in times]
        out.append(tag("tr", link, *(tag("td", text(cell)) for cell in cells)))
    return tag("div", tag("table", *out, class_="compared"), class_="scroll")


def _section(number: int, run: Facts, row: Row, name: str, examples: int, alone: bool) -> str:
    heading = "" if alone else tag("h2", text(name))
    parts = [heading, tag("p", text(_where(run)), class_="soft")]
    if run.rehearsal:
        warning = "A rehearsal: no model took part. It measures the suite; accuracies are settings."
        parts.append(tag("p", text(warning), class_="warn"))
    if run.untimed:
        killed = tasks_in_words(run.untimed, "was", "were")
        warning = f"{killed} killed, or still running, and left no times: what is spent is a lower bound."
        parts.append(tag("p", text(warning), class_="warn"))
    parts += [_tiles(run, row), _grid(plots.figures(run)), _examples(run, examples)]
    return tag("section", *parts, id=f"run-{number + 1}")


def _where(run: Facts) -> str:
    teacher = run.config.get("teacher", {}).get("name")
    made = f"{count(run.plan.records)} records"
    if run.plan.complete:
        made += f" × {run.plan.samples} samples by {teacher}"
    return f"{run.layout.root} ({run.stage}): {made}; fingerprint {run.plan.fingerprint[:8]}"


_TILES = (
    ("rows published", "rows", count),
    ("tokens published", "tokens", count),
    ("of the samples kept", "kept_share", share),
    ("single samples right", "single_accuracy", share),
    ("majorities right", "voted_accuracy", share),
    ("mean agreement", "agreement", share),
)


def _tiles(run: Facts, row: Row) -> str:
    on_disk = f"{count(row.settled)} of {count(row.samples)}" if row.settled is not None else None
    others = figures_of([run.task])
    shown = [
        *((name, _dash(getattr(row, key), form)) for name, key, form in _TILES if key not in others),
        (f"coverage: {on_disk}" if on_disk else "coverage", _dash(row.coverage, share)),
        ("tokens per sample", _dash(row.tokens_per_solution, count)),
        ("tokens/s of a task", _dash(row.tokens_per_second, lambda value: f"{value:,.0f}")),
        ("time of all tasks", _hours(row, row.task_hours)),
    ]
    if row.gpus_per_task:
        shown.append(("time of all GPUs", _hours(row, row.gpu_hours)))
        per_row, unit = row.gpu_hours_per_accepted, "GPU-seconds per row"
    else:
        per_row, unit = row.task_hours_per_accepted, "task-seconds per row (no GPU)"
    shown.append((unit, _seconds(row, per_row)))
    tiles = [
        tag("div", tag("b", text(figure)), tag("span", text(name)), class_="tile") for name, figure in shown
    ]
    return tag("div", *tiles, class_="tiles")


def _grid(figures: Iterator[Figure]) -> str:
    return tag("div", *(_figure(figure) for figure in figures), class_="charts")


def _figure(figure: Figure) -> str:
    caption = tag("figcaption", tag("h3", text(figure.title)), tag("p", text(figure.caption)))
    chart = figure.chart
    svg = chart.svg.replace("<svg ", f'<svg aria-label="{text(figure.title)}" ', 1)
    return tag("figure", caption, svg, _legend(chart), _details(chart.table))


def _legend(chart: Chart) -> str:
    items = [tag("li", tag("i", class_=kind), text(meaning)) for kind, meaning in chart.legend]
    return tag("ul", *items, class_="legend") if items else ""


def _details(table: Table) -> str:
    head = tag("tr", *(tag("th", text(name), scope="col") for name in table.headers))
    rows = [tag("tr", *(tag("td", text(cell)) for cell in row)) for row in table.rows]
    shown = tag("div", tag("table", head, *rows), class_="scroll")
    return tag("details", tag("summary", "The figures as a table"), shown)


def _examples(run: Facts, most: int) -> str:
    """The first row of each of the first few problems."""
    if not most or not run.parts:
        return ""
    every = (row for part in run.parts for row in read_part(part.path))
    task = known().get(run.task)
    if task is None:  # its package is not installed here
        return ""
    together = task.together or task.schema.required[0]
    groups = groupby(every, lambda row: row[together])
    rows = list(islice((next(group) for _, group in groups), most))
    if not rows:
        return ""
    return tag("h3", "Rows of the dataset") + "".join(_example(*task.show(row)) for row in rows)


def _example(title: str, texts: Sequence[str]) -> str:
    said = "".join(tag("pre", text(_cut(one))) for one in texts)
    return tag("div", tag("p", text(_cut(title)), class_="soft"), said, class_="row")


def _cut(words: str) -> str:
    return words if len(words) <= _SHOWN_CHARACTERS else words[:_SHOWN_CHARACTERS] + " …"


def _dash(value: Any, form: Any) -> str:
    return "–" if value is None else form(value)


def _hours(row: Row, hours: float | None) -> str:
    return "–" if hours is None else ("≥ " if row.untimed_tasks else "") + duration(hours * 3600)


def _seconds(row: Row, hours: float | None) -> str:
    return "–" if hours is None else ("≥ " if row.untimed_tasks else "") + f"{hours * 3600:.3g}"
