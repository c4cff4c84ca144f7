"""What has become of jobs and array tasks: one squeue and at most one sacct for any number of them.

squeue tells what is, and for some minutes (MinJobAge) how tasks ended; sacct tells how those ended that
squeue has forgotten. squeue wins: for seconds after a node failure, a preemption or a requeue, sacct shows
an end that is not one. Both are read compactly, pending array tasks as one row such as `1_[41-9999%32]`.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from omi_core.slurm.commands import ACCOUNTING_TIMEOUT_S, SlurmError, run

log = logging.getLogger(__name__)

ACTIVE = frozenset(
    "PENDING RUNNING CONFIGURING COMPLETING SUSPENDED STOPPED SIGNALING RESIZING STAGE_OUT REQUEUED "
    "REQUEUE_HOLD REQUEUE_FED RESV_DEL_HOLD SPECIAL_EXIT POWER_UP_NODE UPDATE_DB EXPEDITING".split()
)
"""Has not ended for good: waits (also held, for somebody to release it), runs, or is being cleared away."""

ENDED_WELL = frozenset({"COMPLETED"})
FAILURES = frozenset(
    "FAILED TIMEOUT NODE_FAIL OUT_OF_MEMORY PREEMPTED CANCELLED BOOT_FAIL DEADLINE LAUNCH_FAILED "
    "RECONFIG_FAIL REVOKED".split()
)
"""Has ended for good, and not well; PREEMPTED and NODE_FAIL are of tasks that Slurm does not requeue."""

GONE = "GONE"
"""Not Slurm's word: the task has left the queue, and nothing tells (yet, or ever) how it ended."""

# How far back sacct looks when the time of submission is not known (its own default is midnight).
_LOOK_BACK_S = 365 * 86400.0
_CLOCKS_DIFFER_S = 3600.0

# A width of nothing prints a field whole; what may hold any text comes last.
_SQUEUE_FIELDS = (
    "ArrayJobID,ArrayTaskID,State,RestartCnt,exit_code,DerivedEC,TimeUsed,StartTime,EndTime,NodeList,"
    "tres-alloc,Reason"
).split(",")
_SACCT_FIELDS = (
    "JobID,State,ExitCode,DerivedExitCode,ElapsedRaw,Submit,Start,End,NodeList,AllocTRES,Reason"
).split(",")
_JOB_ID = re.compile(r"(\d+)(?:_(?:(\d+)|\[(.*)\]))?")
_NOTHING = ("", "None", "N/A", "Unknown", "(null)", "None assigned")


class TaskKey(NamedTuple):
    """A job, or one task of an array: `TaskKey("12", 3)` is what Slurm writes as 12_3."""

    job_id: str
    array_index: int | None

    def __str__(self) -> str:
        return self.job_id if self.array_index is None else f"{self.job_id}_{self.array_index}"


@dataclass(frozen=True, slots=True)
class TaskState:
    """What is known of a task's last run.

    `state` is Slurm's word in full, or GONE. `exit_code` and `signal` are those of the program where Slurm
    tells (see `_program`), None while the task has not ended.
    `start` and `end` are seconds since the epoch, None while they lie ahead. `restarts` counts runs before
    this one, which took `elapsed_before_s` (0 without accounting). `gpus` are those allocated or asked for,
    None where Slurm does not count them. `node` is a host list such as n[1-2]. `expected` is when Slurm
    expects a task to start that waits (as `squeue --start`), None where it does not say.
    """

    state: str
    reason: str | None = None
    node: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    restarts: int = 0
    elapsed_s: int = 0
    elapsed_before_s: int = 0
    start: float | None = None
    end: float | None = None
    gpus: int | None = None
    expected: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the task has ended for good, or is GONE; False for words newer than this module."""
        return self.state in ENDED_WELL or self.state in FAILURES or self.state == GONE


def query(
    job_ids: Iterable[str], sizes: Mapping[str, int] | None = None, since: float | None = None
) -> dict[TaskKey, TaskState]:
    """The state of every task of these jobs, in no particular order.

    Args:
        job_ids: ids of jobs and arrays, as sbatch printed them.
        sizes: how many tasks each array was submitted with (indexes from 0). Tasks that neither
            squeue nor sacct knows are then GONE; and sacct is not asked when squeue knows all tasks and
            none ran twice.
        since: when the first job was submitted, in seconds since the epoch; a year ago by default.

    A job of which nothing is known is GONE, under `TaskKey(job_id, None)` without a size. Where sacct
    is absent or fails, what squeue has forgotten is GONE.

    Raises:
        NotInstalled, Busy, SlurmError: squeue gave no answer; nothing can be said then.
    """
    ids = list(dict.fromkeys(job_ids))
    if not ids:
        return {}
    found = parse_squeue(_ask_squeue(ids))
    if not _complete(ids, sizes or {}, found):
        runs = parse_sacct(_ask_sacct(ids, since))
        found = _merge(found, _spread(runs, sizes or {}, found))
    return found | {key: TaskState(GONE) for key in _unknown(ids, sizes or {}, found)}


def query_submitted(entries: Iterable[Mapping[str, Any]]) -> dict[TaskKey, TaskState]:
    """The state of every task that the entries of a ledger submitted; asks and raises as `query`."""
    jobs = [entry for entry in entries if entry.get("job")]
    if not jobs:
        return {}
    sizes = {entry["job"]: entry["array"][1] + 1 for entry in jobs if entry["array"]}
    return query([entry["job"] for entry in jobs], sizes, since=min(entry["time"] for entry in jobs))


def _ask_squeue(ids: list[str]) -> str:
    fields = ",".join(f"{name}:|" for name in _SQUEUE_FIELDS)
    try:
        return run("squeue", "-h", "-a", "-t", "all", "-j", ",".join(ids), "-O", fields)
    except SlurmError as error:
        if "Invalid job id specified" in error.message:  # so it says when it has forgotten all of them
            return ""
        raise


def _ask_sacct(ids: list[str], since: float | None) -> str:
    start = time.time() - _LOOK_BACK_S if since is None else since - _CLOCKS_DIFFER_S
    asked = ("-S", time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(start)), "-o", ",".join(_SACCT_FIELDS))
    try:
        return run("sacct", "-n", "-P", "-X", "-D", "-j", ",".join(ids), *asked, timeout=ACCOUNTING_TIMEOUT_S)
    except SlurmError as error:
        log.info("going on without accounting: %s", error)
        return ""


def _complete(ids: list[str], sizes: Mapping[str, int], found: Mapping[TaskKey, TaskState]) -> bool:
    """Whether sacct has nothing to add."""
    if any(state.restarts for state in found.values()):
        return False
    return all(job in sizes or TaskKey(job, None) in found for job in ids) and not _unknown(ids, sizes, found)


def _unknown(ids: list[str], sizes: Mapping[str, int], found: Mapping[TaskKey, TaskState]) -> list[TaskKey]:
    known = {key.job_id for key in found}
    unknown = [TaskKey(job, None) for job in ids if job not in sizes and job not in known]
    for job in ids:
        if job in sizes:
            unknown += [key for i in range(sizes[job]) if (key := TaskKey(job, i)) not in found]
    return unknown


def _spread(
    runs: Mapping[TaskKey, list[TaskState]], sizes: Mapping[str, int], queue: Mapping[TaskKey, TaskState]
) -> dict[TaskKey, list[TaskState]]:
    """An array that is cancelled at once has one row in sacct, without indexes: that is of all its tasks."""
    spread = dict(runs)
    arrays = {key.job_id for key in queue if key.array_index is not None} | set(sizes)
    for key in runs:
        if key.array_index is None and key.job_id in arrays:
            row = spread.pop(key)
            for index in range(sizes.get(key.job_id, 0)):
                spread.setdefault(TaskKey(key.job_id, index), row)
    return spread


def _merge(
    queue: Mapping[TaskKey, TaskState], runs: Mapping[TaskKey, list[TaskState]]
) -> dict[TaskKey, TaskState]:
    """What squeue says, completed by sacct; of what only sacct knows, the ends."""
    merged = {}
    for key, past in runs.items():
        now = queue.get(key)
        if now is None:
            last = past[-1]
            # A task that waits or runs by sacct alone does not: its end has not been entered yet.
            state = last if last.ended else TaskState(GONE, reason=f"sacct still has it as {last.state}")
            earlier = past[:-1]
            if earlier:
                state = replace(state, restarts=len(earlier), elapsed_before_s=_total(earlier))
            merged[key] = state
        elif now.restarts:
            earlier = [run for run in past if _before(run, now)]
            merged[key] = replace(now, elapsed_before_s=_total(earlier))
    return {**queue, **merged}


def _before(earlier: TaskState, now: TaskState) -> bool:
    return earlier.end is not None and (now.start is None or earlier.end <= now.start)


def _total(runs: list[TaskState]) -> int:
    return sum(run.elapsed_s for run in runs)


def parse_squeue(text: str) -> dict[TaskKey, TaskState]:
    """The tasks in what squeue prints for `_SQUEUE_FIELDS`, each followed by a bar."""
    found = {}
    for line in text.splitlines():
        cells = line.split("|", len(_SQUEUE_FIELDS) - 1)
        if len(cells) != len(_SQUEUE_FIELDS) or not cells[0].isdigit():
            continue
        job, tasks, state, restarts, exit_code, derived, used, start, end, node, tres, reason = cells
        row = _state(
            state=state,
            reason=reason.removesuffix("|"),
            node=node,
            exits=(_wait_status(exit_code), _wait_status(derived)),
            elapsed_s=_seconds(used),
            times=(start, end),
            tres=tres,
            restarts=int(restarts) if restarts.isdigit() else 0,
        )
        if tasks.isdigit():
            found[TaskKey(job, int(tasks))] = row
        else:
            indexes = (None,) if tasks in _NOTHING else expand_array(tasks)
            found.update((TaskKey(job, index), row) for index in indexes)
    return found


def parse_sacct(text: str) -> dict[TaskKey, list[TaskState]]:
    """The runs of each task in what `sacct -P -D` prints for `_SACCT_FIELDS`, oldest first."""
    found: dict[TaskKey, list[tuple[float, TaskState]]] = {}
    for line in text.splitlines():
        cells = line.split("|", len(_SACCT_FIELDS) - 1)
        named = _JOB_ID.fullmatch(cells[0])
        if len(cells) != len(_SACCT_FIELDS) or named is None:
            continue
        _, state, exit_code, derived, elapsed, submit, start, end, node, tres, reason = cells
        row = _state(
            state=state,
            reason=reason,
            node=node,
            exits=(_pair(exit_code), _pair(derived)),
            elapsed_s=int(elapsed) if elapsed.isdigit() else 0,
            times=(start, end),
            tres=tres,
        )
        for key in _keys(named):
            found.setdefault(key, []).append((_time(submit) or 0.0, row))
    # A requeued task is submitted again.
    return {key: [row for _, row in sorted(runs, key=itemgetter(0))] for key, runs in found.items()}


def expand_array(tasks: str) -> Iterator[int]:
    """Indexes in an array expression: `0-2,7`, `0-20:4`, `41-9999%32`; what follows a `...` is unknown.

    Raises ValueError when `tasks` is not such an expression.
    """
    for part in tasks.partition("%")[0].removesuffix("...").split(","):
        named = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if named is None:
            raise ValueError(f"{tasks!r} is not a list of array indexes")
        first, last, step = named.groups()
        yield from range(int(first), int(last or first) + 1, int(step or 1))


def _keys(named: re.Match[str]) -> list[TaskKey]:
    job, index, several = named.groups()
    if several is not None:
        return [TaskKey(job, i) for i in expand_array(several)]
    return [TaskKey(job, None if index is None else int(index))]


def _state(
    state: str,
    reason: str,
    node: str,
    exits: tuple[tuple[int, int], tuple[int, int]],
    elapsed_s: int,
    times: tuple[str, str],
    tres: str,
    restarts: int = 0,
) -> TaskState:
    word, _, by = state.partition(" ")  # "CANCELLED by 1000"
    ended = word in ENDED_WELL or word in FAILURES
    exit_code, signal = _program(*exits) if ended else (None, None)
    return TaskState(
        state=word,
        reason=f"{word.lower()} {by}" if by else None if reason in _NOTHING else reason,
        node=None if node in _NOTHING else node,
        exit_code=exit_code,
        signal=signal,
        restarts=restarts,
        elapsed_s=elapsed_s,
        # squeue foretells when a pending task starts and when a running one must end.
        start=None if word == "PENDING" else _time(times[0]),
        end=_time(times[1]) if ended or word == "REQUEUED" else None,
        gpus=_gpus(tres),
        expected=_time(times[0]) if word == "PENDING" else None,
    )


def _program(exit_code: tuple[int, int], derived: tuple[int, int]) -> tuple[int, int]:
    """Exit code and signal of the program, from those of the script and of its worst step.

    When a signal n kills the program, srun and the shell end with 128 + n, which sacct shows as n; an exit
    code c above 128 it shows as c - 128. The step has the truth. Without a step 128 + n is taken for n. (A
    script that ends sooner than slurmctld hears of its step leaves sacct without: then n stays a code.)
    """
    code, signal = exit_code
    if signal or not code:
        return code, signal
    if derived[0] and derived[0] % 128 == code % 128:
        return derived[0], 0
    if derived[1] and derived[1] == code % 128:
        return 0, derived[1]
    return (0, code - 128) if 128 < code <= 128 + 64 else (code, 0)


@lru_cache(maxsize=1024)
def _wait_status(cell: str) -> tuple[int, int]:
    """Exit code and signal from squeue: the status of wait(2), or `code:signal` in later versions."""
    if cell.isdigit():
        return int(cell) >> 8, int(cell) & 0x7F
    return _pair(cell)


@lru_cache(maxsize=1024)
def _pair(cell: str) -> tuple[int, int]:
    code, _, signal = cell.partition(":")
    return (int(code), int(signal)) if code.isdigit() and signal.isdigit() else (0, 0)


@lru_cache(maxsize=1024)
def _seconds(cell: str) -> int:
    """Seconds in `1-02:03:04`, `3:21` or `INVALID` (clocks that differ), which is 0."""
    named = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", cell)
    if named is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in named.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _time(cell: str) -> float | None:
    """Seconds since the epoch as asked for, or local time where a site's Slurm prints only that."""
    if cell.isdigit():
        return float(cell)
    try:
        return datetime.fromisoformat(cell).timestamp()
    except ValueError:
        return None


@lru_cache(maxsize=1024)  # thousands of tasks, a handful of different requests
def _gpus(tres: str) -> int | None:
    """GPUs in `cpu=1,gres/gpu=2,gres/gpu:h200=2`."""
    counts = dict(re.findall(r"(gres/gpu[^=,]*)=(\d+)", tres))
    if "gres/gpu" in counts:
        return int(counts["gres/gpu"])
    return sum(map(int, counts.values())) if counts else None
