"""`jobs.logs`: what the tasks of a run printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omi_core.commands.finding import Where, runs_in
from omi_core.options import ConfigError, option

if TYPE_CHECKING:
    from omi_core.store.layout import Layout

STAGES = ("canary", "generate", "gate", "reduce", "publish", "advance", "rescue", "step")


@dataclass
class Options(Where):
    task: int | None = option(
        None, "index of an array task whose whole logs to show; null: the last lines of all tasks", ge=0
    )
    stage: str | None = option(
        None, "show only this stage; null: all stages, or generate where task is set", choices=STAGES
    )
    lines: int = option(5, "lines to show from the end of each log", ge=1)


def main(config: Options, runs: list[Path]) -> int:
    """Prints the logs of one run, or of all steps of a pipeline, oldest job first. Returns the exit code."""
    from omi_core.store.layout import Layout

    # A pipeline's own are the jobs of steps that are not runs.
    shown = sum(_show(Layout(root), config) for root in [runs[0], *runs_in(runs[0])])
    if not shown:
        raise ConfigError(f"{runs[0]}: has no such log; jobs write theirs to {Layout(runs[0]).logs}")
    return 0


def _show(layout: Layout, config: Options) -> int:
    """Prints the logs of one directory; returns how many."""
    from omi_core.store import ledger

    wanted = config.stage or ("generate" if config.task is not None else None)
    entries = [entry for entry in ledger.read(layout.ledger) if entry.get("job")]
    shown = 0
    for entry in entries:
        if wanted is not None and entry["stage"] != wanted:
            continue
        index = "*" if config.task is None else str(config.task)
        pattern = f"{entry['job']}_{index}_*.log" if entry["array"] else f"{entry['job']}_*.log"
        for path in sorted(layout.logs.glob(pattern)):
            shown += 1
            print(f"== {entry['stage']} {path}")
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            print("\n".join(lines if config.task is not None else lines[-config.lines :]))
    return shown
