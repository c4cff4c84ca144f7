"""The state of a run on a cluster, from its own files, one squeue and at most one sacct call."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from omi_core.config import Generate
from omi_core.run import ledger
from omi_core.run.files import read_json
from omi_core.run.keys import settled
from omi_core.slurm import commands, states
from omi_core.slurm.script import replicas
from omi_core.stages.publish import published
from omi_core.stages.run import Run

_CHAIN = ("canary", "generate", "gate", "reduce", "publish")


@dataclass
class Status:
    """What `jobs.status` shows; times in seconds, GPU time in hours.

    `tasks` maps stage -> Slurm state -> array tasks of the last submission of that stage; `failures` lists
    causes with how often, one message and where its log lies.
    """

    root: str
    state: str
    records: int
    records_done: int
    samples: int
    samples_done: int
    errors: int
    tasks: dict[str, dict[str, int]]
    failures: list[dict[str, Any]] = field(default_factory=list)
    rate: float | None = None
    eta: float | None = None
    gpu_hours: float | None = None
    idle_share: float | None = None
    rows: int | None = None
    note: str | None = None

    @property
    def gpu_hours_per_row(self) -> float | None:
        return self.gpu_hours / self.rows if self.gpu_hours and self.rows else None


def gather(run: Run[Any]) -> Status:
    """The status of one run; works without Slurm's accounting, and says so in `note` without Slurm."""
    plan = run.plan
    found = settled(run.layout.journals(), plan.records, plan.samples)
    per_record = found.done.reshape(plan.records, plan.samples).all(axis=1)
    stats = published(run)
    entries = ledger.read(run.layout.ledger)
    status = Status(
        root=str(run.layout.root),
        state="",
        records=plan.records,
        records_done=int(per_record.sum()),
        samples=plan.keys,
        samples_done=int(found.done.sum()),
        errors=found.errors,
        tasks={},
        rows=stats["rows"] if stats else None,
    )
    seen = _query(entries, status)
    last = {entry["stage"]: entry for entry in entries if entry.get("job") and entry["stage"] in _CHAIN}
    for stage in _CHAIN:
        if stage in last:
            counts = Counter(state.state for key, state in seen.items() if key.job_id == last[stage]["job"])
            status.tasks[stage] = dict(counts) or {"GONE": 1}
    status.failures = _failures(run)
    _speed(run, entries, status, any(state.state == "RUNNING" for state in seen.values()))
    status.state = _state(status, entries, seen)
    return status


def _query(entries: list[dict[str, Any]], status: Status) -> dict[Any, Any]:
    jobs = [entry["job"] for entry in entries if entry.get("job")]
    if not jobs:
        return {}
    try:
        return states.query(jobs)
    except commands.SlurmError as error:
        status.note = f"Slurm does not answer ({error}); what follows is from the run's files"
        return {}


def _state(status: Status, entries: list[dict[str, Any]], seen: dict[Any, Any]) -> str:
    """One word: published, running, waiting, cancelled, ended, stopped or planned."""
    if status.rows is not None:
        return "published"
    live = [state.state for state in seen.values() if state.state in states.ACTIVE]
    if live:
        return "running" if any(state in ("RUNNING", "COMPLETING") for state in live) else "waiting"
    if not entries:
        return "planned"
    return {"end": "ended", "cancel": "cancelled"}.get(entries[-1]["stage"], "stopped")


def _failures(run: Run[Any]) -> list[dict[str, Any]]:
    """What tasks left beside their journals, grouped by error, the commonest first."""
    groups: dict[str, dict[str, Any]] = {}
    if run.layout.generate.is_dir():
        for path in sorted(run.layout.generate.glob("*.trouble.json")):
            trouble = read_json(path)
            key = f"{trouble['class']} at {trouble['at']}"
            group = groups.setdefault(
                key, {"cause": trouble["class"], "count": 0, "message": trouble["message"], "see": str(path)}
            )
            group["count"] += 1
    for entry in ledger.read(run.layout.ledger):
        if entry["stage"] == "end":
            groups[entry["reason"]] = {"cause": "gate", "count": 1, "message": entry["reason"], "see": None}
    return sorted(groups.values(), key=lambda group: -group["count"])


def _speed(run: Run[Any], entries: list[dict[str, Any]], status: Status, running: bool) -> None:
    """Rate and time left since the chain began; GPU hours and idle share from the shards that ended."""
    starts = [entry["time"] for entry in entries if entry["stage"] == "chain"]
    before = [entry["keys"] for entry in entries if entry["stage"] == "chain"]
    if starts and running:
        made = status.samples_done - (status.samples - before[-1])
        seconds = time.time() - starts[-1]
        if made > 0 and seconds > 0:
            rate = made / seconds
            status.rate, status.eta = rate, (status.samples - status.samples_done) / rate
    if not isinstance(run.config, Generate):
        return
    manifests = []
    for journal in run.layout.journals():
        path = journal.with_name(journal.name.removesuffix(".jsonl.zst") + ".json")
        if path.exists():
            manifests.append(read_json(path))
    per_job = run.config.cluster.gpus_per_node * run.config.teacher.nodes
    gpus = per_job / replicas(run.config)
    seconds: float = sum(manifest["start_up"] + manifest["seconds"] for manifest in manifests)
    if seconds:
        tails = sum(max(0.0, manifest["seconds"] - manifest["last_admitted"]) for manifest in manifests)
        idle: float = sum(manifest["start_up"] for manifest in manifests) + tails
        status.idle_share = idle / seconds
        status.gpu_hours = gpus * seconds / 3600 if gpus else None
