"""`jobs.compare`: the table of runs on a terminal, as CSV and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from omi_core.commands import finding
from omi_core.options import ConfigError, option
from omi_core.terminal import print_table, terminal

if TYPE_CHECKING:
    from omi_core.evaluate.pairs import Pair
    from omi_core.report.comparison import Row
    from omi_core.report.facts import Facts


@dataclass
class Compare(finding.Where):
    csv: str | None = option(
        None, "write the table to this file as CSV; true: to stdout, in place of the table"
    )
    json: str | None = option(
        None, "write the table to this file as JSON; true: to stdout, in place of the table"
    )


def main(config: Compare, runs: list[Path]) -> int:
    """Prints and writes the comparison. Returns the exit code."""
    from omi_core.report.comparison import as_csv, as_json, rows_of
    from omi_core.report.facts import run_facts

    if config.csv == config.json == "true":
        raise ConfigError("csv=true json=true: both would go to stdout; give one of them a file")
    for target in (config.csv, config.json):
        _check_target(target)
    try:
        found = [run_facts(run) for run in runs]
        rows = rows_of(found)
        differences = _differences(found)
        scored = _scored(rows, found, differences)
    except ConfigError:
        raise
    except ValueError as error:  # a file of the run is damaged
        raise OSError(str(error)) from error
    rows = [
        replace(row, differences=[pair.to_json() for pair in pairs])
        for row, pairs in zip(rows, differences, strict=True)
    ]
    quiet = False
    for target, data in ((config.csv, as_csv(rows).encode()), (config.json, as_json(rows))):
        quiet |= _write(target, data)
    if not quiet:
        _show(rows)
        for part in scored:
            print_table(*part.table)
            for note in part.notes:
                print(note)
    return 0


class _Part(NamedTuple):
    """A table, and what is to be said below it."""

    table: tuple[Sequence[str], Sequence[Sequence[str]]]
    notes: Sequence[str]


def _differences(runs: Sequence[Facts]) -> list[list[Pair]]:
    """Of each run how it differs from the first evaluation; nothing of that one, and of other runs.

    Raises:
        ValueError: a file of an evaluation is damaged.
    """
    from omi_core.evaluate.pairs import pairs_of

    scored = [run.evaluation for run in runs]
    base = next(filter(None, scored), None)
    return [[] if one is None or base is None or one is base else list(pairs_of(base, one)) for one in scored]


def _scored(rows: Sequence[Row], runs: Sequence[Facts], differences: Sequence[Sequence[Pair]]) -> list[_Part]:
    """Of runs against benchmarks the figures with intervals, and how the others differ from the first.

    Raises:
        ValueError: a file of an evaluation is damaged.
    """
    from omi_core.evaluate.tables import lines, notes
    from omi_core.report.overview import labels

    names = labels(rows)
    scored = [(name, run.evaluation) for name, run in zip(names, runs, strict=True) if run.evaluation]
    if not scored:
        return []
    head = ["run", "benchmark", "problems", "samples", "pass@1 %", "maj@n %", "pass@n %"]
    body = []
    for name, one in scored:
        for benchmark, problems, *shares, _, _, _, _ in lines(one.figures):
            several = shares if one.samples > 1 else [*shares, "-", "-"]
            body.append([name, benchmark, problems, str(one.samples), *several])
    said = dict.fromkeys(note for _, one in scored for note in notes(one.figures))
    parts = [_Part((head, body), list(said))]
    pairs = [
        [name, pair.benchmark, pair.metric, f"{pair.problems:,}", pair.told]
        for name, found in zip(names, differences, strict=True)
        for pair in found
    ]
    if pairs:
        parts.append(
            _Part(([f"against {scored[0][0]}", "benchmark", "metric", "problems", "difference"], pairs), ())
        )
    return parts


def _check_target(target: str | None) -> None:
    if target not in (None, "true") and (Path(target).is_dir() or not Path(target).parent.is_dir()):
        raise ConfigError(f"{target}: not a file that can be written; give one in an existing folder")


def _write(target: str | None, data: bytes) -> bool:
    """Writes to a file, if one is named; True when the data went to stdout instead."""
    from omi_core.store.files import write_atomic

    if target == "true":
        print(data.decode(), end="")
    elif target is not None:
        write_atomic(Path(target), data)
    return target == "true"


def _show(rows: Sequence[Row]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from omi_core.report.comparison import columns, option_names, option_shown

    options, metrics = option_names(rows), columns(rows)
    # The options tell runs apart; where there are none, or runs share them, the name has to.
    named = len({tuple(map(str, row.options.values())) for row in rows}) < len(rows) or len(rows) == 1
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for header in [*(["run"] if named else []), *options]:
        # An option's name may break at its dots; so the figures stay together.
        table.add_column(Text(header.replace(".", ".\n")), overflow="fold", max_width=40)
    table.add_column("stage", no_wrap=True)
    for metric in metrics:
        table.add_column(metric.heading.replace(" \n", "\n"), justify="right", no_wrap=True)
    for row in rows:
        lead = [row.run] if named else []
        lead += [option_shown(row.options.get(key)) for key in options]
        table.add_row(*map(Text, [*lead, row.stage, *map(row.told, metrics)]))
    console = terminal()
    # Better lines longer than the terminal than figures cut off.
    console.width = max(console.width, terminal(width=10_000).measure(table).maximum)
    console.print(table, crop=False)
    for note in _notes(rows):
        console.print(note)


def _notes(rows: Sequence[Row]) -> list[str]:
    """What the figures alone would not say."""
    from omi_core.report.svg import killed

    notes = []
    if untimed := sum(row["untimed_tasks"] for row in rows):
        notes.append(f"≥: {killed(untimed)}, and left no times")
    timed = [row for row in rows if row["task_hours"] is not None]
    if timed and not any(row["gpus_per_task"] for row in timed):
        notes.append("no GPU took part (rehearsal or CPU): hours are those of tasks")
    if any(row.rehearsal for row in rows):
        notes.append("rehearsals measure the suite, not a teacher: their accuracies are settings")
    return notes
