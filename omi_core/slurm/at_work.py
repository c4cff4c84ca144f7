"""What the GPU jobs that run are doing: how far their shards are, how long those take yet, and who idles.

Told from files that tasks write anyway. A shard locks its journal when its teacher stands ready, writes to it
every few seconds, and empties the lock file when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from omi_core.slurm.failures import TaskPlace
from omi_core.slurm.states import TaskKey, TaskState
from omi_core.store.attempts import Attempt, AttemptDamaged, read_attempt
from omi_core.store.index import contents
from omi_core.store.layout import Layout
from omi_core.store.manifests import before, read_manifest

# Two clocks take part: that of Slurm, and that of the file server.
_SLACK_S = 60.0

NO_SAMPLE, STARTING, ENDED = "no sample", "still starts up", "done, and others of its job are not"

Shard = tuple[int, int]


@dataclass
class IdleGpus:
    """GPUs of one node that are held and do no work: how many, why, and for how many seconds at most."""

    node: str
    gpus: float
    why: str
    seconds: float
    tasks: list[str]


@dataclass(frozen=True)
class ShardAtWork:
    """A shard whose job runs: `why` it may be idle, and `since` when, in seconds since the epoch.

    `begun` is when its teacher stood ready, None while it starts up.
    """

    shard: Shard
    task: TaskState
    key: TaskKey
    why: str
    since: float
    begun: float | None


@dataclass(frozen=True)
class TimeLeft:
    """Samples per second of all shards at work, seconds until the last of these ends, samples they make."""

    rate: float
    seconds: float
    samples: int


def working(
    layout: Layout, found: Iterable[TaskPlace], seen: Mapping[TaskKey, TaskState], replicas: int
) -> list[ShardAtWork]:
    """The shards whose jobs run, of these places."""
    shards = []
    for place in found:
        task = seen.get(place.key)
        if task is None or task.state != "RUNNING" or task.start is None:
            continue
        for rank in range(1 if place.stage == "canary" else replicas):
            shards.append(_working(layout, (place.attempt, place.shard + rank), place.key, task, task.start))
    return shards


def _working(layout: Layout, shard: Shard, key: TaskKey, task: TaskState, start: float) -> ShardAtWork:
    journal = layout.journal(*shard)
    try:
        lock = journal.with_name(f"{journal.name}.lock").stat()
    except FileNotFoundError:
        return ShardAtWork(shard, task, key, STARTING, start, None)
    if lock.st_mtime < start - _SLACK_S:  # of the session before it was requeued
        return ShardAtWork(shard, task, key, STARTING, start, None)
    if not lock.st_size:
        return ShardAtWork(shard, task, key, ENDED, lock.st_mtime, lock.st_mtime)
    written = lock.st_mtime
    with suppress(FileNotFoundError):
        written = max(written, journal.stat().st_mtime)
    return ShardAtWork(shard, task, key, NO_SAMPLE, written, lock.st_mtime)


def idle(shards: Iterable[ShardAtWork], longer: float, gpus: float) -> list[IdleGpus]:
    """GPUs that have done nothing for `longer` seconds, by node, the longest first; a shard has `gpus`."""
    now, found = time.time(), dict[tuple[str, str], IdleGpus]()
    for shard in shards:
        seconds = now - shard.since
        if not gpus or seconds < longer:
            continue
        place = (shard.task.node or "?", shard.why)
        held = found.setdefault(place, IdleGpus(place[0], 0, shard.why, 0.0, []))
        held.gpus += gpus
        held.seconds = max(held.seconds, round(seconds))
        if str(shard.key) not in held.tasks:
            held.tasks.append(str(shard.key))
    return sorted(found.values(), key=lambda held: -held.seconds)


def time_left(layout: Layout, shards: Sequence[ShardAtWork], done: np.ndarray) -> TimeLeft | None:
    """How long the shards at work take yet, at the speed of all of them so far.

    What waits in the queue is not in it, and neither is the canary, whose shards are not to be given. None
    where no sample is there to tell.
    """
    now, made, seconds = time.time(), 0, 0.0
    left: list[int] = []
    attempts: dict[int, Attempt] = {}
    for each in shards:
        number, shard = each.shard
        if each.begun is None or each.why == ENDED:
            continue
        try:
            attempt = attempts.setdefault(number, read_attempt(layout, number))
        except AttemptDamaged:
            continue
        if shard >= attempt.tasks:
            continue
        there = sum(int(np.count_nonzero(done[a:b])) for a, b in attempt.share(shard).tolist())
        left.append(attempt.share_size(shard) - there)
        made += there
        earlier = before(read_manifest(layout.shard_manifest(number, shard)))["seconds"]
        seconds += now - each.begun + max(earlier, each.task.elapsed_before_s)
    if not made or seconds <= 0:
        return None
    each_second = made / seconds
    return TimeLeft(each_second * len(left), max(left) / each_second, sum(left))


def begun_per_sample(
    layout: Layout,
    begun: Mapping[Shard, int],
    manifests: Mapping[Shard, Mapping[str, Any]],
    busy: Iterable[Shard],
) -> float | None:
    """Samples that shards have begun over those they have brought home; what is `busy` does not count.

    What kills cost: a sample that was in flight is generated again from its first token. None where nothing
    is known of it.
    """
    total = kept = 0
    for shard in begun.keys() - set(busy):
        home = _brought_home(layout, shard, manifests.get(shard))
        total, kept = total + max(begun[shard], home), kept + home
    return total / kept if kept else None


def _brought_home(layout: Layout, shard: Shard, manifest: Mapping[str, Any] | None) -> int:
    """Samples in the journal of a shard that has ended."""
    if manifest is not None and manifest.get("finished"):
        return manifest["keys"] - manifest.get("unneeded", 0)
    try:
        return sum(frame.count for frame in contents(layout.journal(*shard)).frames)
    except FileNotFoundError:
        return 0
