"""The charts of one run, each with its title and a caption that says what is drawn and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from omi_core.metrics import count_text, share
from omi_core.report.arrivals import growth
from omi_core.report.charts import (
    Axis,
    Bar,
    BarRow,
    Chart,
    ChartColumn,
    Curve,
    Table,
    bar_rows,
    columns,
    lines,
)
from omi_core.report.charts import from_zero as zero
from omi_core.report.facts import Facts, Shard
from omi_core.report.html import readable
from omi_core.report.lengths import lengths
from omi_core.report.score_bins import KINDS, score_bins
from omi_core.report.svg import duration, killed, percent, short
from omi_core.report.votes import Accuracy, accuracy_by_votes
from omi_core.report.waterfall import waterfall

# More shards than this are drawn together, or only the longest of them.
MOST_SHARDS = 40
SHARES = Axis([0, 0.25, 0.5, 0.75, 1], percent)
_TENTHS = [tenth / 10 for tenth in range(11)]


@dataclass(frozen=True)
class Figure:
    """A chart under its title; the caption is one or two sentences."""

    title: str
    caption: str
    chart: Chart

    @property
    def svg(self) -> Markup:
        """The drawing, named for screen readers."""
        named = Markup('<svg aria-label="{}" ').format(readable(self.title))
        return self.chart.svg.replace("<svg ", named, 1)


def figures(run: Facts) -> Iterator[Figure]:
    """The charts for which the run has data."""
    each = (waterfall_figure, styles_figure, votes_figure, growth_figure, tasks_figure, shards_figure)
    for make in (*each, lengths_figure, agreement_figure, scores_figure):
        if (figure := make(run)) is not None:
            yield figure


def waterfall_figure(run: Facts) -> Figure | None:
    """From samples to rows."""
    if not run.counts or not run.counts.get("samples"):
        return None
    if run.evaluation is not None:  # it keeps every sample
        return None
    duplicates = run.stats["duplicates_dropped"] if run.stats else None
    made, passed = run.counts["samples"], waterfall(run.counts, duplicates)
    rows = [BarRow("samples", [Bar(0, made, "k1", f"{count_text(made)} samples")], count_text(made))]
    for step in passed:
        if step.dropped:
            words = f"{step.name}: {count_text(step.dropped)} dropped ({share(step.dropped / made)}), "
            bar = Bar(step.left, step.left + step.dropped, "k2", f"{words}{count_text(step.left)} left")
            rows.append(BarRow(step.name, [bar], f"−{count_text(step.dropped)}"))
    left = passed[-1].left if passed else made
    words = f"{count_text(left)} rows, {share(left / made)} of the samples"
    rows.append(BarRow("rows", [Bar(0, left, "k1", words)], count_text(left)))
    body = [["samples", "", count_text(made)]]
    body += [[step.name, count_text(step.dropped), count_text(step.left)] for step in passed]
    chart = bar_rows(
        rows,
        zero(made, tight=True),
        Table(["step", "dropped", "left"], body),
        [("k1", "kept"), ("k2", "dropped")],
    )
    ending = "" if run.stats else " Not published yet: duplicates are still among the rows."
    return Figure(
        "From samples to rows", f"Each sample leaves at the first step that drops it.{ending}", chart
    )


def styles_figure(run: Facts) -> Figure | None:
    """Tokens of each style and variant of dialogues."""
    if run.stats is None or "styles" not in run.stats:
        return None
    styles, variants = run.stats["styles"], run.stats["variants"]
    rows, body = [], []
    for name, part in (*styles.items(), *variants.items()):
        words = f"{name}: {count_text(part['tokens'])} tokens in {count_text(part['rows'])} rows"
        bar = Bar(0, part["tokens"], "k1" if name in styles else "k3", words)
        rows.append(BarRow(name, [bar], count_text(part["tokens"])))
        body.append([name, count_text(part["rows"]), count_text(part["tokens"])])
    most = max(part["tokens"] for part in (styles | variants).values())
    legend = [("k1", "a style"), ("k3", "a variant, of the same rows")]
    chart = bar_rows(rows, zero(most, tight=True), Table(["style", "rows", "tokens"], body), legend)
    total = f"{count_text(run.stats['tokens'])} tokens in all styles."
    if "mix" in variants:
        total += f" {share(variants['mix']['raw_share'])} of the tokens of mix are raw text."
    return Figure("Tokens by style", total, chart)


def votes_figure(run: Facts) -> Figure | None:
    """Accuracy against votes."""
    points = accuracy_by_votes(run.counts or {}, run.plan.samples)
    if len(points) < 2:
        return None
    table = Table(
        ["samples", "majority right", "any right"],
        [[str(point.samples), share(point.majority), share(point.solved)] for point in points],
    )
    series = [
        vote_line("majority", "k1", points, [point.majority for point in points]),
        vote_line("any", "k3", points, [point.solved for point in points], dashed=True),
    ]
    legend = [("k1", "majority is right"), ("k3", "any sample is right")]
    chart = lines(series, vote_axis([points]), SHARES, table, legend)
    caption = "Share of problems; fewer samples are disjoint draws from each problem's own."
    if run.counts and run.counts["samples"] < run.counts["records"] * run.plan.samples:
        caption += " Problems with fewer samples take no part in larger draws."
    return Figure("Accuracy against votes", caption, chart)


def vote_line(
    name: str, kind: str, points: Sequence[Accuracy], shares: Sequence[float], dashed: bool = False
) -> Curve:
    at = [(float(point.samples), value) for point, value in zip(points, shares, strict=True)]
    words = [
        f"{name} of {point.samples}: {share(value)}" for point, value in zip(points, shares, strict=True)
    ]
    return Curve(name, kind, at, words, marks=True, dashed=dashed)


def vote_axis(several: Sequence[Sequence[Accuracy]]) -> Axis:
    """Powers of two up to the most votes."""
    most = max(point.samples for points in several for point in points)
    ticks = [float(2**power) for power in range(max(most - 1, 1).bit_length() + 1)]
    return Axis(ticks, lambda tick: f"{tick:g}", "samples per problem", log=True)


def growth_figure(run: Facts) -> Figure | None:
    """Samples over time."""
    found = growth(run)
    if found is None:
        return None
    times, totals = found.seconds.tolist(), found.samples.tolist()
    words = [f"{duration(at)}: {count_text(round(n))} samples" for at, n in zip(times, totals, strict=True)]
    series = [Curve("samples", "k1", list(zip(times, totals, strict=True)), words)]
    planned = float(run.plan.keys)
    across = zero(max(times[-1], 1e-3), duration, "since the first attempt", of_time=True, tight=True)
    plan = f"{count_text(planned)} samples are planned"
    target = [(across.start, planned), (across.stop, planned)]
    series.append(Curve("planned", "k0", target, [plan, plan], dashed=True))
    marks = [(at - found.origin, f"attempt {number}") for number, at in run.attempts.items()]
    moments = [mark for mark in marks if 0 < mark[0] <= across.stop]
    rows = [[duration(at), count_text(round(n))] for at, n in list(zip(times, totals, strict=True))[::8]]
    legend = [("k1", "samples on disk"), ("k0", "planned")]
    top = zero(max(planned, totals[-1]))
    chart = lines(series, across, top, Table(["time", "samples"], rows), legend, moments)
    caption = "Vertical lines are further attempts. " if moments else ""
    if run.untimed:
        caption += f"{killed(run.untimed)}: its samples count when it wrote last. "
    if found.placeless:
        caption += f"{count_text(found.placeless)} samples have no known time and are left out."
    return Figure("Samples over time", caption.strip(), chart)


def tasks_figure(run: Facts) -> Figure | None:
    """Busy and idle per task."""
    if not run.timed:
        return None
    shown = run.timed
    if len(shown) > MOST_SHARDS:
        longest = sorted(shown, key=lambda shard: -(shard.busy or 0.0))[:MOST_SHARDS]
        shown = [shard for shard in run.timed if shard in longest]
    origin = _common_start(shown)
    rows = [_task_row(shard, 0.0 if origin is None else (shard.started or 0.0) - origin) for shard in shown]
    end = max((bar.end for row in rows for bar in row.bars), default=1.0)
    since = "since each task's start" if origin is None else "since the first task's start"
    cells = [[shard.name, *map(duration, _phases(shard))] for shard in shown]
    table = Table(["task", "start-up", "generating", "draining"], cells)
    legend = [("k3", "start-up, to the first sample"), ("k1", "generating"), ("k4", "draining")]
    chart = bar_rows(rows, zero(max(end, 1e-3), duration, since, of_time=True, tight=True), table, legend)
    parts = [sum(column) for column in zip(*(_phases(shard) for shard in run.timed), strict=True)]
    whole = sum(parts) or 1.0
    caption = f"Of all tasks' time {share(parts[0] / whole)} is start-up, {share(parts[1] / whole)} "
    caption += (
        f"generating, and {share(parts[2] / whole)} draining, when the engine has got its last sample. "
    )
    if len(run.timed) > len(shown):
        caption += f"Drawn are the {len(shown)} longest of {count_text(len(run.timed))} tasks. "
    if run.untimed:
        caption += f"{killed(run.untimed)}, and left no times."
    return Figure("Busy and idle per task", caption.strip(), chart)


def _common_start(shown: Sequence[Shard]) -> float | None:
    """When the first task began, if tasks can be drawn on one clock without mostly empty space."""
    starts = [shard.started - (shard.start_up or 0.0) for shard in shown if shard.started is not None]
    if len(starts) < len(shown):
        return None
    busy = [shard.busy or 0.0 for shard in shown]
    end = max(start + seconds for start, seconds in zip(starts, busy, strict=True))
    return min(starts) if sum(busy) >= 0.3 * (end - min(starts)) else None


def _phases(shard: Shard) -> tuple[float, float, float]:
    """Seconds of start-up, generating and draining."""
    seconds = shard.seconds or 0.0
    first = min(seconds if shard.first_sample is None else shard.first_sample, seconds)
    drained = min(max(shard.last_admitted or 0.0, first), seconds)
    return (shard.start_up or 0.0) + first, drained - first, seconds - drained


def _task_row(shard: Shard, start: float) -> BarRow:
    at, bars = start - (shard.start_up or 0.0), []
    for phase, kind, length in zip(
        ("start-up", "generating", "draining"), ("k3", "k1", "k4"), _phases(shard), strict=True
    ):
        if length:
            bars.append(Bar(at, at + length, kind, f"{shard.name}: {phase} {duration(length)}"))
        at += length
    return BarRow(f"{shard.attempt}/{shard.task}", bars, duration(shard.busy or 0.0))


def shards_figure(run: Facts) -> Figure | None:
    """Samples per shard."""
    if not run.plan.complete or len(run.shards) < 2:
        return None
    size = -(-len(run.shards) // MOST_SHARDS)
    groups = [run.shards[at : at + size] for at in range(0, len(run.shards), size)]
    aside = 0.2 if len(groups) <= 12 else 0.0  # a few columns would else be one wide block
    bars, rows = [], []
    for number, group in enumerate(groups):
        name = group[0].name if len(group) == 1 else f"{group[0].name} to {group[-1].name}"
        timed = sum(shard.samples for shard in group if shard.seconds is not None)
        rest = sum(shard.samples for shard in group) - timed
        words = f"{name}: {count_text(timed + rest)} samples"
        state = "" if not rest else f", {count_text(rest)} of them by killed or working tasks"
        pieces = [("k1", float(timed)), ("k3", float(rest))]
        bars.append(ChartColumn(number + aside, number + 1 - aside, pieces, words + state))
        rows.append([name, count_text(timed + rest), count_text(rest)])
    top = max(sum(value for _, value in bar.pieces) for bar in bars)
    first = {number + 0.5: f"{group[0].attempt}/{group[0].task}" for number, group in enumerate(groups)}
    title = "attempt/task" if size == 1 else f"attempt/task of the first of {size}"
    across = Axis(list(first), lambda tick: first[tick], title, low=0.0, high=float(len(bars)))
    table = Table(["task", "samples", "by killed or working tasks"], rows)
    legend = [("k1", "ended by themselves"), ("k3", "killed or running")]
    caption = f"Each column is {size} tasks." if size > 1 else ""
    return Figure("Samples per task", caption, columns(bars, across, zero(top), table, legend))


_REASONS = (("k1", "stop", "finished"), ("k2", "length", "cut off"), ("k4", "unclosed", "never answered"))


def lengths_figure(run: Facts) -> Figure | None:
    """How long samples are."""
    found = lengths(run)
    if found is None:
        return None
    edges = found.edges
    even = len({b - a for a, b in zip(edges, edges[1:], strict=False)}) == 1
    bars, rows = [], []
    for at, counts in enumerate(found.bins):
        low, high = (edges[at], edges[at + 1]) if even else (at, at + 1)
        other = sum(counts.values()) - sum(counts[reason] for _, reason, _ in _REASONS)
        pieces = [(kind, float(counts[reason])) for kind, reason, _ in _REASONS] + [("k0", float(other))]
        told = ", ".join(f"{count_text(counts[reason])} {word}" for _, reason, word in _REASONS)
        name = f"{edges[at]:,} to {edges[at + 1] - 1:,} {found.unit}"
        bars.append(ChartColumn(low, high, pieces, f"{name}: {told}"))
        rows.append([name, *(count_text(counts[reason]) for _, reason, _ in _REASONS)])
    top = max(sum(value for _, value in bar.pieces) for bar in bars)
    if even:
        across = zero(edges[-1], count_text, found.unit, tight=True)
    else:
        powers = [float(at) for at, edge in enumerate(edges) if edge.bit_count() <= 1]
        across = Axis(
            powers, lambda at: count_text(edges[int(at)]), found.unit, low=0.0, high=len(edges) - 1.0
        )
    table = Table([found.unit, *(word for _, _, word in _REASONS)], rows)
    legend = [(kind, word) for kind, _, word in _REASONS]
    caption = f"The median is {count_text(found.median)} {found.unit}."
    if found.samples < found.total:
        caption += (
            f" Counted are {count_text(found.samples)} of {count_text(found.total)} samples, evenly spread."
        )
    return Figure("Length of samples", caption, columns(bars, across, zero(top), table, legend))


def agreement_figure(run: Facts) -> Figure | None:
    """How much the samples of a record agree."""
    votes = (run.counts or {}).get("votes", {})
    histogram = votes.get("histogram", {})
    if not histogram:
        return None
    bars, rows = [], []
    for tenth in range(10):
        records = histogram.get(str(tenth), 0)
        until = "to 100%" if tenth == 9 else f"to below {tenth + 1}0%"
        words = f"{tenth * 10}% {until}"
        bars.append(
            ChartColumn(tenth / 10, (tenth + 1) / 10, [("k1", records)], f"{words}: {count_text(records)}")
        )
        rows.append([words, count_text(records)])
    mean = votes["agreement_ppm"] / 1e6 / votes["records"]
    across = Axis(_TENTHS, percent, "share of votes for the majority answer")
    top = zero(max(histogram.values()))
    chart = columns(bars, across, top, Table(["agreement", "problems"], rows))
    return Figure(
        "Agreement", f"Problems by the agreement of their samples; the mean is {share(mean)}.", chart
    )


def scores_figure(run: Facts) -> Figure | None:
    """Scores of right and of wrong samples."""
    if run.stats is None or "scores" not in run.stats["counts"] or run.task != "scores":
        return None
    found = score_bins(run.layout.dataset)
    if found is None:
        return None
    bars, rows = [], []
    for low, high, counts in zip(found.edges, found.edges[1:], found.counts.tolist(), strict=False):
        words = f"{low:.3g} to {high:.3g}"
        told = ", ".join(f"{count_text(count)} {kind}" for kind, count in zip(KINDS, counts, strict=True))
        pieces = [(kind, float(count)) for kind, count in zip(("k1", "k2", "k0"), counts, strict=True)]
        bars.append(ChartColumn(low, high, pieces, f"{words}: {told}"))
        rows.append([words, *map(count_text, counts)])
    across = Axis(found.edges[::4], short, "score", low=found.edges[0], high=found.edges[-1])
    top = zero(float(found.counts.sum(axis=1).max()))
    legend = list(zip(("k1", "k2", "k0"), KINDS, strict=True))
    chart = columns(bars, across, top, Table(["score", *KINDS], rows), legend)
    caption = "Samples by their score."
    if found.auc is not None:
        caption += (
            f" AUC {found.auc:.3f}: the share of pairs of a right and a wrong sample in which the right one "
            "scores higher."
        )
    return Figure("Scores", caption, chart)
