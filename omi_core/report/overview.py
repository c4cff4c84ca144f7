"""Several runs side by side: the charts in which each run is a row or a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omi_core.metrics import METRICS, Metric, share
from omi_core.report.charts import Bar, BarRow, Table, bar_rows, lines
from omi_core.report.charts import from_zero as zero
from omi_core.report.comparison import Row, columns, option_names, option_shown
from omi_core.report.facts import Facts
from omi_core.report.plots import SHARES, Figure, vote_axis, vote_line
from omi_core.report.svg import percent, short
from omi_core.report.votes import accuracy_by_votes

# As many lines as there are colours to tell them apart.
MOST_LINES = 6


def labels(rows: Sequence[Row]) -> list[str]:
    """One short label per run, all different: as few of the differing options as tell the runs apart.

    Teacher and data are named whenever they differ. Runs that share all options add their name.
    """
    keys = option_names(rows)
    chosen = [key for key in keys if key in ("task", "teacher", "data")]
    while (best := _next_option(rows, keys, chosen)) is not None:
        chosen.append(best)
    chosen.sort(key=keys.index)
    tails = [key.rpartition(".")[2] for key in keys]
    short = {key: tail if tails.count(tail) == 1 else key for key, tail in zip(keys, tails, strict=True)}
    plain = [
        ", ".join(_words(short[key], row.options[key]) for key in chosen if key in row.options) or row.run
        for row in rows
    ]
    named = [
        name if plain.count(name) == 1 else f"{name}, {row.run}"
        for name, row in zip(plain, rows, strict=True)
    ]
    return [name if named.count(name) == 1 else row.directory for name, row in zip(named, rows, strict=True)]


def _next_option(rows: Sequence[Row], keys: Sequence[str], chosen: Sequence[str]) -> str | None:
    """The option that, beside the chosen ones, tells most runs apart; None where none tells more."""

    def groups(names: Sequence[str]) -> int:
        return len({tuple(str(row.options.get(name)) for name in names) for row in rows})

    best = max(keys, key=lambda key: groups([*chosen, key]), default=None)
    return best if best is not None and groups([*chosen, best]) > groups(chosen) else None


def _words(key: str, value: object) -> str:
    """`teacher=tiny` is told by its value alone."""
    told = option_shown(value, "null")
    return told if key in ("task", "teacher", "data") else f"{key}={told}"


def figures(runs: Sequence[Facts], rows: Sequence[Row]) -> Iterator[Figure]:
    """The charts for which any run has data."""
    names = labels(rows)
    found = [_accuracies(rows, names), _votes(runs, names)]
    found += [_bars(metric, *metric.chart, rows, names) for metric in columns(rows) if metric.chart]
    yield from (figure for figure in found if figure is not None)


def _accuracies(rows: Sequence[Row], names: Sequence[str]) -> Figure | None:
    """Single-sample and voted accuracy as two dots of a row."""
    drawn, body = [], []
    for row, name in zip(rows, names, strict=True):
        single, voted = row["single_accuracy"], row["voted_accuracy"]
        body.append([name, *(METRICS[of].show(row[of], "–") for of in ("single_accuracy", "voted_accuracy"))])
        if single is None or voted is None:
            drawn.append(BarRow(name, [], "–"))
            continue
        told = f"{name}: single {share(single)}, voted {share(voted)}"
        span = Bar(min(single, voted), max(single, voted) + 1e-9, "k0 thin", told)
        dots = [Bar(single, single, "k3", told), Bar(voted, voted, "k1", told)]
        drawn.append(BarRow(name, [span, *dots], f"{percent(single)} → {percent(voted)}"))
    if all(not row.bars for row in drawn):
        return None
    legend = [("k3", "a single sample is right"), ("k1", "the majority is right")]
    chart = bar_rows(drawn, SHARES, Table(["run", "single", "voted"], body), legend)
    return Figure("Accuracy", "Against the ground truth.", chart)


def _votes(runs: Sequence[Facts], names: Sequence[str]) -> Figure | None:
    """Majority accuracy against votes, a line per run."""
    curves = [
        (name, accuracy_by_votes(run.counts or {}, run.plan.samples))
        for name, run in zip(names, runs, strict=True)
    ]
    curves = [(name, points) for name, points in curves if points]
    if not curves or all(len(points) == 1 for _, points in curves):
        return None
    shown = curves[:MOST_LINES]
    series = [
        vote_line(name, f"k{at + 1}", points, [point.majority for point in points])
        for at, (name, points) in enumerate(shown)
    ]
    body = [[name, str(point.samples), share(point.majority)] for name, points in curves for point in points]
    legend = [(f"k{at + 1}", name) for at, (name, _) in enumerate(shown)]
    table = Table(["run", "samples", "majority right"], body)
    chart = lines(series, vote_axis([points for _, points in shown]), SHARES, table, legend)
    caption = "Share of problems whose majority answer is right."
    if len(curves) > len(shown):
        caption += f" Drawn are the first {len(shown)} of {len(curves)} runs; the table has all."
    return Figure("Accuracy against votes", caption, chart)


def _bars(
    metric: Metric, title: str, caption: str, rows: Sequence[Row], names: Sequence[str]
) -> Figure | None:
    """One figure of every run as a bar."""
    values = [row[metric.name] for row in rows]
    known = [value for value in values if value is not None]
    if not known:
        return None
    factor = 3600 if metric.unit == "seconds" else 1
    drawn, body = [], []
    for name, value in zip(names, values, strict=True):
        told = metric.show(value, "–")
        bars = [] if value is None else [Bar(0, value * factor or 1e-12, "k1", f"{name}: {told}")]
        drawn.append(BarRow(name, bars, told))
        body.append([name, told])
    axis = SHARES if metric.unit == "share" else zero(max(known) * factor, short)
    return Figure(title, caption, bar_rows(drawn, axis, Table(["run", title.lower()], body)))
