"""The figures of evaluations as tables that people read: a row for each benchmark, shares with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from omi_core.evaluate.figures import (
    BEST,
    IN_ORDER,
    MAJORITY,
    NO_ANSWER,
    OPEN,
    PASS,
    TOKENS,
    UNFINISHED,
    WEIGHTED,
    EvaluationFigure,
)

Found = dict[tuple[str, int | None], EvaluationFigure]


def whole(figures: Sequence[EvaluationFigure]) -> dict[str, Found]:
    """Benchmark → (metric, k) → figure, of whole benchmarks."""
    found: dict[str, Found] = {}
    for figure in figures:
        if figure.group is None:
            found.setdefault(figure.benchmark, {})[figure.metric, figure.k] = figure
    return found


def shown(figure: EvaluationFigure) -> str:
    """A share in percent with its interval: `62.5 (47.1 to 75.8)`; where some is undecided both bounds."""
    value = f"{figure.value * 100:.1f}"
    if figure.undecided_right > figure.value + 1e-12:
        value += f"–{figure.undecided_right * 100:.1f}"
    return f"{value} ({figure.low * 100:.1f} to {figure.high * 100:.1f})"


def _shown_if_there(figure: EvaluationFigure | None) -> str:
    """Of a share that not every benchmark has."""
    return "-" if figure is None else shown(figure)


_SEVERAL = {MAJORITY: "maj", PASS: "pass", BEST: "rm", WEIGHTED: "weighted"}


def header(figures: Sequence[EvaluationFigure]) -> list[str]:
    """The columns of `lines`."""
    samples, there = max(figure.samples for figure in figures), {figure.metric for figure in figures}
    several = [f"{name}@{samples} %" for metric, name in _SEVERAL.items() if metric in there and samples > 1]
    return [
        "benchmark",
        "problems",
        "pass@1 %",
        *several,
        *(["pairs in order %"] if IN_ORDER in there else []),
        "no answer %",
        "unfinished %",
        "undecided %",
        "tokens",
    ]


def lines(figures: Sequence[EvaluationFigure]) -> Iterator[list[str]]:
    """A row for each benchmark."""
    in_order = any(figure.metric == IN_ORDER for figure in figures)
    for name, found in whole(figures).items():
        single = found[PASS, 1]
        several = []
        if single.samples > 1:
            keys = [(metric, single.samples) for metric in _SEVERAL]
            several = [found[key] for key in keys if key in found]
        shares = (found[name, None] for name in (NO_ANSWER, UNFINISHED, OPEN))
        yield [
            name,
            f"{single.problems:,}",
            *map(shown, [single, *several]),
            *([_shown_if_there(found.get((IN_ORDER, None)))] if in_order else []),
            *(f"{figure.value * 100:.1f}" for figure in shares),
            f"{found[TOKENS, None].value:,.0f}",
        ]


def notes(figures: Sequence[EvaluationFigure]) -> Iterator[str]:
    """What the figures alone would not say."""
    yield "In brackets: 95 % intervals over problems, of other problems like these."
    if any(figure.metric == BEST for figure in figures):
        yield "pass@1: a sample picked at random; rm: the best by score; weighted: the vote, by scores."
    if any(figure.metric == IN_ORDER for figure in figures):
        yield "pairs in order: the right one of a right and a wrong sample of a problem scores higher."
    for name, found in whole(figures).items():
        single = found[PASS, 1]
        if (single.high - single.low) / 2 > 0.05:
            points = (single.high - single.low) * 50
            yield f"{name}: {single.problems} problems tell pass@1 to about ±{points:.0f} points."
    if any(figure.undecided_right > figure.value + 1e-12 for figure in figures):
        yield "a–b: no rule could decide some answers; a if they are all wrong, b if they are all right."


def markdown(title: str, protocol: Mapping[str, object], figures: Sequence[EvaluationFigure]) -> str:
    """The README of an evaluation."""
    head = header(figures)
    table = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *lines(figures))]
    said = "; ".join(f"{name} {value}" for name, value in protocol.items())
    listed = [f"- {note}" for note in notes(figures)]
    return "\n".join([f"# {title}", "", said, "", *table, "", *listed, ""])
