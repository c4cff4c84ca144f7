"""The gates of a chain on Slurm: what is missing is sent again or ends the chain, never passed over.

A gate that stays shut cancels the jobs behind it and says why in one line, on its log and in the ledger.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from omi_core.config import Generate
from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.run import ledger
from omi_core.run.attempts import Attempt, AttemptDamaged, read_attempt
from omi_core.run.files import lock, write_json
from omi_core.run.flight import last_words
from omi_core.run.keys import settled
from omi_core.slurm import commands, policy, states
from omi_core.slurm.failures import log_path, places, read_trouble, said
from omi_core.slurm.script import replicas
from omi_core.slurm.submit import Chain, Shares, ask_site
from omi_core.stages import gate
from omi_core.stages.reduce import finished_parts
from omi_core.stages.run import Run

# How long a gate waits for room in the queue, well within its own time limit.
_WAIT_FOR_ROOM_S = 1800.0


class ChainEnded(RuntimeError):
    """The gate is shut: the chain ends here, or goes on as another one. The message says which and why."""


class WindowSent(ChainEnded):
    """The chain goes on as another one, and nothing has failed."""


def pass_generate(run: Run[Generate], number: int | None) -> None:
    """Returns when every key is on disk, or as many as `run.min_coverage` asks for.

    `number` is the attempt that made them, None when the chain began with none.

    Raises:
        WindowSent: those that had no place in the queue yet have one now; nothing failed.
        ChainEnded: tasks failed; what they left is submitted again, or the chain is over.
    """
    with lock(run.layout.lock, wait=300):  # whoever still submits this chain has it
        _refuse_left_behind(run)
        ranges = gate.missing(run)
        missing = gate.count(ranges)
        if _unsent(run, ranges) or missing > run.plan.keys * (1 - run.config.run.min_coverage):
            _send_again(run, number, ranges)
    print(f"gate: {run.plan.keys - missing:,} of {run.plan.keys:,} samples are there", flush=True)


def send_behind(run: Run[Generate]) -> None:
    """Submits the jobs behind this gate, where there was no room for them before. Raises ChainEnded."""
    if not any(entry["stage"] == "reduce" for entry in _behind(run)):
        _send(run, "every sample is there", lambda chain: chain.reduce(), run)


def _send_again(run: Run[Generate], number: int | None, ranges: np.ndarray) -> NoReturn:
    """Submits the missing keys, if that makes sense. Raises what `pass_generate` raises."""
    words = f"{gate.count(ranges):,} of {run.plan.keys:,} samples are missing"
    failures = [] if number is None else failed_tasks(run, number)
    most, counted = run.config.cluster.max_attempts, False
    again, exclude, tasks = run, None, None
    attempt = None if number is None else _attempt(run, number)
    if attempt is not None and not failures:  # a window: shards as large as those before
        tasks = math.ceil(gate.count(ranges) * attempt.tasks / attempt.keys)
    elif failures:
        counted = attempt is None or _done_share(run, attempt, ranges) < 0.5
        attempts = counted_attempts(run) + counted
        decision = policy.decide(failures, attempt.tasks if attempt else 1, attempts, most)
        words = f"{words} ({decision.reason})"
        if not decision.again:
            end_chain(run, f"{words}; to continue: {hint('resume', run.layout.root)}")
        words += (
            f"; sent again, attempt {attempts + 1} of {most}" if counted else "; sent again, half is done"
        )
        again = _smaller(run) if decision.smaller else run
        exclude = ",".join(decision.exclude) or None
    _cancel([entry["job"] for entry in _behind(run)])
    _send(run, words, lambda chain: chain.generate(Shares(None, ranges), exclude, counted, tasks), again)
    if not failures:
        raise WindowSent(f"{words}, for which the queue had no room; sent now")
    raise ChainEnded(words)


def _done_share(run: Run[Generate], attempt: Attempt, ranges: np.ndarray) -> float:
    """The share of an attempt's keys that are not in `ranges`, which are missing."""
    missing = np.zeros(run.plan.keys, dtype=bool)
    for start, stop in ranges.tolist():
        missing[start:stop] = True
    left = sum(int(missing[start:stop].sum()) for start, stop in attempt.ranges.tolist())
    return 1 - left / attempt.keys


def _unsent(run: Run[Generate], ranges: np.ndarray) -> int:
    """How many of these keys no job of this chain was to generate."""
    sent = np.ones(run.plan.keys, dtype=bool)
    for start, stop in ranges.tolist():
        sent[start:stop] = False
    for number in {entry["attempt"] for entry in this_chain(run) if entry["stage"] in ("canary", "generate")}:
        attempt = _attempt(run, number)
        for start, stop in attempt.ranges.tolist() if attempt else []:
            sent[start:stop] = True
    return int(np.count_nonzero(~sent))


def _attempt(run: Run[Any], number: int) -> Attempt | None:
    """An attempt; None where its file is gone or damaged."""
    try:
        return read_attempt(run.layout, number)
    except AttemptDamaged:
        return None


def pass_reduce(run: Run[Any], parts: int) -> None:
    """Returns when every part is on disk, made of the samples that are there now.

    Parts may be missing because the gate before them never opened: it was killed, or its node died. So what
    the gate asks for is asked for again before any part is made.

    Raises:
        ChainEnded: parts or samples are missing; they are submitted again, or the chain is over.
    """
    finished = finished_parts(run, parts)
    missing = [part for part in range(parts) if part not in finished]
    if not missing:
        return
    pass_generate(run, max((e["attempt"] for e in this_chain(run) if e["stage"] == "gate"), default=None))
    with lock(run.layout.lock, wait=300):
        words = f"{len(missing)} of {parts} parts are missing or out of date (the first: {missing[0]})"
        tries = sum(entry["stage"] == "reduce" for entry in this_chain(run))
        if tries >= run.config.cluster.max_attempts:
            end_chain(run, f"{words} after {tries} attempts; see {run.layout.logs}")
        _send(run, words, lambda chain: chain.reduce(), run)
        raise ChainEnded(f"{words}; sent again, attempt {tries + 1}")


def _send(run: Run[Any], words: str, send: Callable[[Chain], object], again: Run[Any]) -> None:
    """Submits what `send` asks of a chain of `again`, as soon as the queue has room for it.

    Raises ChainEnded when there is none for half an hour, or a job is refused.
    """
    deadline = time.monotonic() + _WAIT_FOR_ROOM_S
    delay = 1.0
    while True:
        try:
            send(Chain(again, ask_site(run.config)))
            return
        except commands.SubmitLimit as error:
            if time.monotonic() > deadline:
                end_chain(run, f"{words}; {error}; to continue: {hint('resume', run.layout.root)}")
            _cancel([entry["job"] for entry in _behind(run)])  # the part of it that did find room
            print(f"gate: {error}; trying again in {delay:.0f} s", flush=True)
            time.sleep(delay)
            delay = min(2 * delay, 60.0)
        except (commands.SlurmError, ConfigError) as error:  # half of it may be there: _end cancels that, too
            end_chain(run, f"{words}; {error}; to continue: {hint('resume', run.layout.root)}")


def _refuse_left_behind(run: Run[Any]) -> None:
    """Raises ChainEnded where the chain is over, or goes on in later jobs than this one, or without it.

    So it is for a gate that its node's failure starts a second time, for a publish job that could not be
    cancelled, and for a gate whose submission was killed before it could be written down.
    """
    if (last := this_chain(run)[-1])["stage"] == "end":
        raise ChainEnded(last["reason"])
    own = _own_job()
    stages = {entry["job"]: entry["stage"] for entry in this_chain(run) if entry.get("job")}
    if own is not None and own not in stages:
        raise ChainEnded(f"job {own} is none of the chain that {run.layout.ledger} tells of; nothing done")
    later = [job for job, stage in stages.items() if stage == stages.get(own)]
    if later and later[-1] != own:
        raise ChainEnded(f"the chain goes on in job {later[-1]}")


def this_chain(run: Run[Any]) -> list[dict[str, Any]]:
    """The ledger since the last command of a user."""
    entries = ledger.read(run.layout.ledger)
    starts = [at for at, entry in enumerate(entries) if entry["stage"] == "chain"]
    return entries[starts[-1] :] if starts else entries


def counted_attempts(run: Run[Any]) -> int:
    """Attempts before this one, since the last command of a user, of which not even half was done.

    Only those count against the limit: with the others the end comes nearer, however often tasks are
    preempted.
    """
    return len({entry["attempt"] for entry in this_chain(run) if entry.get("again")})


def failed_tasks(run: Run[Generate], number: int) -> list[policy.Failure]:
    """The shards of an attempt that left keys missing, each with its cause."""
    try:
        attempt = read_attempt(run.layout, number)
    except AttemptDamaged as error:  # which task was to make what is not known any more: one failure for all
        return [policy.Failure(0, policy.Cause.UNKNOWN, str(error), None, None)]
    done = settled(run.layout.journals(), run.plan.records, run.plan.samples).done
    each = replicas(run.config)
    jobs = [
        entry
        for entry in ledger.read(run.layout.ledger)
        if entry["stage"] in ("generate", "canary") and entry["attempt"] == number
    ]
    keys = [place.key for place in places(jobs, each)]
    seen = _states(jobs)
    failures = []
    for shard in range(attempt.tasks):
        if all(bool(done[start:stop].all()) for start, stop in attempt.share(shard).tolist()):
            continue
        key = keys[shard // each] if shard // each < len(keys) else None  # its window was not submitted
        trouble = read_trouble(run.layout.trouble(number, shard))
        state = seen.get(key) if key else None
        told = (state.state, state.exit_code, state.signal) if state else (None, None, None)
        line = said(run.layout, key)[1] if key and trouble is None else None
        cause = policy.cause_of(trouble, *told, line)
        message = f"{trouble['class']}: {trouble['message']}" if trouble else ""
        if cause is policy.Cause.CRASH:
            message = last_words(run.layout.flight(number, shard))
        node = (trouble or {}).get("node") or (state.node if state else None)
        log = str(log_path(run.layout, key, shard % each)) if key else None
        failures.append(policy.Failure(shard, cause, message, node, log))
    return failures


def _states(jobs: list[dict[str, Any]]) -> dict[states.TaskKey, states.TaskState]:
    try:
        return states.query_submitted(jobs)
    except commands.SlurmError:
        return {}  # what the tasks themselves wrote has to do


def _smaller(run: Run[Generate]) -> Run[Generate]:
    """The same run with half the samples at once: kept in its config, for this chain and later ones."""
    engine = dataclasses.replace(run.config.engine, max_num_seqs=max(1, run.config.engine.max_num_seqs // 2))
    config = dataclasses.replace(run.config, engine=engine)
    write_json(run.layout.config, dataclasses.asdict(config))
    return Run(run.layout, run.plan, config)


def end_chain(run: Run[Any], words: str) -> NoReturn:
    """Cancels the jobs behind this one and writes down why. Raises ChainEnded."""
    behind = [entry["job"] for entry in _behind(run)]
    ledger.append(run.layout.ledger, {"stage": "end", "reason": words})
    _cancel(behind)
    raise ChainEnded(words)


def _behind(run: Run[Any]) -> list[dict[str, Any]]:
    """The ledger's jobs behind this one: reduce and publish, and for a canary the array and its gate."""
    own = _own_job()
    entries = [entry for entry in this_chain(run) if entry.get("job")]
    jobs = [entry["job"] for entry in entries]
    return entries[jobs.index(own) + 1 :] if own in jobs else []


def _own_job() -> str | None:
    return os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID")


def _cancel(jobs: list[str]) -> None:
    """Cancels jobs, the last of the chain first: were the array first, its gate would wake up meanwhile.

    Where Slurm's commands are not to be had (inside a container, say) the dependencies of the jobs do it.
    """
    try:
        commands.scancel(jobs[::-1])
    except commands.SlurmError as error:
        print(f"warning: {error}; the jobs behind are left to their dependencies", flush=True)
