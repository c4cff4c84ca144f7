"""The gates of a chain on Slurm: what is missing is sent again or ends the chain, never passed over.

A gate that stays shut cancels the jobs behind it and says why in one line, on its log and in the ledger.
Nothing is sent that a live job is making: a gate that finds one sends another gate behind that job. Of a
chain that is sent again the old rescue job is cancelled last, so that somebody finds a half-sent chain.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from omi_core import options
from omi_core.config import Generate
from omi_core.hints import to_continue
from omi_core.options import ConfigError
from omi_core.slurm import commands, links, retry_policy, states
from omi_core.slurm.budget import spent_budget
from omi_core.slurm.failures import job_failure, log_line, log_path, places, read_trouble
from omi_core.slurm.links import ChainEnded, Entry, GoesOn, behind, this_chain, waited_lock
from omi_core.slurm.script import ON_GPUS, replicas
from omi_core.slurm.states import TaskKey
from omi_core.slurm.submit import Chain, Shares, ask_site, shares
from omi_core.stages import gate
from omi_core.stages.notify import command_of, notify_ended
from omi_core.stages.reduce import finished_parts
from omi_core.stages.run import Run, is_current, published
from omi_core.store import ledger
from omi_core.store.attempts import Attempt, AttemptDamaged, read_attempt
from omi_core.store.files import write_json
from omi_core.store.flight import last_words
from omi_core.store.keys import count_keys, keys_within, settled

# How long a gate waits for room in the queue, well within its own time limit.
_WAIT_FOR_ROOM_S = 1800.0


class WindowSent(ChainEnded):
    """The chain goes on as another one, and nothing has failed."""


def pass_generate(run: Run[Generate], number: int | None) -> None:
    """Returns when every key is on disk, or as many as `run.min_coverage` asks for.

    `number` is the attempt that made them, None when the chain began with none.

    Raises:
        WindowSent: those that had no place in the queue yet have one now; nothing failed.
        GoesOn: jobs that make them wait or run; another gate waits for these now.
        ChainEnded: tasks failed; what they left is submitted again, or the chain is over.
    """
    with waited_lock(run.layout.lock):  # whoever still submits this chain has it
        links.refuse_left_behind(run.layout)
        _pass_generate(run, number)


def _pass_generate(run: Run[Generate], number: int | None) -> None:
    ranges = gate.missing(run)
    missing = count_keys(ranges)
    if missing and (live := _live(run, *ON_GPUS)):
        _wait_behind(run, live)
    if _unsent(run, ranges) or missing > run.plan.keys * (1 - run.config.run.min_coverage):
        _send_again(run, number, ranges)
    print(f"gate: {run.plan.keys - missing:,} of {run.plan.keys:,} samples are there", flush=True)


def send_behind(run: Run[Generate]) -> None:
    """Submits the jobs behind this gate, where there was no room for them before. Raises ChainEnded."""
    with waited_lock(run.layout.lock):
        if not any(entry["stage"] == "reduce" for entry in behind(run.layout)):
            _send(run, "every sample is there", lambda chain: chain.reduce(), run)


def _live(run: Run[Any], *stages: str) -> list[Entry]:
    """Lines of the ledger, of any chain, whose jobs are of these stages and wait or run."""
    return links.live_jobs(entry for entry in ledger.read(run.layout.ledger) if entry["stage"] in stages)


def _wait_behind(run: Run[Generate], live: list[Entry]) -> NoReturn:
    """Sends another gate, and what is behind it, to wait for jobs that make what is missing. Raises GoesOn.

    Nothing that the suite does starts a gate before its array has ended; a person can, or a controller that
    has lost the dependency. If that repeats, the chain ends.
    """
    ids, number = _ids(live), max(entry["attempt"] for entry in live)
    words = f"job {', '.join(ids)} still waits or runs"
    gates = [e for e in this_chain(run.layout) if e["stage"] == "gate" and e.get("attempt") == number]
    if len(gates) > run.config.cluster.max_attempts:
        end_chain(
            run, f"{words} though {len(gates)} gates were to wait for it; {to_continue(run.layout.root)}"
        )
    after = "afterany:" + ":".join(ids)
    _hand_on(run, words, lambda chain: chain.gate(number, after), keep=ids)
    raise GoesOn(f"{words}; another gate waits for it")


def _send_again(run: Run[Generate], number: int | None, ranges: np.ndarray) -> NoReturn:
    """Submits the missing keys, if that makes sense. Raises what `pass_generate` raises."""
    words = f"{count_keys(ranges):,} of {run.plan.keys:,} samples are missing"
    canary = None if number is None else _failed_canary(run, number)
    failures = [] if number is None else failed_tasks(run, canary or number)
    most, counted = run.config.cluster.max_attempts, False
    again, exclude, tasks, what = run, None, None, Shares(None, ranges)
    attempt = None if number is None else _attempt(run, number)
    if attempt is not None and not failures and canary is None:  # a window: shards as large as those before
        tasks = math.ceil(count_keys(ranges) * attempt.tasks / attempt.keys)
    elif failures or canary is not None:
        counted = attempt is None or _done_share(run, attempt, ranges) < 0.5
        attempts = counted_attempts(run) + counted
        decision = retry_policy.decide(
            failures, 1 if canary or not attempt else attempt.tasks, attempts, most
        )
        words = f"{words} ({'the canary: ' if canary else ''}{decision.reason})"
        if not decision.again:
            end_chain(run, f"{words}; {to_continue(run.layout.root)}")
        words += (
            f"; sent again, attempt {attempts + 1} of {most}" if counted else "; sent again, half is done"
        )
        again = _smaller(run) if decision.smaller else run
        exclude = ",".join(decision.exclude) or None
        what = shares(run, ranges, canary=canary is not None)
    if (spent := spent_budget(run)) is not None:
        end_chain(run, f"{words}; {spent}")
    _hand_on(run, words, lambda chain: chain.generate(what, exclude, counted, tasks), again)
    if number is not None and not failures and canary is None:
        raise WindowSent(f"{words}, for which the queue had no room; sent now")
    raise ChainEnded(words)


def _failed_canary(run: Run[Generate], number: int) -> int | None:
    """The attempt of the canary that an array waited for in vain, so that Slurm cancelled it."""
    arrays = [e for e in ledger.read(run.layout.ledger) if e["stage"] == "generate"]
    waited = [
        e["after"] for e in arrays if e["attempt"] == number and (e.get("after") or "").startswith("afterok:")
    ]
    for entry in this_chain(run.layout):
        if entry["stage"] == "canary" and f"afterok:{entry['job']}" in waited and not _ended_well(entry):
            return entry["attempt"]
    return None


def _ended_well(entry: Entry) -> bool:
    """Whether a job that is no array is known to have done so, or Slurm tells nothing of it."""
    state = links.ask([entry]).get(TaskKey(entry["job"], None))
    return state is None or not state.ended or state.state in states.ENDED_WELL or state.state == states.GONE


def _done_share(run: Run[Generate], attempt: Attempt, ranges: np.ndarray) -> float:
    """The share of an attempt's keys that are not in `ranges`, which are missing."""
    missing = keys_within(ranges, run.plan.keys) & keys_within(attempt.ranges, run.plan.keys)
    return 1 - int(missing.sum()) / attempt.keys


def _unsent(run: Run[Generate], ranges: np.ndarray) -> int:
    """How many of these keys no job of this chain was to generate."""
    unsent = keys_within(ranges, run.plan.keys)
    entries = [e for e in this_chain(run.layout) if e["stage"] in ("canary", "generate", "gate")]
    for number in {entry["attempt"] for entry in entries if entry.get("attempt")}:
        if (attempt := _attempt(run, number)) is not None:
            unsent &= ~keys_within(attempt.ranges, run.plan.keys)
    return int(np.count_nonzero(unsent))


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
    with waited_lock(run.layout.lock):
        links.refuse_left_behind(run.layout)
        opened = _refuse_cancelled_gate(run)
        _pass_generate(run, _last_attempt(run))
        words = f"{len(missing)} of {parts} parts are missing or out of date (the first: {missing[0]})"
        if live := _live(run, "reduce"):
            words = f"{words}, job {', '.join(_ids(live))} still waits or runs"
            _hand_on(run, words, lambda chain: chain.publish("afterany:" + ":".join(_ids(live))))
            raise GoesOn(f"{words}; another publish job waits for it")
        tries = sum(entry["stage"] == "reduce" for entry in this_chain(run.layout))
        failures = failed_parts(run, missing) if opened else []
        decision = retry_policy.decide(failures, parts, tries, run.config.cluster.max_attempts)
        words = f"{words} ({decision.reason})"
        if not decision.again:
            end_chain(run, f"{words}; see {run.layout.logs}; {to_continue(run.layout.root)}")
        _hand_on(run, words, lambda chain: chain.reduce())
        raise ChainEnded(f"{words}; sent again, attempt {tries + 1}")


def _refuse_cancelled_gate(run: Run[Any]) -> bool:
    """Whether the last gate of this chain has opened. Ends the chain where a person cancelled it."""
    gates = [entry for entry in this_chain(run.layout) if entry["stage"] == "gate"]
    state = links.ask(gates[-1:]).get(TaskKey(gates[-1]["job"], None)) if gates else None
    if state is not None and state.state == "CANCELLED":
        end_chain(run, f"the gate (job {gates[-1]['job']}) was cancelled; {to_continue(run.layout.root)}")
    return state is None or state.state in states.ENDED_WELL


def _last_attempt(run: Run[Any]) -> int | None:
    """The attempt that the last gate of this chain asks about, None where there is none."""
    gates = [e["attempt"] for e in this_chain(run.layout) if e["stage"] == "gate" and e.get("attempt")]
    return gates[-1] if gates else None


def failed_parts(run: Run[Any], missing: list[int]) -> list[retry_policy.Failure]:
    """The tasks of the last reduce array of this chain that left these parts missing, each with its cause."""
    arrays = [entry for entry in this_chain(run.layout) if entry["stage"] == "reduce"]
    if not arrays:
        return []
    job, size = arrays[-1]["job"], arrays[-1]["array"][1] + 1
    seen = links.ask(arrays[-1:])
    keys = [TaskKey(job, index) for index in sorted({part % size for part in missing})]
    return [job_failure(run.layout, key, seen.get(key)) for key in keys]


def pass_publish(run: Run[Any]) -> None:
    """Returns when the dataset is published: for the jobs behind publish.

    Raises:
        GoesOn: publish, or the chain from where it broke off, is sent again, or was before.
        ChainEnded: the chain is over.
    """
    with waited_lock(run.layout.lock):
        stats = published(run)
        if stats is not None and is_current(run, stats):
            return
        links.refuse_left_behind(run.layout)
        if links.after_this(run.layout):  # somebody sent the chain again, and was killed before the last job
            _complete(run)
        sent = [entry for entry in this_chain(run.layout) if entry["stage"] == "publish"]
        if not sent:
            _complete(run)
        if live := links.live_jobs(sent[-1:]):
            words = f"job {live[0]['job']} still waits or runs"
            _hand_on(run, words, lambda chain: chain.tail(live[0]["job"]))
            raise GoesOn(words)
        key = TaskKey(sent[-1]["job"], None)
        failure = job_failure(run.layout, key, links.ask(sent[-1:]).get(key))
        decision = retry_policy.decide([failure], 1, len(sent), run.config.cluster.max_attempts)
        words = f"the dataset is not published ({decision.reason})"
        if not decision.again:
            end_chain(run, f"{words}; {to_continue(run.layout.root)}")
        _hand_on(run, words, lambda chain: chain.publish())
        raise GoesOn(f"{words}; sent again, attempt {len(sent) + 1}")


def _complete(run: Run[Any]) -> NoReturn:
    """Sends what a killed job did not get to send. Raises what `pass_generate` raises, or GoesOn."""
    _cancel([entry["job"] for entry in behind(run.layout) if entry["stage"] not in ON_GPUS])
    _pass_generate(run, _last_attempt_sent(run))
    _hand_on(run, "every sample is there", lambda chain: chain.reduce())
    raise GoesOn("the chain was sent again, but not all of it; the rest is sent now")


def _last_attempt_sent(run: Run[Any]) -> int | None:
    entries = [e for e in this_chain(run.layout) if e["stage"] in ON_GPUS]
    return entries[-1]["attempt"] if entries else _last_attempt(run)


def _hand_on(
    run: Run[Any],
    words: str,
    send: Callable[[Chain], object],
    again: Run[Any] | None = None,
    keep: Sequence[str] = (),
) -> None:
    """Submits what `send` asks for in the place of the jobs behind this one, but for those to `keep`.

    The old rescue job stays till the new one is there: were this process killed in between, it takes over.
    Raises ChainEnded as `_send`.
    """
    old = [entry for entry in behind(run.layout) if entry["job"] not in keep]
    ledger.append(run.layout.ledger, {"stage": "resend", "reason": words})
    _cancel([entry["job"] for entry in old if entry["stage"] != "rescue"])
    _send(run, words, send, again or run)
    _cancel([entry["job"] for entry in old if entry["stage"] == "rescue"])


def _ids(entries: list[Entry]) -> list[str]:
    return list(dict.fromkeys(entry["job"] for entry in entries))


def _send(run: Run[Any], words: str, send: Callable[[Chain], object], again: Run[Any]) -> None:
    """Submits what `send` asks of a chain of `again`, as soon as the queue has room for it.

    Raises ChainEnded when there is none for half an hour, or a job is refused.
    """
    before = len(behind(run.layout))

    def no_room(error: Exception) -> None:
        _cancel([entry["job"] for entry in behind(run.layout)[before:]])  # the part that did find room
        print(f"gate: {error}; trying again soon", flush=True)

    try:
        commands.retry(
            lambda: send(Chain(again, ask_site(run.config.cluster))),
            _WAIT_FOR_ROOM_S,
            passing=lambda error: isinstance(error, commands.SubmitLimit),
            said=no_room,
        )
    except (commands.SlurmError, ConfigError) as error:  # half of it may be there: that is cancelled, too
        end_chain(run, f"{words}; {error}; {to_continue(run.layout.root)}")


def counted_attempts(run: Run[Any]) -> int:
    """Attempts before this one, since the last command of a user, of which not even half was done.

    Only those count against the limit: with the others the end comes nearer, however often tasks are
    preempted.
    """
    return len({entry["attempt"] for entry in this_chain(run.layout) if entry.get("again")})


def failed_tasks(run: Run[Generate], number: int) -> list[retry_policy.Failure]:
    """The shards of an attempt that left keys missing, each with its cause."""
    try:
        attempt = read_attempt(run.layout, number)
    except AttemptDamaged as error:  # which task was to make what is not known any more: one failure for all
        return [retry_policy.Failure(0, retry_policy.Cause.UNKNOWN, str(error), None, None)]
    done = settled(run.layout.journals(), run.plan.records, run.plan.samples).done
    each = replicas(run.config)
    jobs = [
        entry
        for entry in ledger.read(run.layout.ledger)
        if entry["stage"] in ("generate", "canary") and entry["attempt"] == number
    ]
    keys = [place.key for place in places(jobs, each)]
    seen = links.ask(jobs)
    failures = []
    for shard in range(attempt.tasks):
        if all(bool(done[start:stop].all()) for start, stop in attempt.share(shard).tolist()):
            continue
        key = keys[shard // each] if shard // each < len(keys) else None  # its window was not submitted
        trouble = read_trouble(run.layout.trouble(number, shard))
        state = seen.get(key) if key else None
        told = (state.state, state.exit_code, state.signal) if state else (None, None, None)
        line = log_line(run.layout, key)[1] if key and trouble is None else None
        cause = retry_policy.cause_of(trouble, *told, line)
        message = f"{trouble['class']}: {trouble['message']}" if trouble else ""
        if cause is retry_policy.Cause.CRASH:
            message = last_words(run.layout.flight(number, shard))
        node = (trouble or {}).get("node") or (state.node if state else None)
        log = str(log_path(run.layout, key, shard % each)) if key else None
        failures.append(retry_policy.Failure(shard, cause, message, node, log))
    return failures


def _smaller(run: Run[Generate]) -> Run[Generate]:
    """The same run with half the samples at once: kept in its config, for this chain and later ones."""
    engine = dataclasses.replace(run.config.engine, max_num_seqs=max(1, run.config.engine.seats // 2))
    config = dataclasses.replace(run.config, engine=engine)
    write_json(run.layout.config, options.written(config))
    return Run(run.layout, run.plan, config)


def end_chain(run: Run[Any], words: str) -> NoReturn:
    """Cancels the jobs behind this one and writes down why. Raises ChainEnded."""
    try:
        ledger.append(run.layout.ledger, {"stage": "end", "reason": words})
    finally:  # a full disk is a reason to end, and has no room for it
        _cancel([entry["job"] for entry in behind(run.layout)])
        notify_ended(run.layout, command_of(run), "ended", words)
    raise ChainEnded(words)


def _cancel(jobs: list[str]) -> None:
    """Cancels jobs, the last of the chain first: were the array first, its gate would wake up meanwhile.

    Where Slurm's commands are not to be had (inside a container, say) the dependencies of the jobs do it.
    """
    try:
        commands.scancel(jobs[::-1])
    except commands.SlurmError as error:
        print(f"warning: {error}; the jobs behind are left to their dependencies", flush=True)
