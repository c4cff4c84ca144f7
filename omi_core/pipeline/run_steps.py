"""Carrying a pipeline out on this machine.

Every step is a process of its own: it gives back all the memory of an engine or a model when it ends, on a
GPU, too, and what crashes it does not take the pipeline with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

from omi_core.options import ConfigError
from omi_core.pipeline import step_progress
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.pipeline.showing import show_table
from omi_core.pipeline.steps import run_step
from omi_core.stages.here import is_failure
from omi_core.stages.notify import notify_end, notify_ended
from omi_core.stages.stopping import SIGNALS, handling
from omi_core.store.files import LockTaken, lock

_PR_SET_PDEATHSIG = 1


def run_here(pipeline: Pipeline) -> int:
    """Brings a pipeline from wherever it stands to its end, one step after the other; returns the exit code.

    Raises:
        ConfigError: another process works on the pipeline.
    """
    steps = _Steps()
    with lock(pipeline.layout.lock), handling(steps.hand_on):
        done = step_progress.done_steps(pipeline)
        while (step := next(step_progress.ready(pipeline, done), None)) is not None:
            _heading(pipeline, step)
            step_progress.begin(pipeline, step)
            if code := steps.carry_out(pipeline, step):
                return code
            done = step_progress.done_steps(pipeline)
            if step.name not in done:
                print(f"failed: step {step.name}: ended well, but has left no result", file=sys.stderr)
                return 1
            step_progress.note_done(pipeline, done)
    show_table(pipeline)
    notify_end(pipeline.layout, pipeline.notify, "finished", pipeline.fingerprint)
    return 0


class _Steps:
    """Processes of steps, one at a time; a signal to this process is handed on to the one at work."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def hand_on(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def carry_out(self, pipeline: Pipeline, step: Step) -> int:
        """Runs a step to its end; the exit code of the pipeline, 0 to go on."""
        if not self._stopped:
            command = [sys.executable, "-m", "jobs._task", str(pipeline.root), "step", step.name]
            # A group of its own: Ctrl-C on a terminal would reach it twice, and the second one ends it at
            # once.
            self._process = subprocess.Popen(command, process_group=0, preexec_fn=_die_with(os.getpid()))
            if self._stopped:  # a signal that came while it was started
                self._process.send_signal(signal.SIGTERM)
            code = self._process.wait()
            self._process = None
            if not code and not self._stopped:
                return 0
            # At its very start or end the process does not listen to signals yet, or any more.
            stopped = self._stopped and -code in SIGNALS
            if code and code != 130 and not stopped:
                return self._failed(pipeline, step, code)
        print("stopped; the same command continues", file=sys.stderr)
        return 130

    def _failed(self, pipeline: Pipeline, step: Step, code: int) -> int:
        reason = step_progress.failure(pipeline, step)
        if reason is None and code < 0:
            reason = f"its process was killed by {signal.Signals(-code).name}"
        reason = reason or f"its process ended with exit code {code}, see above"
        print(f"failed: step {step.name}: {reason}; the same command continues", file=sys.stderr)
        notify_ended(pipeline.layout, pipeline.notify, "stopped", f"step {step.name}: {reason}")
        return 2 if code == 2 else 1


def _die_with(parent: int) -> Callable[[], None]:
    """What a child runs first: it is killed when its parent is, and does not go on unseen."""

    def prepare() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def carry_out(pipeline: Pipeline, name: str) -> int:
    """What the process of a step does; returns its exit code. Why it fails goes into the ledger.

    Raises:
        LockTaken: on Slurm only; another process works in its directory, which may be what is left of this
            step on a node that lost touch.
    """
    step = pipeline.step(name)
    try:
        if step_progress.result(pipeline, step) is not None:
            return 0
        os.chdir(pipeline.cwd)  # paths in options are as they were typed there
        if not step.is_run:
            pipeline.directory(step).mkdir(exist_ok=True)
        with handling(signal.default_int_handler):  # unless the command listens itself
            code = run_step(step.command, pipeline.config(step))
        if code == 0 and not step.is_run:
            step_progress.write_result(pipeline, step)
        return code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if pipeline.on_slurm and isinstance(error, LockTaken):
            raise
        mistake = isinstance(error, ConfigError)
        known = mistake or is_failure(error)
        line = " ".join(str(error).split()) if known else f"{type(error).__name__}: {error}"
        try:
            step_progress.note(pipeline, "failed", step, reason=line)
        except OSError as unwritable:
            print(f"failed: {line}; {unwritable}", file=sys.stderr)
        if not known:
            raise
        return 2 if mistake else 1


def _heading(pipeline: Pipeline, step: Step) -> None:
    where = f"{step.number} of {len(pipeline.steps)}"
    print(f"== step {where}: {step.name} (jobs.{step.command})", file=sys.stderr, flush=True)
