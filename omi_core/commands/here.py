"""Running on this machine, for the commands that can: plan, go through the stages, show the summary."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from omi_core.commands.planned import show_plan
from omi_core.config import Generate, Reduce
from omi_core.options import ConfigError
from omi_core.publish.dataset import NothingToPublish
from omi_core.publish.parts import PartError
from omi_core.stages.gate import ImportDamaged
from omi_core.stages.generate import TooManyErrors
from omi_core.stages.local import KeysMissing, run_locally
from omi_core.stages.run import Run, published, published_whole
from omi_core.stages.stopping import Stop, Stopped, listening
from omi_core.stages.summary import announce, show_summary
from omi_core.store.files import LockTaken, disk_failed
from omi_core.store.frames import FrameDamaged
from omi_core.store.journal import AppendFailed
from omi_core.teachers.base import EngineFailed

FAILURES = (
    AppendFailed,
    EngineFailed,
    FrameDamaged,
    ImportDamaged,
    KeysMissing,
    NothingToPublish,
    PartError,
    TooManyErrors,
)

Config = TypeVar("Config", Generate, Reduce)


def run_here(config: Config, plan: Callable[[Config], Run[Any]]) -> int:
    """Brings the run of a config to its published dataset; returns the exit code.

    Raises:
        ConfigError: the config cannot be planned, or another process works on the run.
    """
    if config.plan:
        return show_plan(plan(config), canary=False)
    return _here(config.run.drain_seconds, lambda: plan(config))


def finish_here(run: Run[Any]) -> int:
    """Brings a run that was planned before to its published dataset; returns the exit code.

    Raises:
        ConfigError: another process works on the run.
    """
    return _here(run.config.run.drain_seconds, lambda: run)


def bring_home(config: Config, plan: Callable[[Config], Run[Any]]) -> int:
    """As `run_here`, for a step of a pipeline: what goes wrong is for the caller to tell.

    Raises:
        ConfigError, and what `is_failure` knows: as `run_here` tells them.
    """
    return _brought_home(config.run.drain_seconds, lambda: plan(config))


def is_failure(error: BaseException) -> bool:
    """Does its one line say all there is to know? Anything else is a fault and shows its traceback."""
    return isinstance(error, FAILURES) or disk_failed(error)


def _here(drain_seconds: float, make: Callable[[], Run[Any]]) -> int:
    try:
        code = _brought_home(drain_seconds, make)
    except Exception as error:
        if not is_failure(error):
            raise
        print(f"failed: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    if code == 130:
        print("stopped; the same command continues", file=sys.stderr)
    return code


def _brought_home(drain_seconds: float, make: Callable[[], Run[Any]]) -> int:
    with listening(Stop(drain_seconds)) as stop:
        try:
            run = make()
            announce(run, published(run))
            show_summary(run, published_whole(run) or run_locally(run, stop))
        except LockTaken as error:
            raise ConfigError(str(error)) from error
        except Stopped:
            return 130
    return 0
