"""The state of a run on a cluster, from its own files, one squeue and at most one sacct call."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from omi_core.config import Generate
from omi_core.hints import hint
from omi_core.metrics import METRICS
from omi_core.options import ConfigError
from omi_core.slurm import at_work, commands, reasons, states
from omi_core.slurm.at_work import IdleGpus, ShardAtWork
from omi_core.slurm.failures import FailureGroup, find_failures, places
from omi_core.slurm.reasons import WaitingGroup
from omi_core.slurm.script import ON_GPUS, canary_gpus, replicas
from omi_core.slurm.states import GONE, TaskKey, TaskState
from omi_core.stages.run import Run, is_current, open_run, outcome, published
from omi_core.stages.summary import summarize
from omi_core.store import ledger
from omi_core.store.flight import begun_so_far
from omi_core.store.keys import settled_so_far
from omi_core.store.layout import Layout
from omi_core.store.manifests import held_seconds, read_manifests
from omi_core.tasks import task_of

_CHAIN = ("canary", "generate", "gate", "reduce", "publish", "advance")
ALIVE = ("waiting", "running")
# A task that wrote no sample for so long does nothing with its GPUs.
IDLE_S = 600.0
Entry = dict[str, Any]
Seen = Mapping[TaskKey, TaskState]
Manifests = Mapping[tuple[int, int], Mapping[str, Any]]


@dataclass
class Status:
    """What `jobs.status` shows; times in seconds, GPU time in hours.

    `tasks` maps stage -> Slurm state -> array tasks of the last submission of that stage; `waiting` tells why
    jobs wait; `failures` are those of the current chain, `failures_before` counts tasks that failed in chains
    before it. `rate` is of the tasks at work, `eta` how long these take yet, and `samples_queued` how many
    samples are left to tasks that wait; `samples_unneeded` are done without being drawn. `gpu_hours` are
    those allocated, of all chains, tasks that run included; `gpu_hours_worked` those of the shards that ended
    by themselves, of whose time `idle_share` went to start-up and tail; `gpu_hours_budget` those that the run
    may take. `idle` are GPUs that are held now and do nothing. `begun_per_sample` is what kills cost: samples
    begun over samples brought home. `tokens` are those of the dataset, which are counted of dialogues alone;
    `missing` is how many samples the dataset was made without. `result` is the dataset or the evaluation, and
    `summary` what its command printed at the end: section -> label -> figure.
    """

    root: str
    state: str
    records: int = 0
    records_done: int = 0
    samples: int = 0
    samples_done: int = 0
    errors: int = 0
    tasks: dict[str, dict[str, int]] = field(default_factory=dict)
    waiting: list[WaitingGroup] = field(default_factory=list)
    failures: list[FailureGroup] = field(default_factory=list)
    failures_before: int = 0
    rate: float | None = None
    eta: float | None = None
    samples_queued: int = 0
    gpu_hours: float | None = None
    gpu_hours_worked: float | None = None
    gpu_hours_per_row: float | None = None
    gpu_hours_budget: float | None = None
    samples_unneeded: int = 0
    idle_share: float | None = None
    idle: list[IdleGpus] = field(default_factory=list)
    begun_per_sample: float | None = None
    rows: int | None = None
    tokens: int | None = None
    missing: int = 0
    result: str | None = None
    content_hash: str | None = None
    summary: dict[str, dict[str, Any]] | None = None
    note: str | None = None


def gather_readable(root: Path, idle_s: float = IDLE_S) -> Status:
    """As `run_status`; a directory that cannot be read is `unreadable`, and says why in its note."""
    try:
        return run_status(open_run(Layout(root)), idle_s)
    except (ConfigError, ValueError, KeyError, TypeError, OSError) as error:
        return Status(str(root), "unreadable", note=f"{root}: {' '.join(str(error).split()) or 'damaged'}")


def gpu_hours(run: Run[Any]) -> dict[str, float]:
    """GPU hours `allocated` to the jobs of a run, and `worked` by its shards, as far as they are known."""
    try:
        status = run_status(run)
    except (ValueError, KeyError, OSError):  # a damaged file must not keep the summary of a dataset back
        return {}
    hours = {"allocated": status.gpu_hours, "worked": status.gpu_hours_worked}
    return {name: value for name, value in hours.items() if value is not None}


def run_status(run: Run[Any], idle_s: float = IDLE_S) -> Status:
    """The status of one run; works without Slurm's accounting, and says so in `note` without Slurm.

    GPUs without a sample for `idle_s` seconds are idle.

    Raises:
        ValueError, KeyError, OSError: a file of the run is damaged or gone.
    """
    plan, layout = run.plan, run.layout
    found = settled_so_far(layout, plan.records, plan.samples)
    stats = published(run)
    entries = ledger.read(layout.ledger)
    chain = ledger.since(entries, "chain")
    status = Status(
        root=str(layout.root),
        state="",
        records=plan.records,
        records_done=int(np.count_nonzero(found.done.reshape(plan.records, plan.samples).all(axis=1))),
        samples=plan.keys,
        samples_done=int(np.count_nonzero(found.done)),
        errors=found.errors,
        rows=stats["rows"] if stats else None,
        tokens=stats.get("tokens") if stats else None,
        missing=stats["hole"]["missing"] if stats and "hole" in stats else 0,
    )
    if stats:
        status.result, status.content_hash = str(outcome(run)), stats["content_hash"]
        status.summary = summarize(run, stats)
    seen = _query(entries, status)
    status.tasks = _tasks(chain, seen)
    stages = {
        entry["job"]: (entry["stage"], entry["stage"] in ON_GPUS) for entry in entries if entry.get("job")
    }
    status.waiting = reasons.waiting(stages, seen, hint("resume", layout.root))
    each = replicas(run.config)
    status.failures, status.failures_before = find_failures(layout, chain, seen, found.done, each)
    if stats and is_current(run, stats):  # what befell other jobs than those that make samples is healed then
        status.failures = [group for group in status.failures if group.stage in ON_GPUS]
        status.failures_before = 0
    if isinstance(run.config, Generate):
        manifests = read_manifests(layout)
        gpus = run.config.cluster.gpus_per_node * run.config.teacher.nodes
        at_hand = at_work.working(layout, places(chain, each), seen, each)
        _tell_work(status, run, chain, at_hand, found.done)
        status.idle = at_work.idle(at_hand, idle_s, gpus / each)
        begun = {shard: manifest["begun"] for shard, manifest in manifests.items() if "begun" in manifest}
        # On one machine nothing tells a shard at work from one that was killed, until it is begun again.
        begun |= begun_so_far(layout.generate, killed=not stages)
        busy = [each.shard for each in at_hand]
        status.begun_per_sample = at_work.begun_per_sample(layout, begun, manifests, busy)
        of_canary = canary_gpus(run.config) or gpus
        status.gpu_hours = _gpu_hours(entries, seen, manifests, gpus, of_canary, each)
        held = sum(held_seconds(manifest) for manifest in manifests.values())
        status.gpu_hours_worked = held * gpus / each / 3600 or None
        status.idle_share = _idle_share(manifests)
        status.samples_unneeded = sum(manifest.get("unneeded", 0) for manifest in manifests.values())
        status.gpu_hours_budget = run.config.cluster.budget_gpu_hours
    known = {"gpu_hours": status.gpu_hours, "rows": status.rows}
    status.gpu_hours_per_row = METRICS["gpu_hours_per_accepted"].of(known)
    status.state = _state(status, entries, seen, task_of(run.config).scored)
    return status


def _query(entries: list[Entry], status: Status) -> Seen:
    try:
        return states.query_submitted(entries)
    except commands.SlurmError as error:
        status.note = f"Slurm does not answer ({error}); what follows is from the run's files"
        return {}


def _tasks(chain: list[Entry], seen: Seen) -> dict[str, dict[str, int]]:
    """Stage -> state -> array tasks, of all windows of the last attempt of that stage."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, state in seen.items():
        counts[key.job_id][state.state] += 1
    tasks = {}
    for stage in _CHAIN:
        entries = [entry for entry in chain if entry["stage"] == stage and entry.get("job")]
        if stage in ON_GPUS:
            entries = [entry for entry in entries if entry["attempt"] == entries[-1]["attempt"]]
        else:
            entries = entries[-1:]
        if entries and seen:
            of_stage = sum((counts[entry["job"]] for entry in entries), Counter())
            tasks[stage] = dict(of_stage) or {GONE: 1}
    return tasks


def _tell_work(
    status: Status, run: Run[Any], chain: list[Entry], at_hand: list[ShardAtWork], done: np.ndarray
) -> None:
    """Speed and time left of the tasks that generate. A canary tells neither: the array is not there yet."""
    arrays = {entry["job"] for entry in chain if entry["stage"] == "generate" and entry.get("job")}
    generating = [each for each in at_hand if each.key.job_id in arrays]
    left = at_work.time_left(run.layout, generating, done)
    if left is not None:
        status.rate, status.eta = left.rate, left.seconds
        status.samples_queued = max(0, status.samples - status.samples_done - left.samples)


def _gpu_hours(
    entries: list[Entry], seen: Seen, manifests: Manifests, node: int, of_canary: int, each: int
) -> float | None:
    """GPUs times the time that jobs held them: by Slurm, else by the manifests of their shards."""
    if not node:
        return None
    total = 0.0
    for place in places(entries, each):
        state = seen.get(place.key)
        gpus = of_canary if place.stage == "canary" else node
        if state is not None and state.state != GONE:
            total += (state.gpus or gpus) * (state.elapsed_s + state.elapsed_before_s)
            continue
        shards = ((place.attempt, place.shard + rank) for rank in range(each))
        total += gpus * max(
            (held_seconds(manifests[shard]) for shard in shards if shard in manifests), default=0
        )
    return total / 3600 or None


def _idle_share(manifests: Manifests) -> float | None:
    """Share of the last sessions' time in which shards started up, or had nothing more to begin."""
    busy = sum(manifest["start_up"] + manifest["seconds"] for manifest in manifests.values())
    if not busy:
        return None
    tails = sum(max(0.0, shard["seconds"] - shard["last_admitted"]) for shard in manifests.values())
    return (sum(shard["start_up"] for shard in manifests.values()) + tails) / busy


def _state(status: Status, entries: list[Entry], seen: Seen, scored: bool) -> str:
    """One word, as the table in docs/slurm.md has it; of a run that is `scored` nothing is published."""
    whole = status.rows is not None and not status.missing
    live = [state.state for state in seen.values() if state.state in states.ACTIVE]
    if live and not whole:
        if any(state in ("RUNNING", "COMPLETING") for state in live):
            return "running"
        return "stuck" if reasons.stuck(status.waiting) else "waiting"
    if status.rows is not None:
        return "evaluated" if scored else "published"
    if not entries:
        return "planned"
    if status.note is not None:
        return "unknown"
    words = {"end": "ended", "refused": "ended", "cancel": "cancelled"}
    return words.get(entries[-1]["stage"], "stopped")
