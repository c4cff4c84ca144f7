"""From a composed pipeline to one that works: its inputs checked, its directory written, its steps begun."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError
from omi_core.pipeline import advance, run_steps
from omi_core.pipeline.composing import check_inputs
from omi_core.pipeline.definition import Pipeline, directory, read_pipeline, write_pipeline
from omi_core.pipeline.showing import show_table
from omi_core.pipeline.step_progress import done_steps
from omi_core.slurm.script import check_logs
from omi_core.slurm.standing import refuse_at_work
from omi_core.store.files import lock
from omi_core.store.layout import check_root


def check(pipeline: Pipeline) -> None:
    """Refuses what cannot be begun, or, unless it is to be fresh, not be continued; nothing is made.

    Raises:
        ConfigError: another pipeline lies in the directory, or an input cannot be had.
    """
    check_root(pipeline.root)
    if pipeline.on_slurm:
        check_logs(pipeline.layout.logs)
    if not pipeline.fresh:
        directory(pipeline.root).refuse_other(pipeline.content)
    check_inputs(pipeline)


def write(pipeline: Pipeline) -> None:
    """Makes the directory of a pipeline; a fresh one takes the place of an old one, which is moved aside.

    Raises:
        ConfigError: another process works there, or jobs of the old one wait or run.
    """
    place = directory(pipeline.root)
    if pipeline.fresh and place.exists():
        _refuse_while_running(pipeline.root)
        place.move_aside()
    place.make()
    with lock(pipeline.layout.lock):
        write_pipeline(pipeline)


def go_on(pipeline: Pipeline, by: str) -> int:
    """Does, or submits, what is missing of a pipeline that is on disk; returns the exit code.

    `by` is the command. Raises as `here.run_here` and `advance.submit`.
    """
    if len(done_steps(pipeline)) == len(pipeline.steps):
        print("complete, nothing to do", file=sys.stderr)
        show_table(pipeline)
        return 0
    return advance.submit(pipeline, by) if pipeline.on_slurm else run_steps.run_here(pipeline)


def resume(root: Path, **given: Any) -> int:
    """As `go_on` for the pipeline in a directory.

    Raises:
        ConfigError: also where options are given: single steps have these.
    """
    for name, value in given.items():
        if value is not None and value != {}:
            raise ConfigError(
                f"{name}: of a pipeline give it to jobs.pipeline, or resume one of its steps with it"
            )
    return go_on(read_pipeline(root), by="resume")


def _refuse_while_running(root: Path) -> None:
    """Raises ConfigError where the directory would be taken away under jobs that write to it."""
    old = read_pipeline(root)
    if old.on_slurm:
        refuse_at_work(root, advance.active_jobs(old))
