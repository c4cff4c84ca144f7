"""`jobs.status`: how runs and pipelines stand, gathered again and again and shown as tables or JSON."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omi_core.commands.finding import Where, runs_in
from omi_core.commands.waiting import exit_code, gather, wait_until_ended
from omi_core.hints import to_continue
from omi_core.metrics import METRICS
from omi_core.options import option
from omi_core.terminal import plain_table, terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from omi_core.pipeline.state import PipelineStatus, StepStatus
    from omi_core.slurm.failures import FailureGroup
    from omi_core.slurm.reasons import WaitingGroup
    from omi_core.slurm.run_status import Status
    from omi_core.training.training_status import TrainingStatus

    AnyStatus = Status | PipelineStatus | TrainingStatus


_MOST_FAILURES = 10


@dataclass
class Options(Where):
    watch: bool = option(False, "refresh until no job is waiting or running")
    interval: float = option(30.0, "seconds between queries; Slurm's controller serves all users", ge=10)
    wait: bool = option(False, "return when nothing waits or runs any more, with an exit code that says how")
    exit_code: bool = option(False, "exit with a code that says how the runs stand; wait=true does, too")
    idle_minutes: float = option(10.0, "GPUs without a sample for so long are told as idle", gt=0)
    json: bool = option(False, "print JSON, for scripts")


def main(config: Options, runs: list[Path]) -> int:
    """Shows the given runs, or all below `root`. Returns the exit code: 1 for a run that is unreadable.

    Where the exit code is asked for, it is that of `waiting.exit_code`.
    """
    show = _print_json if config.json else _screen(config.watch)

    def look() -> list[AnyStatus]:
        paths = runs or runs_in(Path(config.root), pipelines=True)
        found = [gather(path, config.idle_minutes * 60) for path in paths]
        if config.watch:
            show(found, bool(runs))
        return found

    if config.watch:
        found = wait_until_ended(look, config.interval, config.interval)
    else:
        found = wait_until_ended(look, config.interval) if config.wait else look()
        show(found, bool(runs))
    if config.wait or config.exit_code:
        return exit_code(each.state for each in found)
    return int(bool(runs) and any(each.state == "unreadable" for each in found))


def _print_json(found: Sequence[AnyStatus], in_full: bool) -> None:
    import orjson

    rows = [dataclasses.asdict(status) for status in found]
    sys.stdout.buffer.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.flush()


def _screen(watch: bool) -> Callable[[Sequence[AnyStatus], bool], None]:
    """How statuses are shown: one below the other, or on a terminal that is watched always in one place."""
    from rich.console import Group

    console = terminal()

    def show(found: Sequence[AnyStatus], in_full: bool) -> None:
        shown = shown_in_full(found) if in_full else all_runs(found)
        if watch and console.is_terminal:
            console.clear()
            shown = [*shown, f"{time.strftime('%H:%M:%S')}; Ctrl-C ends"]
        console.print(Group(*shown), soft_wrap=True)  # a command that is printed stays in one line

    return show


def shown_in_full(found: Sequence[AnyStatus]) -> list[RenderableType]:
    """Every run and pipeline in full, one below the other."""
    return [part for status in found for part in _one(status)]


def _one(status: AnyStatus) -> list[RenderableType]:
    from omi_core.pipeline.state import PipelineStatus
    from omi_core.slurm.run_status import Status

    if isinstance(status, Status):
        return one_run(status)
    return one_pipeline(status) if isinstance(status, PipelineStatus) else one_training(status)


def one_training(status: TrainingStatus) -> list[RenderableType]:
    """A training, in full."""
    from omi_core.training.training_status import lines_of

    if status.state == "unreadable":
        return [f"unreadable: {status.note or ''}"]
    shown: list[RenderableType] = [_table(f"{status.root}: {status.state}", list(lines_of(status)))]
    return [*shown, status.note] if status.note else shown


def one_pipeline(status: PipelineStatus) -> list[RenderableType]:
    """A pipeline: a line per step, then in full the runs of those that are at work or in trouble.

    Steps that are made for cells are a matrix, and why some of them failed.
    """
    if status.state == "unreadable":
        return [f"unreadable: {status.note or ''}"]
    title = f"{status.root}: {status.state}, {status.done} of {len(status.steps)} steps of {status.recipe}"
    numbers = ("samples", "rows in", "rows out")
    table = plain_table(title, ("step", "command", "state", *numbers, "hash"), numbers)
    shown: list[RenderableType] = [table]
    if of_cells := [step for step in status.steps if step.cell]:
        from omi_core.commands.cells_table import LEGEND, cells_table

        shown += [cells_table(of_cells), LEGEND, *_failed_cells(of_cells)]
    for step in status.steps:
        if step.cell:
            continue
        samples = f"{step.run.samples_done:,} of {step.run.samples:,}" if step.run else ""
        rows = ("" if count is None else f"{count:,}" for count in (step.rows_in, step.rows_out))
        table.add_row(step.name, step.command, step.state, samples, *rows, (step.hash or "")[:12])
        if step.reason:
            shown.append(f"{step.name}: {step.reason}")
        if step.run is not None:
            shown += one_run(step.run)
        if step.training is not None:
            shown += one_training(step.training)
    if status.state in ("stopped", "cancelled"):
        shown.append(to_continue(status.root))
    return [*shown, status.note] if status.note else shown


def _failed_cells(steps: Sequence[StepStatus]) -> Iterator[str]:
    """Why steps of cells failed, as far as it fits."""
    failed = [step for step in steps if step.reason]
    yield from (f"{step.name}: {step.reason}" for step in failed[:_MOST_FAILURES])
    if len(failed) > _MOST_FAILURES:
        yield f"and {len(failed) - _MOST_FAILURES:,} more; json=true has them all"


def one_run(status: Status) -> list[RenderableType]:
    """One run, in full."""
    if status.state == "unreadable":
        return [f"unreadable: {status.note or ''}"]
    rows = [("records", f"{status.records_done:,} of {status.records:,}"), ("samples", _samples(status))]
    if status.errors:
        rows.append(("quarantined", f"{status.errors:,}"))
    for stage, counts in status.tasks.items():
        rows.append((stage, ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()))))
        rows += [("", _waits(group)) for group in status.waiting if group.stage == stage]
    rows += _costs(status)
    made = [(METRICS["rows"], status.rows), (METRICS["tokens"], status.tokens)]
    if status.rows is not None:
        told = (f"{metric.show(value)} {metric.heading}" for metric, value in made if value is not None)
        scored = status.state == "evaluated"
        rows.append(("evaluation" if scored else "dataset", ", ".join(told)))
        rows.append(("", str(status.result)))
    if status.missing:
        words = f"{status.missing:,} of {status.samples:,} samples are missing from the dataset"
        rows.append(("hole", words))
    rows += [(f"{group.count:,} x {group.cause}", _failure(group)) for group in status.failures]
    if status.failures_before:
        rows.append(("before", f"{status.failures_before:,} tasks failed in earlier chains"))
    shown: list[RenderableType] = [_table(f"{status.root}: {status.state}", rows)]
    shown += _outcome(status)
    shown += [f"{group.stage}: {group.advice}" for group in status.waiting if group.advice]
    if status.state in ("ended", "stopped", "cancelled") or (status.missing and status.state == "published"):
        shown.append(to_continue(status.root))
    return [*shown, status.note] if status.note else shown


def _outcome(status: Status) -> Iterator[Table]:
    """What the run came to: the figures of its dataset, the table of its evaluation or that by its scores."""
    from omi_core.evaluate.outcome import read_outcome
    from omi_core.evaluate.tables import header, lines
    from omi_core.stages.summary import summary_table
    from omi_core.store.layout import Layout

    if status.summary is None:
        return
    if "evaluation" not in status.summary:
        yield summary_table("", status.summary)
    place = Path(str(status.result)) if "evaluation" in status.summary else Layout(Path(status.root)).scored
    if not place.is_dir():
        return
    figures = read_outcome(place).figures
    table = plain_table(columns=header(figures), right=header(figures)[1:])
    for row in lines(figures):
        table.add_row(*row)
    yield table


def _samples(status: Status) -> str:
    """How many samples are there, and how long the tasks at work take yet."""
    from omi_core.slurm.times import in_words

    words = f"{status.samples_done:,} of {status.samples:,}"
    if status.samples:
        words += f" ({status.samples_done / status.samples:.0%})"
    if status.samples_unneeded:
        words += f", {status.samples_unneeded:,} of them not needed"
    if status.rate is not None and status.eta is not None:
        words += f", {in_words(status.eta)} left at {status.rate:,.1f}/s"
        if status.samples_queued:
            words += f" for the tasks that run; {status.samples_queued:,} samples wait for others"
    return words


def _costs(status: Status) -> Iterator[tuple[str, str]]:
    """What the run takes, and what of it does no work."""
    from omi_core.slurm.times import in_words

    if status.gpu_hours is not None:
        each = status.gpu_hours_per_row
        words = f", {each:.2e} per accepted sample" if each else ""
        yield "GPU hours", f"{status.gpu_hours:,.2f} allocated{words}"
    if status.gpu_hours_worked is not None:
        yield ("" if status.gpu_hours is not None else "GPU hours"), f"{status.gpu_hours_worked:,.2f} worked"
    if status.gpu_hours_budget is not None:
        spent = status.gpu_hours or status.gpu_hours_worked or 0.0
        left = max(0.0, status.gpu_hours_budget - spent)
        yield "budget", f"{left:,.2f} of {status.gpu_hours_budget:g} GPU hours left"
    if status.idle_share is not None:
        yield "idle", f"{status.idle_share:.0%} of the time of shards that ended (start-up and tail)"
    for held in status.idle:
        tasks = ", ".join(held.tasks[:3]) + (", …" if len(held.tasks) > 3 else "")
        yield (
            "GPUs idle",
            f"{held.node}: {held.gpus:g} held, {held.why} for {in_words(held.seconds)} ({tasks})",
        )
    if status.begun_per_sample is not None:
        kills = "" if status.begun_per_sample > 1 else "; nothing was lost to kills"
        yield "tokens", f"at most {status.begun_per_sample:.3f} generated for each one needed{kills}"


def _waits(group: WaitingGroup) -> str:
    """Why tasks wait, in words and in Slurm's."""
    words = f"{group.words} ({group.reason})" if group.words else group.reason
    urgent = "" if group.kind == "waits for its turn" else f"{group.kind}: "
    if group.starts is None:
        return f"{group.count:,}: {urgent}{words}"
    starts = time.strftime("%d %b %H:%M", time.localtime(group.starts))
    return f"{group.count:,}: {urgent}{words}, expected to start {starts}"


def _failure(group: FailureGroup) -> str:
    """What the first task of a group said, and where that lies."""
    where = [group.stage]
    if group.attempt is not None:
        where.append(f"attempt {group.attempt}")
    if group.task is not None:
        where.append(f"task {group.task}")
    lines = [group.message]
    if group.log or group.see:
        lines = [f"{group.message} ({', '.join(where)})"]
    if group.line and group.line not in group.message:
        lines.append(group.line)
    return "\n".join([*lines, *(path for path in (group.log, group.see) if path)])


def _table(title: str, rows: Sequence[tuple[str, str]]) -> Table:
    from rich.text import Text

    table = plain_table(title)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, words in rows:
        table.add_row(name, Text(words))  # logs are no markup
    return table


def all_runs(found: Sequence[AnyStatus]) -> list[RenderableType]:
    """A table with a line per run and pipeline."""
    from rich.text import Text

    from omi_core.pipeline.state import PipelineStatus
    from omi_core.slurm.run_status import Status

    if not found:
        return ["no runs here; root=DIR names another folder"]
    coverage, rows = METRICS["coverage"], METRICS["rows"]
    numbers = ("samples", "done", "failures", rows.heading)
    table = plain_table("", ("run", "state", *numbers), numbers)
    for status in found:
        if not isinstance(status, Status):
            of_pipeline = isinstance(status, PipelineStatus)
            done, steps = (status.done, len(status.steps)) if of_pipeline else (status.step, status.steps)
            words = f"{done:,} of {steps:,} steps"
            table.add_row(Text(status.root), status.state, words, *("-" * 3))
            continue
        failures = sum(group.count for group in status.failures)
        figures = (
            f"{status.samples:,}",
            coverage.show(coverage.of({"settled": status.samples_done, "samples": status.samples})),
            f"{failures:,}",
            rows.show(status.rows),
        )
        unreadable = status.state == "unreadable"
        table.add_row(Text(status.root), status.state, *("-" * 4 if unreadable else figures))
    notes = dict.fromkeys(status.note for status in found if status.note)
    return [table, *notes]
