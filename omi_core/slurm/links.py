"""The links of a chain as one of its jobs sees them: which are behind it, which live, who holds the lock.

Whoever submits holds the run's lock from before the first sbatch until the last job stands in the ledger.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from omi_core.hints import to_continue
from omi_core.slurm import commands, states
from omi_core.slurm.states import TaskKey, TaskState
from omi_core.store import ledger
from omi_core.store.files import LockTaken, lock
from omi_core.store.layout import Layout

# How long a job waits for the lock of a run or pipeline: of a command, whose process cannot be seen from
# here; and of a job that Slurm still has, which may wait half an hour itself for room in the queue.
_WAIT_S, _WAIT_OF_A_JOB_S = 300.0, 2400.0
_LOOK_S = 30.0

Entry = dict[str, Any]


class ChainEnded(RuntimeError):
    """The gate is shut: the chain ends here, or goes on as another one. The message says which and why."""


class GoesOn(ChainEnded):
    """The chain goes on in other jobs; nothing is left to do for this one."""


@contextmanager
def waited_lock(path: Path) -> Iterator[None]:
    """Holds a lock that others may hold for a while; says on the log what it waits for.

    Raises:
        LockTaken: it still has a holder after 5 minutes, or 40 where that is a job that Slurm still has.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock(path, wait=_LOOK_S))
                break
            except LockTaken as taken:
                longest = _WAIT_OF_A_JOB_S if _lives(taken.job) else _WAIT_S
                if time.monotonic() - began >= longest:
                    raise
                print(f"waiting for {taken}", flush=True)
        yield


def _lives(job: str | None) -> bool:
    """Whether Slurm has another job of that id; no where it does not say."""
    if job is None or job == os.environ.get("SLURM_JOB_ID"):
        return False
    try:
        return any(state.state in states.ACTIVE for state in states.query([job]).values())
    except commands.SlurmError:
        return False


def this_chain(layout: Layout) -> list[Entry]:
    """The ledger since the last command of a user."""
    return ledger.since(ledger.read(layout.ledger), "chain")


def own_job() -> str | None:
    """The id of the job or array that this process is of; None outside of Slurm."""
    return os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID")


def own_key() -> TaskKey | None:
    """The job or array task that this process is of; None outside of Slurm."""
    job, index = own_job(), os.environ.get("SLURM_ARRAY_TASK_ID")
    return None if job is None else TaskKey(job, int(index) if index else None)


def after_this(layout: Layout) -> list[Entry]:
    """All lines of this chain below that of this job; none where it has no line."""
    chain = this_chain(layout)
    own = own_job()
    at = [number for number, entry in enumerate(chain) if own is not None and entry.get("job") == own]
    return chain[at[-1] + 1 :] if at else []


def behind(layout: Layout) -> list[Entry]:
    """The ledger's jobs behind this one: reduce and publish, and for a canary the array and its gate."""
    return [entry for entry in after_this(layout) if entry.get("job")]


def refuse_left_behind(layout: Layout) -> None:
    """Raises ChainEnded where the chain is over, or goes on in later jobs than this one, or without it.

    So it is for a gate that its node's failure starts a second time, for a publish job that could not be
    cancelled, and for a gate whose submission was killed before it could be written down.
    """
    chain = this_chain(layout)
    if ledger.last_stage(chain) == "end":
        raise ChainEnded([entry["reason"] for entry in chain if entry["stage"] == "end"][-1])
    if any(entry["stage"] == "cancel" for entry in chain):
        raise ChainEnded(f"the run was cancelled; {to_continue(layout.root)}")
    own = own_job()
    stages = {entry["job"]: entry["stage"] for entry in chain if entry.get("job")}
    if own is not None and own not in stages:
        raise ChainEnded(_unknown(own, layout))
    later = [job for job, stage in stages.items() if stage == stages.get(own)]
    if later and later[-1] != own:
        raise GoesOn(f"the chain goes on in job {later[-1]}")


def refuse_unknown(layout: Layout) -> None:
    """Raises ChainEnded for a task of a job of which the ledger does not tell.

    It was submitted by a process that was killed before it could write it down. No job waits for it, and
    what it would make is sent again by another. Runs that no job was submitted for are left alone.
    """
    own = own_job()
    while own is not None:
        jobs = [entry["job"] for entry in ledger.read(layout.ledger) if entry.get("job")]
        if own in jobs or not jobs:
            return
        try:
            with lock(layout.lock):
                jobs = [entry["job"] for entry in ledger.read(layout.ledger) if entry.get("job")]
        except LockTaken:  # it is being written down
            time.sleep(1.0)
            continue
        if own not in jobs:
            raise ChainEnded(_unknown(own, layout))


def _unknown(own: str, layout: Layout) -> str:
    return f"job {own} is not in the chain that {layout.ledger} records; nothing done"


def ask(entries: Iterable[Entry]) -> dict[TaskKey, TaskState]:
    """What Slurm knows of the tasks of these jobs; nothing where it does not answer."""
    try:
        return commands.retry(lambda: states.query_submitted(entries), seconds=60)
    except commands.SlurmError:
        return {}  # what the tasks themselves wrote has to do


def live_jobs(entries: Iterable[Entry]) -> list[Entry]:
    """Those of these lines whose jobs wait or run, but for this process's own; none where Slurm is silent."""
    entries = [entry for entry in entries if entry.get("job")]
    seen = ask(entries)
    live = {key.job_id for key, state in seen.items() if state.state in states.ACTIVE} - {own_job()}
    return [entry for entry in entries if entry["job"] in live]
