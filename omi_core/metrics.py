"""What is measured of runs, once: every table, page, card, summary and file of figures takes it from METRICS.

A metric is measured as it is, or a ratio of what is known of a run. Its name is that in CSV and JSON, which
programs rely on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Known = Mapping[str, Any]


def count_text(value: float) -> str:
    """12,345 in full; of small figures also a decimal."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:,.1f}"


def share(value: float) -> str:
    return f"{value:.1%}"


_FORMS: Mapping[str, Callable[[Any], str]] = {
    "": str,
    "count": count_text,
    "share": share,
    "mean": "{:,.1f}".format,
    "rate": "{:,.0f}".format,
    "hours": "{:,.3g}".format,
    "seconds": lambda hours: f"{hours * 3600:,.3g}",
}


@dataclass(frozen=True)
class Metric:
    """One figure of a run.

    `ratio` gives (part, whole) of what is known: of the metrics, of `counts` as the reduce stage merges them,
    and of `new_tokens`, `made` (samples), `timed_tokens` and `seconds`. None: the metric is known as it is.
    `unit` is a key of the formats; of "seconds" the value is in hours and shown in seconds. `heading` is that
    of a column, with a line break where it may be broken; `tile` stands beside the figure of a single run,
    with {NAME} for another figure; `chart` is the title and caption of the bars of several runs; `label` is
    for cards and summaries. What is empty is not shown there. `when` says that the metric is shown only where
    "gpus" take part, or only where "tasks" alone do. `listed`: it is a column of CSV and JSON.
    """

    name: str
    unit: str = ""
    ratio: Callable[[Known], tuple[float | None, float | None]] | None = None
    heading: str = ""
    tile: str = ""
    chart: tuple[str, str] | None = None
    label: str = ""
    when: str = ""
    listed: bool = True

    def of(self, known: Known) -> Any:
        """The value; None where it is not known, or nothing was measured."""
        return known[self.name] if self.ratio is None else divide(*self.ratio(known))

    def show(self, value: Any, unknown: str = "-") -> str:
        """A value as people read it."""
        return unknown if value is None else _FORMS[self.unit](value)


def divide(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _counted(section: str, part: str, whole: str) -> Callable[[Known], tuple[float, float]]:
    def ratio(known: Known) -> tuple[float, float]:
        counts = known["counts"].get(section, {})
        return counts.get(part, 0), counts.get(whole, 0)

    return ratio


def _answered(known: Known) -> tuple[float, float]:
    answers = known["counts"].get("answers", {})
    return answers.get("found", 0), answers.get("found", 0) + answers.get("none", 0)


def _single(known: Known) -> tuple[float, float]:
    """By draws of one sample: hard records that have more samples than others count no more than these."""
    truth = known["counts"].get("truth", {})
    ones = truth.get("draws", {}).get("1")
    if ones is None:
        return truth.get("equal", 0), truth.get("samples", 0)
    return ones["solved"], ones["draws"]


def _agreement(known: Known) -> tuple[float, float]:
    millionths, records = _counted("votes", "agreement_ppm", "records")(known)
    return millionths / 1e6, records


def _kept(known: Known) -> tuple[float, float]:
    counts = known["counts"]
    return counts.get("used", counts.get("rows", 0)), counts.get("samples", 0)


_TABLE = (
    Metric("records", "count"),
    Metric("samples", "count"),
    Metric("settled", "count"),
    Metric(
        "coverage",
        "share",
        lambda known: (known["settled"], known["samples"]),
        heading="coverage",
        tile="coverage: {settled} of {samples}",
    ),
    Metric("answered", "share", _answered, label="samples with an answer", listed=False),
    Metric(
        "single_accuracy",
        "share",
        _single,
        heading="single",
        tile="single samples right",
        label="samples equal to the ground truth",
    ),
    Metric(
        "voted_accuracy",
        "share",
        _counted("truth", "majority_equal", "records"),
        heading="voted",
        tile="majorities right",
        label="majority answers equal to the ground truth",
    ),
    Metric(
        "solved",
        "share",
        _counted("truth", "records_solved", "records"),
        label="problems solved by a sample at least",
        listed=False,
    ),
    Metric(
        "agreement",
        "share",
        _agreement,
        heading="agree",
        tile="mean agreement",
        chart=("Agreement", "Mean share of votes for the majority."),
        label="agreement (mean share of votes for the majority)",
    ),
    Metric(
        "tokens_per_solution",
        "mean",
        lambda known: (known["new_tokens"] or None, known["made"]),
        heading="tokens \neach",
        tile="tokens per sample",
        chart=("Tokens per sample", "New tokens of a sample, on average."),
    ),
    Metric(
        "kept_share",
        "share",
        _kept,
        heading="kept",
        tile="of the samples kept",
        chart=("Samples kept", "Share of samples that become rows, duplicates included."),
        label="samples kept",
    ),
    Metric(
        "texts_differ",
        "share",
        _counted("repeats", "differ", "samples"),
        label="samples drawn twice whose texts differ",
        listed=False,
    ),
    Metric(
        "rows",
        "count",
        heading="rows",
        tile="rows published",
        chart=("Rows", "Published rows."),
        label="rows",
    ),
    Metric("tokens", "count", heading="tokens", tile="tokens published"),
    Metric(
        "tokens_per_second",
        "rate",
        lambda known: (known["timed_tokens"], known["seconds"]),
        heading="tokens\n/s",
        tile="tokens/s of a task",
        chart=("Speed", "New tokens per second of one task, start-up left out."),
        label="new tokens/s",
    ),
    Metric("gpus_per_task", "count"),
    Metric("gpu_hours", "hours", heading="GPU-\nhours worked", tile="GPU time worked", when="gpus"),
    Metric("task_hours", "hours", heading="task-\nhours", tile="time of all tasks", when="tasks"),
    Metric(
        "gpu_hours_per_accepted",
        "seconds",
        lambda known: (known["gpu_hours"], known["rows"]),
        heading="GPU-s \nper row",
        tile="GPU-seconds per row",
        chart=("Cost of a row", "GPU-seconds per published row; tasks without times are not counted."),
        when="gpus",
    ),
    Metric(
        "task_hours_per_accepted",
        "seconds",
        lambda known: (known["task_hours"], known["rows"]),
        heading="task-s \nper row",
        tile="task-seconds per row (no GPU)",
        chart=(
            "Cost of a row",
            "Seconds of a task per published row (no GPU took part); tasks without times are not counted.",
        ),
        when="tasks",
    ),
    Metric("untimed_tasks", "count"),
    Metric("gpu_hours_allocated", "hours", tile="GPU time allocated", when="gpus"),
    Metric("content_hash", label="content hash"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _TABLE}


def shares(names: Iterable[str], counts: Known) -> dict[str, float]:
    """LABEL → share of those of these metrics that the merged counts tell, in the order of METRICS."""
    names = set(names)
    found = {m.label: m.of({"counts": counts}) for m in _TABLE if m.name in names and m.unit == "share"}
    return {label: value for label, value in found.items() if value is not None}
