"""What to do about tasks that left keys missing: one owner of retries for each class of failure.

| class | how it is known | owner | what it does |
|---|---|---|---|
| TIMEOUT | exit 75, or Slurm's TIMEOUT | the task requeues itself; then the gate | resubmit what is missing |
| PREEMPTED, NODE_FAIL | Slurm's state | Slurm requeues; then the gate | resubmit; a failed node is excluded |
| OUT_OF_MEMORY | Slurm's words, or the engine's | the gate | resubmit with half the samples at once |
| ENGINE | the engine fails | the task starts it again; then the gate | resubmit; its node is excluded |
| SERVER | an endpoint gives no answer | the gate | resubmit; neither samples nor nodes are to blame |
| LOCKED | another process writes what this one has to write | the gate | resubmit, with files of its own |
| SETUP | a line of `cluster.setup` failed; exit 78 | the gate, if not all fail so | resubmit; node excluded |
| CRASH | killed by a signal of its own (SIGSEGV, …) | the gate | resubmit; who was in flight runs apart |
| BUG | the same error in most tasks, or one of ours | none | stop, and show it once |
| DISK | no space, no quota, no permission; exit 74 | none | stop: only a person can make room |
| CANCELLED | Slurm's state | none | stop: somebody wanted it so |
| UNKNOWN | nothing says why | the gate | resubmit |

Of reduce tasks publish is the owner in the gate's place, of publish the rescue job behind it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from signal import SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTERM
from typing import Any

# Exit codes of a task that hands back its work: before the time limit (EX_TEMPFAIL of sysexits.h), and on
# SIGTERM. Not 128 + the signal: sacct takes 128 off.
HANDED_BACK = 75
TERMINATED = 76
# Of a task that cannot even leave word why it failed (EX_IOERR): the disk is full, or not to be written to.
UNWRITABLE = 74
# Of a job's script that a line of `cluster.setup` has failed in (EX_CONFIG).
SETUP_FAILED = 78


class Cause(Enum):
    """Why a task left keys missing."""

    TIMEOUT = "time limit"
    PREEMPTED = "preempted"
    NODE_FAIL = "node failure"
    OUT_OF_MEMORY = "out of memory"
    ENGINE = "engine failure"
    SERVER = "server away"
    LOCKED = "lock taken"
    SETUP = "setup"
    CRASH = "crash"
    BUG = "error"
    DISK = "disk"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


GIVE_UP = (Cause.BUG, Cause.DISK, Cause.CANCELLED)
_OF_THE_NODE = (Cause.NODE_FAIL, Cause.ENGINE, Cause.SETUP)
# What all tasks may say of something they share, and find mended the next time.
_OF_ALL_ALIKE = (Cause.SERVER, Cause.LOCKED)
_STATES = {
    "TIMEOUT": Cause.TIMEOUT,
    "DEADLINE": Cause.TIMEOUT,
    "PREEMPTED": Cause.PREEMPTED,
    "NODE_FAIL": Cause.NODE_FAIL,
    "BOOT_FAIL": Cause.NODE_FAIL,
    "OUT_OF_MEMORY": Cause.OUT_OF_MEMORY,
    "CANCELLED": Cause.CANCELLED,
}
_EXITS = {HANDED_BACK: Cause.TIMEOUT, UNWRITABLE: Cause.DISK, SETUP_FAILED: Cause.SETUP}
# Raised by vLLM or CUDA, or for a rank on another node, when the engine, not our code, is at fault.
_ENGINE_ERRORS = frozenset(
    "EngineEnded EngineFailed EngineDeadError EngineGenerateError AcceleratorError DistBackendError "
    "RankLost".split()
)
# Sent to a process by what it does itself.
_CRASHES = (SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV)
_KILLED_FOR_MEMORY = re.compile(r"exceeded (job )?memory limit|\boom[-_ ]kill", re.IGNORECASE)
_OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError")
_DISK_ERRORS = ("AppendFailed", "OSError", "PermissionError")
_LOCKED = ("LockTaken", "JournalShared")
# Slurm had no answer or no room, for longer than anybody waits for it.
_PASSING = ("Busy", "SubmitLimit")


@dataclass(frozen=True)
class Failure:
    """One task that left keys missing: its cause, and the words to show for it."""

    task: int
    cause: Cause
    message: str
    node: str | None = None
    log: str | None = None


@dataclass(frozen=True)
class Decision:
    """What the gate does: submit again (on which nodes not, with how many samples at once) or stop."""

    again: bool
    reason: str
    exclude: tuple[str, ...] = ()
    smaller: bool = False


def cause_of(
    trouble: Mapping[str, Any] | None,
    state: str | None,
    exit_code: int | None,
    signal: int | None = None,
    said: str | None = None,
) -> Cause:
    """The cause, from what the task wrote before it ended, else from Slurm's state, exit code and signal.

    `said` is the last line of its log: without cgroups Slurm only there says that it killed for memory.
    """
    if trouble is not None:
        name, message = str(trouble.get("class")), str(trouble.get("message"))
        if name == "ServerLost":
            return Cause.SERVER
        if name in _OUT_OF_MEMORY or "out of memory" in message.lower():
            return Cause.OUT_OF_MEMORY
        if name in _ENGINE_ERRORS or "CUDA error" in message:
            return Cause.ENGINE
        if name in _DISK_ERRORS:
            return Cause.DISK
        if name in _LOCKED:
            return Cause.LOCKED
        return Cause.UNKNOWN if name in _PASSING else Cause.BUG
    if state in _STATES:
        return _STATES[state]
    if said and _KILLED_FOR_MEMORY.search(said):
        return Cause.OUT_OF_MEMORY
    if exit_code in _EXITS:
        return _EXITS[exit_code]
    # A script that ends before its step is heard of leaves accounting with the signal in the code's place; no
    # task ends with such a code by itself.
    by = signal or exit_code
    if by in _CRASHES:
        return Cause.CRASH
    # A task that ends on SIGTERM within the grace time of a preemption is FAILED for Slurm, by that signal.
    return Cause.PREEMPTED if by in (SIGTERM, TERMINATED) else Cause.UNKNOWN


def decide(failures: Sequence[Failure], tasks: int, attempts: int, max_attempts: int) -> Decision:
    """What to do about an attempt of `tasks` tasks of which these failed, the `attempts`-th in its chain."""
    causes = Counter(failure.cause for failure in failures)
    summary = (
        ", ".join(f"{count} x {cause.value}" for cause, count in causes.most_common()) or "nothing says why"
    )
    # A line that fails on one node is the node's fault, one that fails on all is the user's to mend.
    setup_fails = causes[Cause.SETUP] >= tasks
    fatal = [f for f in failures if f.cause in GIVE_UP or (setup_fails and f.cause is Cause.SETUP)]
    if fatal:
        worst = Counter(failure.message for failure in fatal).most_common(1)[0][0]
        first = next(failure for failure in fatal if failure.message == worst)
        where = f" (task {first.task}, {first.log})" if first.log else f" (task {first.task})"
        return Decision(False, f"{summary}{': ' if worst else ''}{worst}{where}")
    # All tasks lose the server they share with the same words, and may all find it again.
    told = [failure for failure in failures if failure.message and failure.cause not in _OF_ALL_ALIKE]
    same = Counter(failure.message for failure in told)
    if same and tasks > 2 and same.most_common(1)[0][1] > tasks / 2:
        return Decision(False, f"most tasks failed alike: {same.most_common(1)[0][0]}")
    if attempts >= max_attempts:
        return Decision(False, f"{summary}, after {attempts} attempts")
    broken = {f.node for f in failures if f.node and f.cause in _OF_THE_NODE}
    return Decision(True, summary, tuple(sorted(broken)), smaller=causes[Cause.OUT_OF_MEMORY] > 0)
