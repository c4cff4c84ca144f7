"""How runs stand: stages, samples, rate, time left, failures by cause. Without RUN: all runs, a line each.

    python -m jobs.status
    python -m jobs.status runs/mine
    python -m jobs.status runs/mine watch=true
    python -m jobs.status runs/mine json=true

One squeue and at most one sacct call for each run; without Slurm it tells what the run's files say.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs._runs import Where, runs_command
from omi_core.options import option

if TYPE_CHECKING:
    from omi_core.slurm.status import Status


@dataclass
class Options(Where):
    watch: bool = option(False, "show it again until nothing of it waits or runs")
    interval: float = option(30.0, "seconds between two looks; Slurm's controller serves everybody", ge=10)
    json: bool = option(False, "print JSON, for scripts")


def main(config: Options, runs: list[Path]) -> int:
    """Shows the given runs, or all below `root`. Returns the exit code."""
    from omi_core.run.layout import Layout
    from omi_core.slurm.status import gather
    from omi_core.stages.run import open_run

    chosen = runs or sorted(path.parent for path in Path(config.root).glob("*/plan.json"))
    while True:
        found = [gather(open_run(Layout(path))) for path in chosen]
        if config.json:
            import orjson

            rows = [dataclasses.asdict(status) for status in found]
            sys.stdout.buffer.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2) + b"\n")
            sys.stdout.flush()
        elif runs:
            for status in found:
                show(status)
        else:
            show_all(found)
        if not config.watch or not any(status.state in ("running", "waiting") for status in found):
            return 0
        time.sleep(config.interval)


def show(status: Status) -> None:
    """One run, in full."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        box=box.SIMPLE, title=f"{status.root}: {status.state}", title_justify="left", show_header=False
    )
    table.add_column(style="bold")
    table.add_column()
    table.add_row("records", f"{status.records_done:,} of {status.records:,}")
    left = (
        f", {_time(status.eta)} left at {status.rate:,.1f}/s"
        if status.rate and status.eta is not None
        else ""
    )
    table.add_row("samples", f"{status.samples_done:,} of {status.samples:,}{left}")
    if status.errors:
        table.add_row("quarantined", f"{status.errors:,}")
    for stage, counts in status.tasks.items():
        table.add_row(stage, ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items())))
    if status.gpu_hours is not None:
        each = status.gpu_hours_per_row
        table.add_row(
            "GPU hours", f"{status.gpu_hours:,.2f}" + (f", {each:.2e} per published row" if each else "")
        )
    if status.idle_share is not None:
        table.add_row("idle", f"{status.idle_share:.0%} of the tasks' time (start-up and tail)")
    if status.rows is not None:
        table.add_row("dataset", f"{status.rows:,} rows")
    for failure in status.failures:
        where = f"\n{failure['see']}" if failure["see"] else ""
        table.add_row(f"{failure['count']} x {failure['cause']}", f"{failure['message']}{where}")
    if status.state in ("ended", "stopped", "cancelled"):
        table.add_row("to continue", f"python -m jobs.resume {status.root}")
    console = Console()
    console.print(table)
    if status.note:
        console.print(status.note, highlight=False)


def show_all(found: list[Status]) -> None:
    """A table with a line per run."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for name in ("run", "state", "samples", "done", "failures", "rows"):
        table.add_column(name, justify="left" if name in ("run", "state") else "right")
    for status in found:
        table.add_row(
            status.root,
            status.state,
            f"{status.samples:,}",
            f"{status.samples_done / status.samples:.1%}",
            str(sum(failure["count"] for failure in status.failures)),
            "-" if status.rows is None else f"{status.rows:,}",
        )
    Console().print(table)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"


if __name__ == "__main__":
    runs_command("status", Options, main, __doc__ or "", least=0)
