"""Waiting for runs and pipelines to end, and the exit codes that say how they stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omi_core.pipeline.state import PipelineStatus
    from omi_core.slurm.run_status import Status
    from omi_core.training.training_status import TrainingStatus

    AnyStatus = Status | PipelineStatus | TrainingStatus

GOOD, FAILED, AT_WORK, NEEDS_YOU = 0, 1, 3, 4
_CODES = {
    **dict.fromkeys(("published", "evaluated", "finished"), GOOD),
    **dict.fromkeys(("waiting", "running"), AT_WORK),
    **dict.fromkeys(("planned", "stuck", "cancelled", "ended", "stopped"), NEEDS_YOU),
    **dict.fromkeys(("unknown", "unreadable"), FAILED),
}
_WORST = (FAILED, NEEDS_YOU, AT_WORK, GOOD)
_FIRST_S, LONGEST_S = 2.0, 30.0


def exit_code(states: Iterable[str]) -> int:
    """The exit code of states as jobs.status has them, of several the worst; 0 of none."""
    codes = {_CODES[state] for state in states} | {GOOD}
    return next(code for code in _WORST if code in codes)


def gather(path: Path, idle_s: float = 600.0) -> AnyStatus:
    """How a run, a pipeline or a training stands."""
    from omi_core.pipeline.definition import is_pipeline
    from omi_core.pipeline.state import gather_pipeline
    from omi_core.slurm.run_status import gather_readable
    from omi_core.training.training_directory import is_training

    if is_training(path):
        from omi_core.training.training_status import gather_training

        return gather_training(path)
    return gather_pipeline(path) if is_pipeline(path) else gather_readable(path, idle_s)


def wait_until_ended(
    look: Callable[[], Sequence[AnyStatus]], longest: float = LONGEST_S, first: float = _FIRST_S
) -> Sequence[AnyStatus]:
    """Looks again and again until nothing waits or runs; what was seen then.

    Pauses grow from `first` seconds to `longest`. While the controller is away, what was alive is taken to be
    so still.
    """
    from omi_core.slurm.run_status import ALIVE

    alive: set[str] = set()
    pause = first
    while True:
        found = look()
        alive = {each.root for each in found if each.state in ALIVE or (each.root in alive and each.note)}
        if not alive:
            return found
        time.sleep(min(pause, longest))
        pause *= 1.5


def wait_for(root: Path) -> int:
    """Waits until the run or the pipeline in `root` has ended, shows it, and returns its exit code."""
    from rich.console import Group

    from omi_core.commands.status import shown_in_full
    from omi_core.terminal import terminal

    found = wait_until_ended(lambda: [gather(root)])
    terminal().print(Group(*shown_in_full(found)), soft_wrap=True)
    return exit_code(each.state for each in found)
