"""What a job of `jobs.check` runs on each of its tasks: it looks around, and leaves a report.

    DIR probe gpu    the shape of a generate job: environment, GPUs, model, signal, requeue
    DIR probe cpu    the shape of a gate: environment, Slurm's commands
    DIR probe pair   on two nodes: files, renames and locks between them

A report is written anew after each part, so that a job that is killed has said what it knew.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.checks import installed, two_nodes
from omi_core.checks.gpu_count import count_gpus
from omi_core.checks.model_files import look_at_model
from omi_core.checks.notes import Notes
from omi_core.config import Generate
from omi_core.slurm import commands
from omi_core.slurm.retry_policy import HANDED_BACK
from omi_core.slurm.script import Job, script
from omi_core.slurm.times import limit_seconds
from omi_core.stages.stopping import Stop
from omi_core.store.files import read_json

CONFIG = "config"
# Where no job has two nodes, the login node is the other one.
WITH_LOGIN = "pair.login"
# How a log begins that says so; the login node cannot be told in another way.
UNSHARED = "not shared"

Part = dict[str, Any]


def main(root: str, probe: str, stop: Stop) -> int:
    """Runs a probe; returns the exit code. With 75 the job's script sends the job back to the queue."""
    began = float(os.environ.get("SLURM_JOB_START_TIME") or time.time())  # older Slurms do not say
    notes = Notes(Path(root))
    if not (notes.root / f"{CONFIG}.json").is_file():
        print(f"not shared: {root} is empty on {socket.gethostname()}", file=sys.stderr, flush=True)
        return 1
    if os.environ.get("SLURM_RESTART_COUNT", "0") != "0":
        return 0  # it came back, and that is all
    config = options.restore(Generate, read_json(notes.root / f"{CONFIG}.json"))
    rank = int(os.environ.get("SLURM_PROCID", "0"))
    report = _Report(notes, f"{probe}-{rank}")
    report.add("directory", lambda: _meet(notes, report.name))
    if probe == "pair" or (probe == "cpu" and notes.read(WITH_LOGIN) is not None):
        report.add("pair", lambda: two_nodes.try_out(notes, rank if probe == "pair" else 1))
    if probe != "pair":
        report.add("environment", installed.environment)
    if probe == "cpu":
        report.add("commands", lambda: _slurm_inside(config, notes.root))
    if probe != "gpu":
        return 0
    report.add("gpus", lambda: count_gpus(config))
    if rank:
        return 0
    report.add("engine", lambda: installed.engine(config.teacher))
    report.add("model", lambda: look_at_model(config.teacher, config.engine))
    report.add("signal", lambda: _await_signal(config, stop, began))
    return 0 if stop.signal == signal.SIGTERM else HANDED_BACK


class _Report:
    """What one task found, by part; a part that could not be looked at says why."""

    def __init__(self, notes: Notes, name: str) -> None:
        self._notes, self.name = notes, name
        self._found: Part = {"host": os.environ.get("SLURMD_NODENAME") or socket.gethostname()}

    def add(self, part: str, look: Callable[[], Part]) -> None:
        try:
            self._found[part] = look()
        except Exception as error:  # whatever it is, the other parts are still worth having
            self._found[part] = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]}
        self._notes.leave(self.name, self._found)


def _meet(notes: Notes, name: str) -> Part:
    """Says that we are here, and waits for the answer of the login node; when we saw it, by our clock."""
    began = time.monotonic()
    notes.leave(f"{name}.here", {})
    answer = notes.wait(f"{name}.seen")
    saw = None if answer is None else time.time()
    return {"saw_answer": saw, "seconds": time.monotonic() - began}


def _slurm_inside(config: Generate, root: Path) -> Part:
    """What Slurm's commands say on this node, as gates use them: the errors by command."""
    gate = Job("check", "gate", (str(root), "probe", "cpu"), root / "logs")
    errors: Part = {}
    for argv, text in (
        (("squeue", "-h", "-j", os.environ.get("SLURM_JOB_ID", "0")), ""),
        (("sbatch", "--test-only"), script(config.cluster, gate)),
        (("scancel", "--version"), ""),
    ):
        try:
            commands.run(*argv, stdin=text)
        except commands.SlurmError as error:
            errors[argv[0]] = error.message
    return {"errors": errors}


def _await_signal(config: Generate, stop: Stop, began: float) -> Part:
    """When the signal before the time limit came, in seconds before that; None where it did not."""
    cluster = config.cluster
    end = began + (limit_seconds(cluster.time) or 0)
    # Slurm looks at its jobs every half minute.
    last = min(end - cluster.signal_seconds + 45, end - 10)
    stop.comes(last - time.time())
    came = stop.seconds()
    return {
        "seconds_left": None if came is None else end - (time.time() - came),
        "signal": stop.signal,
        "promised": cluster.signal_seconds,
    }
