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
import time
from collections.abc import Callable, Mapping
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
# Between two looks at several processes.
_LOOK_S = 0.05
# What a step ends with that a signal has stopped.
_INTERRUPTED = 130


def run_here(pipeline: Pipeline) -> int:
    """Brings a pipeline from wherever it stands to its end; returns the exit code.

    `at_once` steps work at the same time. One that fails leaves those that do not need it, which go on.

    Raises:
        ConfigError: another process works on the pipeline.
    """
    steps = _Steps(pipeline)
    with lock(pipeline.layout.lock), handling(steps.hand_on):
        if code := steps.carry_out():
            return code
    show_table(pipeline)
    notify_end(pipeline.layout, pipeline.notify, "finished", pipeline.fingerprint)
    return 0


class _Steps:
    """The processes of steps at work; a signal to this process is handed on to them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._look = step_progress.Look(pipeline)
        self._working: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped = False
        self._failed: dict[str, tuple[str, int]] = {}  # step -> reason, exit code of its process
        self._told: set[str] = set()

    def hand_on(self, number: int, frame: FrameType | None = None) -> None:
        self._stopped = True
        for process in list(self._working.values()):
            if process.poll() is None:
                process.send_signal(number)

    def carry_out(self) -> int:
        """Runs steps until none can begin; the exit code of the pipeline, 0 if all are done."""
        while True:
            for step in self._next():
                if self._stopped:
                    break
                self._tell_failures()
                self._start(step)
            if not self._working:
                break
            self._tell_failures()
            for name in self._ended():
                self._settle(self._pipeline.step(name), self._working.pop(name).returncode)
        if self._stopped:
            self._tell_failures()
            print("stopped; the same command continues", file=sys.stderr)
            return _INTERRUPTED
        return self._all_told() if self._failed else 0

    def _next(self) -> list[Step]:
        ready = [s for s in self._look.ready() if s.name not in self._working and s.name not in self._failed]
        return ready[: self._pipeline.at_once - len(self._working)]

    def _start(self, step: Step) -> None:
        pipeline = self._pipeline
        heading = f"== step {pipeline.place(step)}: {step.name} (jobs.{step.command})"
        print(heading, file=sys.stderr, flush=True)
        step_progress.begin(pipeline, step)
        command = [sys.executable, "-m", "jobs._task", str(pipeline.root), "step", step.name]
        # A group of its own: Ctrl-C on a terminal would reach it twice, and the second one ends it at once.
        process = subprocess.Popen(
            command,
            process_group=0,
            preexec_fn=_die_with(os.getpid()),
            env=shared_cores(os.environ, pipeline.at_once, len(os.sched_getaffinity(0))),
        )
        self._working[step.name] = process
        if self._stopped:  # a signal that came while it was started
            process.send_signal(signal.SIGTERM)

    def _ended(self) -> list[str]:
        """Waits until one of the processes has ended; all that have."""
        if len(self._working) == 1:
            next(iter(self._working.values())).wait()
        while not (ended := [name for name, process in self._working.items() if process.poll() is not None]):
            time.sleep(_LOOK_S)
        return ended

    def _settle(self, step: Step, code: int) -> None:
        """Takes note of how the process of a step has ended."""
        # At its very start or end it does not listen to signals yet, or any more.
        if code == _INTERRUPTED or (self._stopped and -code in SIGNALS):
            if not self._stopped:
                self.hand_on(signal.SIGTERM)
            return
        self._look.again()
        if code:
            self._failed[step.name] = (self._why(step, code), code)
        elif step.name not in (done := self._look.done()):
            self._failed[step.name] = ("ended well, but has left no result", 1)
        else:
            step_progress.note_done(self._pipeline, done)

    def _why(self, step: Step, code: int) -> str:
        if (reason := self._look.failure(step)) is not None:
            return reason
        if code < 0:
            return f"its process was killed by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}, see above"

    def _tell_failures(self) -> None:
        """Of steps that failed while others go on."""
        for name, (reason, _) in self._failed.items():
            if name not in self._told:
                print(f"failed: step {name}: {reason}", file=sys.stderr, flush=True)
                self._told.add(name)

    def _all_told(self) -> int:
        """The last line, and the exit code, of a pipeline of which steps failed."""
        names = [step.name for step in self._pipeline.steps if step.name in self._failed]
        if len(names) == 1:
            words = f"step {names[0]}: {self._failed[names[0]][0]}"
        else:
            self._tell_failures()
            words = f"{len(names)} of {len(self._pipeline.steps)} steps: {', '.join(names)}"
        print(f"failed: {words}; the same command continues", file=sys.stderr)
        notify_ended(self._pipeline.layout, self._pipeline.notify, "stopped", words)
        return 2 if all(code == 2 for _, code in self._failed.values()) else 1


def shared_cores(environment: Mapping[str, str], at_once: int, cores: int) -> dict[str, str]:
    """The environment of a step: those that work at the same time share the cores, unless the user says more.

    Threads of torch that have no core each wait for one another, and cost several times what they do.
    """
    share = {"OMP_NUM_THREADS": str(max(1, cores // at_once))} if at_once > 1 else {}
    return share | dict(environment)


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
        return _INTERRUPTED
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
