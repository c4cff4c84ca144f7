"""What pages show of evaluations: bars with intervals, curves over k, differences, and graded samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omi_core.evaluate.figures import BEST, MAJORITY, PASS, WEIGHTED, EvaluationFigure
from omi_core.evaluate.pairs import pairs_of
from omi_core.evaluate.tables import shown
from omi_core.publish.parts import read_part
from omi_core.report.charts import Axis, Bar, BarRow, Curve, Table, bar_rows, lines
from omi_core.report.facts import Facts
from omi_core.report.plots import SHARES, Figure
from omi_core.report.svg import percent

# As many curves as there are colours to tell them apart.
_MOST_CURVES = 6
_NAMES = {PASS: "pass", MAJORITY: "maj", BEST: "rm", WEIGHTED: "weighted"}
_TITLES = {
    PASS: "A single sample is right (pass@1)",
    MAJORITY: "The vote among all samples is right",
    BEST: "The best sample by score is right",
    WEIGHTED: "The vote among all samples, weighed by score, is right",
}
_WIDTHS = (0.05, 0.1, 0.2, 0.5, 1.0)  # of an axis of differences, to either side


def evaluation_figures(runs: Sequence[Facts], names: Sequence[str]) -> Iterator[Figure]:
    """Bars of every benchmark, then its curves over k; models stand side by side.

    A run of scores has those of the evaluation that it has scored, and those by score.
    """
    both = ((name, run.evaluation or run.scored) for name, run in zip(names, runs, strict=True))
    found = [(name, one.figures) for name, one in both if one]
    whole = [(name, figure) for name, figures in found for figure in figures if figure.group is None]
    benchmarks = list(dict.fromkeys(figure.benchmark for _, figure in whole))
    if not benchmarks:
        return
    for metric in _NAMES:
        chosen = [
            (name, figure)
            for benchmark in benchmarks
            for name, figure in whole
            if figure.benchmark == benchmark
            and figure.metric == metric
            and figure.k == (1 if metric == PASS else figure.samples)
            and (metric == PASS or figure.samples > 1)
        ]
        if chosen:
            yield _bars(metric, chosen, len(found) > 1)
    for benchmark in benchmarks:
        curves = [
            (name, metric, [each for each in figures if (each.benchmark, each.metric, each.group) == of])
            for name, figures in found
            for metric in _NAMES
            for of in [(benchmark, metric, None)]
        ]
        curves = [(name, metric, points) for name, metric, points in curves if len(points) > 1]
        if curves:
            yield _over_k(benchmark, curves, len(found) > 1)
    for name, figures in found:
        parts = [figure for figure in figures if figure.group and figure.metric == PASS and figure.k == 1]
        if parts and len(found) == 1:
            yield _bars_of_parts(name, parts)


def _bars(metric: str, chosen: Sequence[tuple[str, EvaluationFigure]], several: bool) -> Figure:
    rows, body = [], []
    for name, figure in chosen:
        label = f"{figure.benchmark}, {name}" if several else figure.benchmark
        rows.append(_bar(label, figure))
        body.append([label, f"{figure.problems:,}", shown(figure)])
    table = Table(["benchmark", "problems", "%"], body)
    caption = "Share of problems, with its 95 % interval as a thin line."
    return Figure(_TITLES[metric], caption, bar_rows(rows, SHARES, table))


def _bars_of_parts(name: str, parts: Sequence[EvaluationFigure]) -> Figure:
    labels = [f"{figure.benchmark}: {figure.group[1] if figure.group else ''}" for figure in parts]
    rows = [_bar(label, figure) for label, figure in zip(labels, parts, strict=True)]
    body = [
        [label, f"{figure.problems:,}", shown(figure)] for label, figure in zip(labels, parts, strict=True)
    ]
    chart = bar_rows(rows, SHARES, Table(["part", "problems", "%"], body))
    return Figure("By level and subject", f"pass@1 of {name}, with its 95 % interval.", chart)


def _bar(label: str, figure: EvaluationFigure) -> BarRow:
    words = f"{label}: {shown(figure)}"
    span = Bar(figure.low, max(figure.high, figure.low + 1e-9), "k0 thin", words)
    return BarRow(label, [span, Bar(figure.value, figure.value, "k1", words)], percent(figure.value))


def _over_k(
    benchmark: str, curves: Sequence[tuple[str, str, Sequence[EvaluationFigure]]], several: bool
) -> Figure:
    drawn = curves[:_MOST_CURVES]
    series, legend, body = [], [], []
    for number, (name, metric, points) in enumerate(curves):
        label = f"{_NAMES[metric]}@k of {name}" if several else f"{_NAMES[metric]}@k"
        at = sorted(points, key=lambda figure: figure.k or 0)
        body += [[label, str(figure.k), shown(figure)] for figure in at]
        if number < len(drawn):
            kind = f"k{number + 1}"
            words = [f"{label}, k = {figure.k}: {shown(figure)}" for figure in at]
            places = [(float(figure.k or 0), figure.value) for figure in at]
            series.append(Curve(label, kind, places, words, marks=True, dashed=metric == PASS))
            legend.append((kind, label))
    most = max(figure.samples for _, _, points in curves for figure in points)
    ticks = [float(1 << power) for power in range((most - 1).bit_length() + 1)]
    across = Axis(ticks, lambda tick: f"{tick:g}", "samples per problem", log=True)
    caption = "Expected over all choices of k of the samples."
    if len(curves) > len(drawn):
        caption += f" Drawn are the first {len(drawn)} of {len(curves)} curves; the table has all."
    chart = lines(series, across, SHARES, Table(["", "k", "%"], body), legend)
    return Figure(f"{benchmark}: over k samples", caption, chart)


def difference_figures(runs: Sequence[Facts], names: Sequence[str]) -> Iterator[Figure]:
    """How the evaluations after the first differ from it, over the problems that both have."""
    found = [(name, run.evaluation) for name, run in zip(names, runs, strict=True) if run.evaluation]
    if len(found) < 2:
        return
    (first, base), *others = found
    rows, body = [], []
    for name, other in others:
        for pair in pairs_of(base, other):
            label = f"{pair.benchmark} {pair.metric}, {name}"
            told, value = pair.difference, pair.difference.value
            kind = "k1" if told.resolved else "k0"
            span = Bar(told.low, max(told.high, told.low + 1e-9), "k0 thin", f"{label}: {pair.told}")
            dot = Bar(value, value, kind, f"{label}: {pair.told}")
            rows.append(BarRow(label, [span, dot], f"{value * 100:+.1f}"))
            body.append([label, f"{pair.problems:,}", pair.told])
    if rows:
        legend = [("k1", "resolved"), ("k0", "not resolved: the interval holds 0")]
        table = Table(["", "problems", "difference"], body)
        caption = "Points more than the first, problem by problem, with 95 % intervals."
        most = max(max(abs(bar.start), abs(bar.end)) for row in rows for bar in row.bars)
        width = next((width for width in _WIDTHS if width >= most), 2.0)
        axis = Axis([width * half / 2 for half in range(-2, 3)], lambda value: f"{value * 100:+g}")
        yield Figure(f"Against {first}", caption, bar_rows(rows, axis, table, legend))


def graded_examples(run: Facts, most: int) -> Iterator[tuple[str, list[str]]]:
    """Of each benchmark a few samples that are right, wrong, undecided, unfinished or without an answer."""
    seen: dict[tuple[str, str], int] = {}
    for part in run.parts:
        for row in read_part(part.path):
            kind = "unfinished" if row["finish"] != "stop" else row["verdict"]
            key = (row["benchmark"], kind)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] <= most:
                about = f"{row['benchmark']} {row['benchmark_row']}, sample {row['sample']}: {kind}; "
                about += f"{row['given_answer'] or 'no answer'} for {row['expected_answer']}"
                yield about, [row["problem"], row["generated_solution"]]
