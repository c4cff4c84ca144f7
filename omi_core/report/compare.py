"""A row per run: the options in which the runs differ, then what came out and what it cost.

`measure` gives a run's figures, `differing_options` the leading columns; `as_csv` and `as_json` are for
programs, and the figures of a page come from here, too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from omi_core.report.facts import Facts

# Where a run lies says nothing about it.
_LEFT_OUT = ("run.",)


@dataclass(frozen=True)
class Row:
    """The figures of one run; None is "not known yet". Shares are in [0, 1].

    `samples` are the planned keys and `settled` those on disk. Hours are those of the tasks that left their
    times; `untimed_tasks` did not (killed, or at work), so with any of them hours are a lower bound.
    `tokens_per_second` is that of one task. Hours per accepted sample are per published row. `tokens` are
    those of the published rows, which are counted of dialogues alone.
    """

    run: str
    directory: str
    task: str
    stage: str
    rehearsal: bool
    options: dict[str, Any]
    records: int
    samples: int
    settled: int | None
    coverage: float | None
    single_accuracy: float | None
    voted_accuracy: float | None
    agreement: float | None
    tokens_per_solution: float | None
    kept_share: float | None
    rows: int | None
    tokens: int | None
    tokens_per_second: float | None
    gpus_per_task: float
    gpu_hours: float | None
    task_hours: float | None
    gpu_hours_per_accepted: float | None
    task_hours_per_accepted: float | None
    untimed_tasks: int
    content_hash: str | None


def rows_of(runs: Sequence[Facts]) -> list[Row]:
    """The rows of several runs, with the options in which they differ."""
    chosen = differing_options([run.config for run in runs])
    return [measure(run, options) for run, options in zip(runs, chosen, strict=True)]


def measure(run: Facts, options: Mapping[str, Any] | None = None) -> Row:
    """The figures of one run."""
    counts = run.counts or {}
    truth, votes = counts.get("truth", {}), counts.get("votes", {})
    agreement = votes["agreement_ppm"] / 1e6 if votes else None
    return Row(
        run=run.name,
        directory=str(run.layout.root),
        task=run.task,
        stage=run.stage,
        rehearsal=run.rehearsal,
        options=dict(options or {}),
        records=run.plan.records,
        samples=run.plan.keys,
        settled=run.settled,
        coverage=_ratio(run.settled, run.plan.keys),
        single_accuracy=_ratio(truth.get("equal", 0), truth.get("samples")),
        voted_accuracy=_ratio(truth.get("majority_equal", 0), truth.get("records")),
        agreement=_ratio(agreement, votes.get("records")),
        tokens_per_solution=_tokens_per_solution(run),
        kept_share=_ratio(counts.get("rows", 0), counts.get("samples")),
        rows=run.rows,
        tokens=run.stats.get("tokens") if run.stats else None,
        tokens_per_second=_tokens_per_second(run),
        gpus_per_task=run.gpus,
        gpu_hours=run.gpu_hours,
        task_hours=run.task_hours,
        gpu_hours_per_accepted=_ratio(run.gpu_hours, run.rows),
        task_hours_per_accepted=_ratio(run.task_hours, run.rows),
        untimed_tasks=run.untimed,
        content_hash=run.stats["content_hash"] if run.stats else None,
    )


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _tokens_per_solution(run: Facts) -> float | None:
    """Mean new tokens of the samples that the teacher did not refuse; None for imported ones."""
    if run.counts:
        made = run.counts.get("samples", 0) - run.counts.get("quarantined", 0)
        return _ratio(run.counts.get("tokens", {}).get("completion") or None, made)
    made = sum((shard.generated or 0) - shard.refused for shard in run.timed)
    return _ratio(sum(shard.completion_tokens or 0 for shard in run.timed) or None, made)


def _tokens_per_second(run: Facts) -> float | None:
    seconds = sum(shard.seconds or 0.0 for shard in run.timed)
    return _ratio(sum(shard.completion_tokens or 0 for shard in run.timed), seconds)


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
    return orjson.dumps([asdict(row) for row in rows], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def as_csv(rows: Sequence[Row]) -> str:
    """A header and a line per run; the differing options stand in front, what is not known is empty."""
    options = list(dict.fromkeys(key for row in rows for key in row.options))
    figures = [name for name in asdict(rows[0]) if name not in ("run", "options")] if rows else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["run", *options, *figures])
    for row in rows:
        values = asdict(row)
        chosen = [row.options.get(key) for key in options]
        writer.writerow([row.run, *map(_cell, chosen), *(_cell(values[name]) for name in figures)])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return orjson.dumps(value).decode() if isinstance(value, (list, dict)) else value
