"""A row per run: the options in which the runs differ, then what came out and what it cost.

`measure` gives a run's figures, `differing_options` the leading columns, `columns` what a terminal and a page
show; `as_csv` and `as_json` are for programs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from omi_core.metrics import METRICS, Metric
from omi_core.report.facts import Facts
from omi_core.tasks import figures_of

# Where a run lies says nothing about it.
_LEFT_OUT = ("run.", "wait", "notify")


@dataclass(frozen=True)
class Row:
    """One run: the options that tell it from others, and its `figures`, METRIC → value.

    None is "not known yet", or that nothing was measured.

    `samples` are the planned keys and `settled` those on disk. Hours are those of the tasks that left their
    times; `untimed_tasks` did not (killed, or at work), so with any of them hours are a lower bound.
    `differences` are those of an evaluation from the first one, as `Pair.to_json`.
    `tokens_per_second` is that of one task. Hours per accepted sample are per published row. `tokens` are
    those of the published rows, which are counted of dialogues alone.
    """

    run: str
    directory: str
    task: str
    stage: str
    rehearsal: bool
    options: dict[str, Any]
    figures: dict[str, Any]
    differences: Sequence[Mapping[str, Any]] = ()

    def __getitem__(self, name: str) -> Any:
        return self.figures[name]

    def bound(self, metric: Metric) -> str:
        """The sign in front of a figure that is a lower bound."""
        timed = metric.unit in ("hours", "seconds") and self[metric.name] is not None
        return "≥ " if timed and self["untimed_tasks"] else ""

    def told(self, metric: Metric, unknown: str = "-") -> str:
        """A figure as people read it."""
        return self.bound(metric) + metric.show(self[metric.name], unknown)


def rows_of(runs: Sequence[Facts]) -> list[Row]:
    """The rows of several runs, with the options in which they differ."""
    chosen = differing_options([run.config for run in runs])
    return [measure(run, options) for run, options in zip(runs, chosen, strict=True)]


def measure(run: Facts, options: Mapping[str, Any] | None = None) -> Row:
    """The figures of one run."""
    counts, stats = run.counts or {}, run.stats or {}
    known: dict[str, Any] = {
        "records": run.plan.records,
        "samples": run.plan.keys,
        "settled": run.settled,
        "counts": counts,
        "rows": run.rows,
        "tokens": stats.get("tokens"),
        "content_hash": stats.get("content_hash"),
        "gpus_per_task": run.gpus,
        "gpu_hours": run.gpu_hours,
        "gpu_hours_allocated": run.gpu_hours_allocated,
        "task_hours": run.task_hours,
        "untimed_tasks": run.untimed,
        "timed_tokens": sum(shard.completion_tokens or 0 for shard in run.timed),
        "seconds": sum(max(0.0, (shard.seconds or 0.0) - shard.away) for shard in run.timed),
    }
    # Samples that the teacher refused have no tokens, and imported ones no known number of them.
    if counts:
        known["new_tokens"] = counts.get("tokens", {}).get("completion")
        known["made"] = counts.get("samples", 0) - counts.get("quarantined", 0)
    else:
        known["new_tokens"] = known["timed_tokens"]
        known["made"] = sum((shard.generated or 0) - shard.refused for shard in run.timed)
    return Row(
        run=run.name,
        directory=str(run.layout.root),
        task=run.task,
        stage=run.stage,
        rehearsal=run.rehearsal,
        options=dict(options or {}),
        figures={name: metric.of(known) for name, metric in METRICS.items() if metric.listed},
    )


def columns(rows: Sequence[Row]) -> list[Metric]:
    """The metrics that a table of these runs has; hours are those of GPUs where any run has them."""
    absent = figures_of(row.task for row in rows)
    gpus = any(row["gpus_per_task"] and row["task_hours"] is not None for row in rows)
    shown = ("", "gpus" if gpus else "tasks")
    return [m for m in METRICS.values() if m.heading and m.when in shown and m.name not in absent]


def option_names(rows: Sequence[Row]) -> list[str]:
    """The options in which any of the runs differ."""
    return list(dict.fromkeys(key for row in rows for key in row.options))


def option_shown(value: Any, unset: str = "-") -> str:
    """The value of an option, as it would be written on a command line."""
    if isinstance(value, list):
        return ",".join(map(option_shown, value)) or "-"
    return unset if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def differing_options(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each config the options that are not the same in all, by dotted name, in the order of the schema.

    An option that some configs do not have (another command, an older version) counts by those that do.
    Where a section's `name` differs (`teacher.name`, `data.name`) it stands for the whole section, as
    `teacher`, as long as it decides the section's other options.
    """
    flat = [dict(_leaves(config)) for config in configs]
    keys = list(dict.fromkeys(key for config in flat for key in config))
    differing = [
        key
        for key in keys
        if not key.startswith(_LEFT_OUT) and len({_text(config[key]) for config in flat if key in config}) > 1
    ]
    names = [key for key in differing if key.endswith(".name") and key.count(".") == 1]
    shown = [key for key in differing if not _decided(key, names, flat)]
    return [{key.removesuffix(".name"): config.get(key) for key in shown} for config in flat]


def _leaves(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            out += _leaves(value, f"{prefix}{key}.")
        else:
            out.append((f"{prefix}{key}", value))
    return out


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _decided(key: str, names: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> bool:
    """Does the name of the key's section differ, too, and decide its value?"""
    name = f"{key.partition('.')[0]}.name"
    if key == name or name not in names:
        return False
    pairs = {(_text(config.get(name)), _text(config.get(key))) for config in configs}
    return len(pairs) == len({of for of, _ in pairs})


def as_json(rows: Sequence[Row]) -> bytes:
    """An array with an object per run."""
    return orjson.dumps([_flat(row) for row in rows], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _flat(row: Row) -> dict[str, Any]:
    values = asdict(row)
    differences = {"differences": found} if (found := values.pop("differences")) else {}
    return values | values.pop("figures") | differences


def as_csv(rows: Sequence[Row]) -> str:
    """A header and a line per run; the differing options stand in front, what is not known is empty.

    Differences from the first evaluation stand at the end, `gsm8k.pass@1.difference` and so on.
    """
    options = option_names(rows)
    flat = [_flat(row) | _apart(row) for row in rows]
    names = dict.fromkeys(name for values in flat for name in values)
    figures = [name for name in names if name not in ("run", "options", "differences")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["run", *options, *figures])
    for values in flat:
        chosen = [values["options"].get(key) for key in options]
        writer.writerow([values["run"], *map(_cell, chosen), *(_cell(values.get(name)) for name in figures)])
    return out.getvalue()


def _apart(row: Row) -> dict[str, Any]:
    """The differences of a row, a column each."""
    return {
        f"{found['benchmark']}.{found['metric']}.{name}": value
        for found in row.differences
        for name, value in found.items()
        if name not in ("benchmark", "metric")
    }


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return orjson.dumps(value).decode() if isinstance(value, (list, dict)) else value
