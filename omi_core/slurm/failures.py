"""What went wrong in the chain at hand, grouped by cause, each group with a log line and where to look.

Told from what tasks left beside their journals, and for those that were killed without a word from Slurm's
state and exit code. A failure whose samples have been made since no longer counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, NamedTuple

import numpy as np
import orjson

from omi_core.slurm import retry_policy, states
from omi_core.slurm.script import ON_GPUS
from omi_core.slurm.states import TaskKey, TaskState
from omi_core.store.attempts import Attempt, read_attempt
from omi_core.store.layout import Layout

# What may end a chain, and then fails.
_ENDING = ("gate", "publish", "advance", "rescue")

_TROUBLE = re.compile(r"(\d{4,})-(\d{5,})\.trouble\.json")
_TAIL_BYTES = 16_384
_MESSAGE_CHARACTERS = 300
# Lines of a log that do not say why it ends: progress, and what srun adds about every task that failed.
_NO_REASON = re.compile(
    r"(\w+: [\d,]+ of [\d,]+ \w+ \(.*\))|(srun: (error: .* Exited with|error: .*: Killed|Terminating).*)"
)


class TaskPlace(NamedTuple):
    """An array task of a GPU stage: the attempt it works on, and the first of its shards there."""

    key: TaskKey
    stage: str
    attempt: int
    shard: int


@dataclass
class FailureGroup:
    """Failures with the same cause: how many, and of the first of them what it said and where that lies.

    `task` is the index in its array (None for a job that is no array), `see` the file it left beside its
    journal, `log` what it printed, `line` the last line there that may say why.
    """

    cause: str
    count: int
    message: str
    stage: str
    attempt: int | None = None
    task: int | None = None
    see: str | None = None
    log: str | None = None
    line: str | None = None


def places(entries: Iterable[Mapping[str, Any]], replicas: int) -> Iterator[TaskPlace]:
    """Every array task of the GPU stages that these ledger entries submitted, windows in their order."""
    begun: dict[tuple[str, int], int] = {}
    for entry in entries:
        if entry["stage"] not in ON_GPUS or not entry.get("job"):
            continue
        name = (entry["stage"], entry["attempt"])
        size = entry["array"][1] + 1 if entry["array"] else 1
        first = begun.get(name, 0)
        begun[name] = first + size
        for index in range(size):
            key = TaskKey(entry["job"], index if entry["array"] else None)
            yield TaskPlace(key, entry["stage"], entry["attempt"], (first + index) * replicas)


def find_failures(
    layout: Layout,
    chain: Sequence[Mapping[str, Any]],
    seen: Mapping[TaskKey, TaskState],
    done: np.ndarray,
    replicas: int,
) -> tuple[list[FailureGroup], int]:
    """(groups of the chain with these ledger entries, the commonest first; failures of chains before it)."""
    left, older = _troubles(layout, {entry["attempt"] for entry in chain if entry["stage"] in ON_GPUS})
    groups: dict[tuple[str, str], FailureGroup] = {}
    is_done = _Done(layout, done)

    def add(key: tuple[str, str], make: Callable[[], FailureGroup]) -> None:
        if key in groups:
            groups[key].count += 1
        else:
            groups[key] = make()

    cancelled = bool(chain) and chain[-1]["stage"] in ("cancel", "refused")
    troubled_places = {(attempt, shard - shard % replicas) for attempt, shard in left}
    for place in places(chain, replicas):
        state = seen.get(place.key)
        failed = state is not None and state.state in states.FAILURES
        if not failed and (place.attempt, place.shard) not in troubled_places:
            continue  # of thousands of tasks nearly all
        shards = [(place.attempt, place.shard + rank) for rank in range(replicas)]
        troubled = [shard for shard in shards if shard in left]
        for shard in troubled:
            if not is_done(*shard):
                trouble = left[shard]
                key = (trouble["class"], str(trouble.get("at")))
                add(key, lambda p=place, s=shard, t=trouble: _of_trouble(layout, p, s, t))
        if troubled or state is None:
            continue
        if (state.state == "CANCELLED" and cancelled) or all(is_done(*shard) for shard in shards):
            continue
        add(
            (words := words_of(state), place.stage),
            lambda p=place, s=state, w=words: _of_state(layout, p, s, w),
        )
    for group in _of_cpu_jobs(layout, chain, seen):
        add((group.stage, group.message), lambda g=group: g)
    found = sorted(groups.values(), key=lambda group: -group.count)
    for stage, name in (("end", "gate"), ("refused", "submission")):
        reasons = [entry["reason"] for entry in chain if entry["stage"] == stage]
        found = [FailureGroup(name, 1, reason, name) for reason in reasons[-1:]] + found
    return found, older


def _troubles(layout: Layout, attempts: set[int]) -> tuple[dict[tuple[int, int], dict[str, Any]], int]:
    """What tasks of these attempts left, by (attempt, shard), and how many those of others are."""
    found, older = {}, 0
    names = os.listdir(layout.generate) if layout.generate.is_dir() else []
    for name in filter(None, map(_TROUBLE.fullmatch, names)):
        if int(name[1]) not in attempts:
            older += 1
            continue
        if (trouble := read_trouble(layout.generate / name[0])) is not None:
            found[int(name[1]), int(name[2])] = trouble
    return found, older


def read_trouble(path: Path) -> dict[str, Any] | None:
    """Why a task failed, by its own word; None where it left none, or a damaged one."""
    try:
        trouble = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return {"class": "unknown", "message": ""} | trouble if isinstance(trouble, dict) else None


class _Done:
    """Whether every sample of a shard is there."""

    def __init__(self, layout: Layout, done: np.ndarray) -> None:
        self._layout, self._done = layout, done
        self._attempts: dict[int, Attempt | None] = {}

    def __call__(self, attempt: int, shard: int) -> bool:
        if attempt not in self._attempts:
            try:
                self._attempts[attempt] = read_attempt(self._layout, attempt)
            except (OSError, ValueError, KeyError):
                self._attempts[attempt] = None
        found = self._attempts[attempt]
        if found is None:
            return False
        if shard >= found.tasks:
            return True
        return all(bool(self._done[start:stop].all()) for start, stop in found.share(shard).tolist())


def _of_trouble(
    layout: Layout, place: TaskPlace, shard: tuple[int, int], trouble: dict[str, Any]
) -> FailureGroup:
    message = f"{trouble['class']}: {' '.join(str(trouble['message']).split())}"
    log = log_path(layout, place.key, shard[1] - place.shard)
    return FailureGroup(
        cause=retry_policy.cause_of(trouble, None, None).value,
        count=1,
        message=message[:_MESSAGE_CHARACTERS],
        stage=place.stage,
        attempt=place.attempt,
        task=place.key.array_index,
        see=str(layout.trouble(*shard)),
        log=str(log),
        line=last_line(log),
    )


def job_failure(layout: Layout, key: TaskKey, state: TaskState | None) -> retry_policy.Failure:
    """Why a job without a shard failed (reduce, publish, a step), by what it left, else by Slurm's word."""
    trouble = read_trouble(layout.job_trouble(str(key)))
    log, line = log_line(layout, key)
    told = (state.state, state.exit_code, state.signal) if state else (None, None, None)
    cause = retry_policy.cause_of(trouble, *told, line)
    message = f"{trouble['class']}: {trouble['message']}" if trouble else ""
    if cause is retry_policy.Cause.SETUP:
        message = line or ""
    return retry_policy.Failure(key.array_index or 0, cause, message, state.node if state else None, log)


def _of_state(layout: Layout, place: TaskPlace, state: TaskState, words: str) -> FailureGroup:
    log, line = log_line(layout, place.key)
    cause = retry_policy.cause_of(None, state.state, state.exit_code, state.signal, line).value
    return FailureGroup(
        cause, 1, words, place.stage, place.attempt, place.key.array_index, log=log, line=line
    )


def _of_cpu_jobs(
    layout: Layout, chain: Sequence[Mapping[str, Any]], seen: Mapping[TaskKey, TaskState]
) -> Iterator[FailureGroup]:
    """Gate, reduce and publish jobs that failed. Cancelled ones were so by a gate or a person, who said why;
    those in whose place others were sent are healed; and whoever ended the chain said why."""
    jobs = {entry["job"]: entry["stage"] for entry in chain if entry.get("job")}
    last = {stage: job for job, stage in jobs.items()}
    ended = any(entry["stage"] == "end" for entry in chain)
    for key, state in seen.items():
        stage = jobs.get(key.job_id)
        if stage is None or stage in ON_GPUS or state.state not in states.FAILURES - {"CANCELLED"}:
            continue
        if key.job_id != last[stage] or (ended and stage in _ENDING):
            continue
        failure, see = job_failure(layout, key, state), layout.job_trouble(str(key))
        yield FailureGroup(
            cause=failure.cause.value,
            count=1,
            message=(failure.message or words_of(state))[:_MESSAGE_CHARACTERS],
            stage=stage,
            task=key.array_index,
            see=str(see) if see.exists() else None,
            log=failure.log,
            line=log_line(layout, key)[1],
        )


def words_of(state: TaskState) -> str:
    """`TIMEOUT`, `FAILED by SIGKILL`, `FAILED with exit code 1`."""
    if state.signal:
        with suppress(ValueError):
            return f"{state.state} by {Signals(state.signal).name}"
        return f"{state.state} by signal {state.signal}"
    return f"{state.state} with exit code {state.exit_code}" if state.exit_code else state.state


def log_path(layout: Layout, key: TaskKey, rank: int) -> Path:
    """What a task printed."""
    return layout.logs / f"{key}_{rank}.log"


def log_line(layout: Layout, key: TaskKey) -> tuple[str | None, str | None]:
    """Path and last line of the log of a job's first task, or of its script where that says why it ended."""
    task, script = log_path(layout, key, 0), layout.logs / f"{key}.sbatch.log"
    for path in (script, task):  # Slurm writes into the script's log; ours hardly ever does
        if line := last_line(path):
            return str(path), line
    return (str(task) if task.exists() else None), None


def last_line(path: Path) -> str | None:
    """The last line of a log that may say why it ends; None where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            tail = file.read().decode("utf-8", errors="replace")
    except OSError:
        return None
    for line in reversed(tail.splitlines()):
        shown = "".join(character if character.isprintable() else " " for character in line).strip()
        if shown and not _NO_REASON.fullmatch(shown):
            return shown[:_MESSAGE_CHARACTERS]
    return None
