"""The row of a run: its figures, and the options that tell it from others."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import orjson
import pytest

from omi_core.metrics import METRICS
from omi_core.report.comparison import as_csv, as_json, columns, differing_options, measure, rows_of
from omi_core.report.facts import Facts
from omi_core.report.html import breakable
from omi_core.report.overview import labels
from omi_core.report.page import render_report
from omi_core.tasks import known, rates


def test_figures_are_those_of_stats_json(facts: dict[str, Facts]) -> None:
    run = facts["published"]
    assert run.stats and run.counts
    row, shares = measure(run), rates(known()[run.task], run.counts)
    assert row["single_accuracy"] == shares["samples equal to the ground truth"]
    assert row["voted_accuracy"] == shares["majority answers equal to the ground truth"]
    assert row["agreement"] == shares["agreement (mean share of votes for the majority)"]
    assert row["kept_share"] == shares["samples kept"]
    assert row["rows"] == run.stats["rows"]
    assert row["content_hash"] == run.stats["content_hash"]
    made = run.counts["samples"] - run.counts.get("quarantined", 0)
    assert row["tokens_per_solution"] == run.counts["tokens"]["completion"] / made
    assert row["task_hours_per_accepted"] == pytest.approx((row["task_hours"] or 0) / run.stats["rows"])


UNKNOWN = {
    "planned": {"tokens_per_solution", "tokens_per_second", "task_hours", "gpu_hours"},
    "generating": set(),
    "generated": set(),
    "reduced": set(),
}
LATER = {"single_accuracy", "voted_accuracy", "agreement", "kept_share"}
LAST = {
    "gpu_hours_allocated",
    "rows",
    "tokens",
    "content_hash",
    "gpu_hours_per_accepted",
    "task_hours_per_accepted",
}


@pytest.mark.parametrize("stage", UNKNOWN)
def test_what_is_not_known_yet_is_none(facts: dict[str, Facts], stage: str) -> None:
    row = orjson.loads(as_json([measure(facts[stage])]))[0]
    unknown = {name for name, value in row.items() if value is None}
    assert unknown == UNKNOWN[stage] | LAST | (set() if stage == "reduced" else LATER)
    assert row["coverage"] == row["settled"] / row["samples"]


DIFFERENCES: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("nothing", [{"a": 1}, {"a": 1}], [{}, {}]),
    ("a value", [{"a": 1, "b": 2}, {"a": 3, "b": 2}], [{"a": 1}, {"a": 3}]),
    ("nested", [{"s": {"a": 1, "b": 0}}, {"s": {"a": 2, "b": 0}}], [{"s.a": 1}, {"s.a": 2}]),
    ("a list", [{"a": [1]}, {"a": [1, 2]}], [{"a": [1]}, {"a": [1, 2]}]),
    ("the type", [{"a": 1}, {"a": "1"}], [{"a": 1}, {"a": "1"}]),
    ("where it lies", [{"run": {"dir": "a"}}, {"run": {"dir": "b"}}], [{}, {}]),
    ("not there in one", [{"a": 1, "b": 1}, {"a": 1}], [{}, {}]),
    (
        "a name that decides",
        [{"teacher": {"name": "x", "model": "m"}}, {"teacher": {"name": "y", "model": "n"}}],
        [{"teacher": "x"}, {"teacher": "y"}],
    ),
    (
        "a name that does not decide",
        [{"t": {"name": "x", "n": 1}}, {"t": {"name": "y", "n": 2}}, {"t": {"name": "y", "n": 3}}],
        [{"t": "x", "t.n": 1}, {"t": "y", "t.n": 2}, {"t": "y", "t.n": 3}],
    ),
]


@pytest.mark.parametrize(
    ("configs", "expected"), [case[1:] for case in DIFFERENCES], ids=[c[0] for c in DIFFERENCES]
)
def test_the_options_in_which_runs_differ(
    configs: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    assert differing_options(configs) == expected


def test_labels_are_short_and_all_different(facts: dict[str, Facts]) -> None:
    row = measure(facts["planned"])
    options = [
        {"teacher": "tiny", "sampling.top_k": 1, "samples": 2},
        {"teacher": "tiny", "sampling.top_k": 1, "samples": 4},
        {"teacher": "weak", "sampling.top_k": 5, "samples": 4},
    ]
    rows = [measure(facts["planned"], chosen) for chosen in options]
    assert labels(rows) == ["tiny, samples=2", "tiny, samples=4", "weak, samples=4"]
    assert len(set(labels([row, measure(facts["published"])]))) == 2
    assert len({*labels([row, row])}) == 1  # the same run twice cannot be told apart


def test_csv_and_json_say_the_same(facts: dict[str, Facts]) -> None:
    rows = rows_of(list(facts.values()))
    table = list(csv.DictReader(io.StringIO(as_csv(rows))))
    objects = orjson.loads(as_json(rows))
    assert len(table) == len(objects) == len(facts)
    for line, row in zip(table, objects, strict=True):
        for name, value in row.items():
            if name != "options":
                told = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
                assert line[name] == told


def test_terminal_page_and_files_show_the_same_metrics(facts: dict[str, Facts]) -> None:
    runs = [facts["published"], facts["reduced"]]
    rows = rows_of(runs)
    page = render_report(runs, 0)
    assert set(orjson.loads(as_json(rows))[0]) >= {name for name, metric in METRICS.items() if metric.listed}
    for metric in columns(rows):
        assert f'<th scope="col">{breakable(metric.heading)}</th>' in page
        for row in rows:
            assert f"<td>{row.told(metric, '–')}</td>" in page
        if metric.chart and any(row[metric.name] is not None for row in rows):
            assert f"<h3>{metric.chart[0]}</h3><p>{metric.chart[1]}</p>" in page


@pytest.mark.parametrize("gpus", [0, 2])
def test_hours_are_those_of_gpus_where_any_took_part(facts: dict[str, Facts], gpus: int) -> None:
    row = measure(facts["published"])
    row = replace(row, figures={**row.figures, "gpus_per_task": gpus, "untimed_tasks": 1, "gpu_hours": 2.5})
    shown = {metric.name for metric in columns([row])}
    kinds = ({"task_hours", "task_hours_per_accepted"}, {"gpu_hours", "gpu_hours_per_accepted"})
    assert kinds[bool(gpus)] <= shown and not kinds[not gpus] & shown
    assert row.told(METRICS["gpu_hours"]) == "≥ 2.5", "a task that left no times makes it a lower bound"
    assert row.told(METRICS["rows"]) == str(row["rows"])


@pytest.mark.parametrize("name", known())
def test_the_share_of_samples_kept_is_that_of_the_card(facts: dict[str, Facts], name: str) -> None:
    counts = {"samples": 8, "rows": 2, "used": 6, "filters": {}}
    run = replace(facts["reduced"], counts=counts, config={"task": {"name": name}})
    assert measure(run)["kept_share"] == rates(known()[name], counts)["samples kept"] == 0.75


def test_every_figure_that_a_task_claims_is_a_metric() -> None:
    for task in known().values():
        assert set(task.figures) <= METRICS.keys()
