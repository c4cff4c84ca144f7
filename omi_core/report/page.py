"""The report: one HTML page without scripts that needs nothing but itself.

A content security policy forbids scripts and any request, should hostile text ever slip through escaping.
The page depends on the runs alone, so that the same runs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from markupsafe import Markup

from omi_core.metrics import METRICS, count_text
from omi_core.publish.parts import read_part
from omi_core.report import html, overview, plots
from omi_core.report.benchmark_charts import difference_figures, evaluation_figures, graded_examples
from omi_core.report.charts import Table
from omi_core.report.comparison import Row, columns, option_names, option_shown, rows_of
from omi_core.report.facts import Facts
from omi_core.report.mathml import with_formulas
from omi_core.report.repairs import repair_tables
from omi_core.report.svg import duration, killed
from omi_core.report.work import work_tables
from omi_core.tasks import figures_of, known

_SHOWN_CHARACTERS = 1500
MARK = "a page of jobs.report, of "


def mark_of(runs: Sequence[Facts]) -> str:
    """What the head of a page says of its runs."""
    return MARK + " ".join(run.plan.fingerprint[:12] for run in runs)


def render_report(runs: Sequence[Facts], examples: int) -> str:
    """The page for these runs, with this many rows of each dataset.

    Raises:
        ValueError: a part of a run is damaged, or there is no run.
    """
    if not runs:
        raise ValueError("a report needs a run")
    rows = rows_of(runs)
    names = overview.labels(rows) if len(runs) > 1 else [runs[0].name]
    return html.render(
        "report/page.html",
        title=names[0] if len(runs) == 1 else f"{len(runs)} runs side by side",
        style=html.packaged("report/style.css"),
        mark=mark_of(runs),
        compared=_table_of_runs(rows),
        side_by_side=_side_by_side(runs, rows, names) if len(runs) > 1 else (),
        sections=[
            {
                "name": name,
                "where": _where(run),
                "warnings": list(_warnings(run)),
                "tiles": list(_tiles(row)),
                "figures": [*evaluation_figures([run], [name]), *plots.figures(run)],
                "work": [*repair_tables(run), *work_tables(run)],
                "examples": list(_examples(run, examples)),
            }
            for name, run, row in zip(names, runs, rows, strict=True)
        ],
    )


def _side_by_side(runs: Sequence[Facts], rows: Sequence[Row], names: Sequence[str]) -> Iterator[plots.Figure]:
    yield from difference_figures(runs, names)
    if sum(run.evaluation is not None for run in runs) > 1:
        yield from evaluation_figures(runs, names)
    yield from overview.figures(runs, rows)


def _table_of_runs(rows: Sequence[Row]) -> Table:
    """Every run with the options in which it differs, linked to its part of the page."""
    options, metrics = option_names(rows), columns(rows)
    body = [
        [
            html.tag("a", row.run, href=f"#run-{number}"),
            *(option_shown(row.options.get(key), "–") for key in options),
            row.stage,
            *(row.told(metric, "–") for metric in metrics),
        ]
        for number, row in enumerate(rows, 1)
    ]
    return Table(["run", *options, "stage", *(metric.heading for metric in metrics)], body)


def _where(run: Facts) -> str:
    teacher = run.config.get("teacher", {}).get("name")
    made = f"{count_text(run.plan.records)} records"
    if run.plan.complete:
        made += f" × {run.plan.samples} samples by {teacher}"
    return f"{run.layout.root} ({run.stage}): {made}; fingerprint {run.plan.fingerprint[:8]}"


def _warnings(run: Facts) -> Iterator[str]:
    if run.rehearsal:
        yield "A rehearsal: no model took part. It measures the suite; accuracies are settings."
    if run.untimed:
        yield f"{killed(run.untimed)}, and left no times: what is spent is a lower bound."


def _tiles(row: Row) -> Iterator[tuple[str, str]]:
    """(figure, what it is) of the metrics that a run of its kind has."""
    words = {name: METRICS[name].show(value, "–") for name, value in row.figures.items()}
    absent, gpus = figures_of([row.task]), bool(row["gpus_per_task"])
    for metric in METRICS.values():
        if not metric.tile or metric.name in absent or (metric.when == "gpus" and not gpus):
            continue
        if metric.name == "task_hours_per_accepted" and gpus:
            continue
        told = row.told(metric, "–")
        if metric.unit == "hours" and row[metric.name] is not None:
            told = row.bound(metric) + duration(row[metric.name] * 3600)
        yield told, metric.tile.format_map(words)


def _examples(run: Facts, most: int) -> Iterator[tuple[str, list[Markup]]]:
    """The first row of each of the first few problems: what it is, and its texts."""
    if run.evaluation is not None:
        if most:
            yield from (
                (_cut(about), [with_formulas(_cut(one)) for one in texts])
                for about, texts in graded_examples(run, most)
            )
        return
    task = known().get(run.task)
    if task is None or not most:  # its package is not installed here
        return
    every = (row for part in run.parts for row in read_part(part.path))
    together = task.together or task.schema.required[0]
    groups = groupby(every, lambda row: row[together])
    for row in islice((next(group) for _, group in groups), most):
        about, texts = task.show(row)
        yield _cut(about), [with_formulas(_cut(one)) for one in texts]


def _cut(words: str) -> str:
    return words if len(words) <= _SHOWN_CHARACTERS else words[:_SHOWN_CHARACTERS] + " …"
