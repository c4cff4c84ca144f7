"""A run on this machine from its plan to its summary, and which of its errors say all in their one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omi_core.publish.dataset import NothingToPublish, hole_of
from omi_core.publish.parts import PartError
from omi_core.stages.gate import ImportDamaged
from omi_core.stages.generate import TooManyErrors
from omi_core.stages.local import KeysMissing, run_locally
from omi_core.stages.notify import command_of, notify_ended, notify_published
from omi_core.stages.run import Run, published
from omi_core.stages.stopping import Stop, Stopped, listening
from omi_core.stages.summary import announce, show_summary
from omi_core.stages.trained_card import tell_card
from omi_core.store.files import disk_failed
from omi_core.store.frames import FrameDamaged
from omi_core.store.journal import AppendFailed
from omi_core.teachers.teacher import EngineFailed

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


def is_failure(error: BaseException) -> bool:
    """Does its one line say all there is to know? Anything else is a fault and shows its traceback."""
    return isinstance(error, FAILURES) or disk_failed(error)


def bring_home(drain_seconds: float, make: Callable[[], Run[Any]]) -> int:
    """Brings the run that `make` plans or opens to its published dataset, and shows it; the exit code.

    A signal asks it to stop, and gives what is in flight that many seconds.

    Raises:
        ConfigError: it cannot be planned, or another process works on it.
        Exception: what `is_failure` knows, and faults.
    """
    run = None
    with listening(Stop(drain_seconds)) as stop:
        try:
            run = make()
            announce(run, stats := published(run))
            if stats is None or hole_of(stats) is not None:
                stats = run_locally(run, stop)
            show_summary(run, stats)
            tell_card(run)
            notify_published(run, stats)
        except Stopped:
            return 130
        except Exception as error:
            if run is not None and run.layout.pipeline is None and is_failure(error):
                notify_ended(run.layout, command_of(run), "ended", " ".join(str(error).split()))
            raise
    return 0
