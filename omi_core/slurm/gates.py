"""The gates of a chain on Slurm: what is missing is sent again or ends the chain, never passed over.

A gate that stays shut cancels the jobs behind it and says why in one line, on its log and in the ledger.
"""

from __future__ import annotations

import dataclasses
import operator
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from omi_core.config import Generate
from omi_core.run import ledger
from omi_core.run.attempts import Attempt, read_attempt
from omi_core.run.files import lock, read_json, write_json
from omi_core.run.flight import last_words
from omi_core.run.journal import read_samples
from omi_core.run.keys import iter_keys, settled
from omi_core.slurm import commands, policy, states
from omi_core.slurm.script import replicas
from omi_core.slurm.submit import Chain, Shares, ask_site
from omi_core.stages import gate
from omi_core.stages.reduce import finished_part
from omi_core.stages.run import Run

# How long a gate waits for room in the queue, well within its own time limit.
_WAIT_FOR_ROOM_S = 1800.0


class ChainEnded(RuntimeError):
    """The gate is shut: the chain ends here, or goes on as another one. The message says which and why."""


def check_canary(run: Run[Generate], attempt: Attempt) -> None:
    """Raises ChainEnded, with the chain cancelled, when the canary's samples are not what they should be."""
    wanted = run.config.cluster.canary
    figures = canary_figures(run, attempt)
    for name, value, bound, good in (
        ("samples with a final answer", figures["answers"], wanted.min_answers, operator.ge),
        ("unfinished samples", figures["unfinished"], wanted.max_unfinished, operator.le),
        ("refused samples", figures["errors"], wanted.max_errors, operator.le),
    ):
        if not good(value, bound):
            _end(
                run, f"the canary failed: {value:.0%} {name}, the bound is {bound:.0%}; canary=false skips it"
            )
    print(
        f"canary: {figures['samples']} samples, {figures['answers']:.0%} with an answer, "
        f"{figures['unfinished']:.0%} unfinished, {figures['tokens']:.0f} tokens each",
        flush=True,
    )


def canary_figures(run: Run[Generate], attempt: Attempt) -> dict[str, float]:
    """Counts and shares over the samples of the canary's attempt."""
    from omi_core.answers import Extractor

    extract = Extractor(run.config.answers.methods, run.config.answers.pattern)
    keys = set(iter_keys(attempt.ranges, run.plan.samples))
    ordinals = sorted({ordinal for ordinal, _ in keys})
    count = answers = unfinished = errors = tokens = 0
    for samples in read_samples(run.layout.journals(), ordinals[0], ordinals[-1] + 1):
        for sample in samples:
            if (sample.ordinal, sample.index) not in keys:
                continue
            count += 1
            tokens += sample.completion_tokens
            errors += sample.error is not None
            unfinished += sample.finish_reason == "length"
            answers += sample.error is None and extract(sample.text).answer is not None
    whole = max(count, 1)
    return {
        "samples": count,
        "answers": answers / whole,
        "unfinished": unfinished / whole,
        "errors": errors / whole,
        "tokens": tokens / whole,
    }


def pass_generate(run: Run[Generate], number: int) -> None:
    """Returns when every key is on disk, or as `run.min_coverage` asks for, or when the next window of
    an array that did not fit into the queue at once is submitted.

    Raises:
        ChainEnded: tasks failed; what they left is submitted again, or the chain is over.
    """
    if (last := this_chain(run)[-1])["stage"] == "end":
        raise ChainEnded(last["reason"])
    with lock(run.layout.lock, wait=300):
        ranges = gate.missing(run)
        missing = gate.count(ranges)
        if not _unsent(run, ranges) and missing <= run.plan.keys * (1 - run.config.run.min_coverage):
            print(f"gate: {run.plan.keys - missing:,} of {run.plan.keys:,} samples are there", flush=True)
            if not any(entry["stage"] == "reduce" for entry in _behind(run)):
                _send(run, lambda chain: chain.reduce())
            return
        _send_again(run, number, ranges)


def _send_again(run: Run[Generate], number: int, ranges: np.ndarray) -> None:
    """Submits the missing keys, if that makes sense. Raises ChainEnded if a task of the attempt failed."""
    missing = gate.count(ranges)
    words = f"{missing:,} of {run.plan.keys:,} samples are missing"
    failures = find_failures(run, number)
    again, exclude = run, None
    if failures:
        attempts = attempts_in_chain(run)
        most = run.config.cluster.max_attempts
        decision = policy.decide(failures, read_attempt(run.layout, number).tasks, attempts, most)
        words = f"{words} ({decision.reason})"
        if not decision.again:
            _end(run, f"{words}; then continue with: python -m jobs.resume {run.layout.root}")
        words = f"{words}; sent again, attempt {attempts + 1} of {most}"
        again = _smaller(run) if decision.smaller else run
        exclude = ",".join(decision.exclude) or None
    _cancel([entry["job"] for entry in _behind(run)])
    _send(again, lambda chain: chain.generate(Shares(None, ranges), exclude, again=bool(failures)))
    if failures:
        raise ChainEnded(words)
    print(f"gate: {words}, as there was no room for them in the queue; sent now", flush=True)


def _unsent(run: Run[Generate], ranges: np.ndarray) -> int:
    """How many of these keys no job of this chain was to generate."""
    sent = np.ones(run.plan.keys, dtype=bool)
    for start, stop in ranges.tolist():
        sent[start:stop] = False
    for number in {entry["attempt"] for entry in this_chain(run) if entry["stage"] in ("canary", "generate")}:
        for start, stop in read_attempt(run.layout, number).ranges.tolist():
            sent[start:stop] = True
    return int(np.count_nonzero(~sent))


def _send(run: Run[Generate], send: Callable[[Chain], object]) -> None:
    """Submits jobs; while the queue has no room for them, tries again for half an hour.

    Raises ChainEnded when there is none to the end.
    """
    deadline = time.monotonic() + _WAIT_FOR_ROOM_S
    delay = 1.0
    while True:
        chain = Chain(run, ask_site(run.config))
        try:
            send(chain)
            return
        except commands.SubmitLimit as error:
            commands.scancel([entry.id for entry in chain.submitted][::-1])
            if time.monotonic() > deadline:
                _end(run, f"{error}; then continue with: python -m jobs.resume {run.layout.root}")
            print(f"gate: {error}; trying again in {delay:.0f} s", flush=True)
            time.sleep(delay)
            delay = min(2 * delay, 60.0)


def pass_reduce(run: Run[Any], parts: int) -> None:
    """Returns when every part is on disk.

    Raises:
        ChainEnded: parts are missing; those are submitted again once, or the chain is over.
    """
    missing = [part for part in range(parts) if finished_part(run, part, parts) is None]
    if not missing:
        return
    with lock(run.layout.lock, wait=300):
        words = f"{len(missing)} of {parts} parts are missing (the first: {missing[0]})"
        tries = sum(entry["stage"] == "reduce" for entry in this_chain(run))
        if tries >= run.config.cluster.max_attempts:
            _end(run, f"{words} after {tries} attempts; see {run.layout.logs}")
        _send(run, lambda chain: chain.reduce())
        raise ChainEnded(f"{words}; sent again, attempt {tries + 1}")


def this_chain(run: Run[Any]) -> list[dict[str, Any]]:
    """The ledger since the last command of a user."""
    entries = ledger.read(run.layout.ledger)
    starts = [at for at, entry in enumerate(entries) if entry["stage"] == "chain"]
    return entries[starts[-1] :] if starts else entries


def attempts_in_chain(run: Run[Any]) -> int:
    """How often keys were sent since the last command of a user: once, and again after failures."""
    return 1 + len({entry["attempt"] for entry in this_chain(run) if entry.get("again")})


def find_failures(run: Run[Generate], number: int) -> list[policy.Failure]:
    """The tasks of an attempt that left keys missing, each with its cause."""
    attempt = read_attempt(run.layout, number)
    done = settled(run.layout.journals(), run.plan.records, run.plan.samples).done
    jobs = [
        e
        for e in ledger.read(run.layout.ledger)
        if e["stage"] in ("generate", "canary") and e["attempt"] == number
    ]
    seen = _states([entry["job"] for entry in jobs])
    failures = []
    for shard in range(attempt.tasks):
        if all(bool(done[start:stop].all()) for start, stop in attempt.share(shard).tolist()):
            continue
        trouble = None
        if (path := run.layout.trouble(number, shard)).exists():
            trouble = read_json(path)
        state = _state_of(seen, jobs, shard // replicas(run.config))
        told = (state.state, state.exit_code, state.signal) if state else (None, None, None)
        cause = policy.cause_of(trouble, *told)
        message = f"{trouble['class']}: {trouble['message']}" if trouble else ""
        if cause is policy.Cause.CRASH:
            message = last_words(run.layout.flight(number, shard))
        node = (trouble or {}).get("node") or (state.node if state else None)
        failures.append(policy.Failure(shard, cause, message, node, str(run.layout.logs)))
    return failures


def _states(jobs: list[str]) -> dict[Any, Any]:
    try:
        return states.query(jobs)
    except commands.SlurmError:
        return {}  # what the tasks themselves wrote has to do


def _state_of(seen: dict[Any, Any], jobs: list[dict[str, Any]], index: int) -> Any:
    """The Slurm state of array task `index` of an attempt, over its windows."""
    for entry in jobs:
        size = entry["array"][1] + 1 if entry["array"] else 1
        if index < size:
            at = index if entry["array"] else None
            return seen.get(states.TaskKey(entry["job"], at))
        index -= size
    return None


def _smaller(run: Run[Generate]) -> Run[Generate]:
    """The same run with half the samples at once: kept in its config, for this chain and later ones."""
    engine = dataclasses.replace(run.config.engine, max_num_seqs=max(1, run.config.engine.max_num_seqs // 2))
    config = dataclasses.replace(run.config, engine=engine)
    write_json(run.layout.config, dataclasses.asdict(config))
    return Run(run.layout, run.plan, config)


def _end(run: Run[Any], words: str) -> None:
    behind = [entry["job"] for entry in _behind(run)]
    ledger.append(run.layout.ledger, {"stage": "end", "reason": words})
    _cancel(behind)
    raise ChainEnded(words)


def _behind(run: Run[Any]) -> list[dict[str, Any]]:
    """The ledger's jobs behind this one: reduce and publish, and for a canary the array and its gate."""
    own = os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID")
    entries = [entry for entry in this_chain(run) if entry.get("job")]
    jobs = [entry["job"] for entry in entries]
    return entries[jobs.index(own) + 1 :] if own in jobs else []


def _cancel(jobs: list[str]) -> None:
    """Cancels jobs, the last of the chain first: were the array first, its gate would wake up meanwhile.

    Where Slurm's commands are not to be had (inside a container, say) the dependencies of the jobs do it.
    """
    try:
        commands.scancel(jobs[::-1])
    except commands.SlurmError as error:
        print(f"warning: {error}; the jobs behind are left to their dependencies", flush=True)
