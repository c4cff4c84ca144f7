"""Everything that a report says of one run, read once from its directory.

What is not known yet is None, never an estimate: shards that were killed left no times, a run that is not
reduced has no counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from omi_core.evaluate.outcome import Scored, read_outcome
from omi_core.publish.dataset import read_stats
from omi_core.publish.parts import PartError, PartManifest, merge_counts, part_path, read_manifest
from omi_core.publish.rows import DEFAULT_TASK
from omi_core.slurm.failures import read_trouble
from omi_core.slurm.retry_policy import cause_of
from omi_core.store import ledger
from omi_core.store.files import read_json
from omi_core.store.frames import NO_KEYS, Frame
from omi_core.store.index import contents
from omi_core.store.keys import refuse_outside
from omi_core.store.layout import Layout
from omi_core.store.manifests import before, held_seconds
from omi_core.store.manifests import read_manifest as read_shard_manifest
from omi_core.store.plan import Plan, read_plan

_JOURNAL = re.compile(r"(\d{4,})-(\d{5,})\.jsonl\.zst")
_SHARD = re.compile(r"(\d{4,})-(\d{5,})")
_MESSAGE_CHARACTERS = 300
_PARTS = re.compile(r"of-(\d{5,})")
# Two clocks take part in a time: that of the node, and that of the file server.
_SLACK_SECONDS = 60.0


@dataclass(frozen=True)
class Shard:
    """One task of one attempt: what its journal holds, and the times in its manifest.

    Times are seconds; `first_sample`, `last_admitted`, `seconds` and `timeline` count from the moment the
    teacher stood ready, `start_up` is what opening it took. `started` (that moment) and `written` (the last
    write to the journal, None where it cannot be told) are seconds since the epoch. All times but `written`
    are None for a shard that did not end by itself. `timeline` holds (seconds, samples so far). They are of
    the shard's last session, `held` is how long it held its machine in all of them, and `sessions` how many
    there were that ended by themselves.
    """

    attempt: int
    task: int
    samples: int
    frames: tuple[tuple[Path, Frame], ...]
    written: float | None
    completion_tokens: int | None = None
    refused: int = 0
    generated: int | None = None
    start_up: float | None = None
    first_sample: float | None = None
    last_admitted: float | None = None
    seconds: float | None = None
    away: float = 0.0
    started: float | None = None
    held: float | None = None
    device: str | None = None
    node: str | None = None
    sessions: int | None = None
    timeline: tuple[tuple[float, int], ...] = ()

    @property
    def busy(self) -> float | None:
        """Seconds of the last session, start-up included where it is known."""
        return None if self.seconds is None else self.seconds + (self.start_up or 0.0)

    @property
    def name(self) -> str:
        return f"attempt {self.attempt}, task {self.task}"


@dataclass(frozen=True)
class Failed:
    """A task that left word of its failure. `attempt` is None of a job that is no shard's."""

    stage: str
    attempt: int | None
    cause: str
    words: str
    node: str | None


@dataclass(frozen=True)
class Facts:
    """One run. `settled` keys are on disk (None for imported samples: nothing says how many there should
    be); `counts` are those of `stats.json` or of a complete set of parts; `rows` is None until published.
    """

    layout: Layout
    plan: Plan
    config: dict[str, Any]
    settled: int | None
    shards: list[Shard]
    counts: dict[str, Any] | None
    parts: list[PartManifest]
    stats: dict[str, Any] | None
    attempts: dict[int, float]
    failed: list[Failed]

    @property
    def name(self) -> str:
        return self.layout.root.resolve().name

    @property
    def stage(self) -> str:
        """How far the run is: planned, generating, generated, reduced, and published or evaluated."""
        if self.stats is not None:
            return "evaluated" if self.layout.evaluation.is_dir() else "published"
        if self.counts is not None:
            return "reduced"
        if self.settled is None or self.settled == self.plan.keys:
            return "generated"
        return "generating" if self.settled or self.attempts else "planned"

    @cached_property
    def evaluation(self) -> Scored | None:
        """What a run against benchmarks came to. Raises ValueError when it is damaged."""
        there = self.stats is not None and self.layout.evaluation.is_dir()
        return read_outcome(self.layout.evaluation) if there else None

    @cached_property
    def scored(self) -> Scored | None:
        """What a run's scores of an evaluation come to. Raises ValueError when it is damaged."""
        there = self.stats is not None and self.layout.scored.is_dir()
        return read_outcome(self.layout.scored) if there else None

    @property
    def rows(self) -> int | None:
        return None if self.stats is None else self.stats["rows"]

    @property
    def task(self) -> str:
        """What the samples are; imported ones are solutions."""
        return self.config.get("task", {}).get("name", DEFAULT_TASK)

    @property
    def rehearsal(self) -> bool:
        return self.config.get("teacher", {}).get("kind") == "rehearsal"

    @property
    def gpus(self) -> float:
        """GPUs that one task holds, on a cluster its part of those of the job; 0 on a CPU."""
        teacher, cluster = self.config.get("teacher", {}), self.config.get("cluster", {})
        used = int(teacher.get("tensor_parallel", 1)) * int(teacher.get("pipeline_parallel", 1))
        if cluster.get("kind") == "slurm":
            node, nodes = int(cluster.get("gpus_per_node", 0)), int(teacher.get("nodes", 1))
            # What the replicas of a node leave over is held, too.
            return node * nodes if nodes > 1 else node / max(1, node // used)
        if self.rehearsal or any(shard.device == "cpu" for shard in self.shards):
            return 0
        return used

    @cached_property
    def timed(self) -> list[Shard]:
        """The shards that ended by themselves, and so left their times."""
        return [shard for shard in self.shards if shard.seconds is not None]

    @property
    def task_hours(self) -> float | None:
        """Hours of all timed tasks together; None when no task has left times."""
        return sum(shard.held or 0.0 for shard in self.timed) / 3600 if self.timed else None

    @property
    def gpu_hours(self) -> float | None:
        return None if self.task_hours is None else self.task_hours * self.gpus

    @property
    def gpu_hours_allocated(self) -> float | None:
        """What Slurm charges, as the summary of the run has it; None where no job was asked for GPUs."""
        try:
            return read_json(self.layout.summary)["GPU hours"]["allocated"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def untimed(self) -> int:
        """Tasks that left samples but no times: killed, or still running."""
        return len(self.shards) - len(self.timed) if self.plan.complete else 0


def run_facts(root: Path) -> Facts:
    """The facts of the run in `root`.

    Raises:
        ConfigError: `root` is no run directory, or one of another version of the suite.
        ValueError: a file of the run is damaged, or a journal belongs to another run.
    """
    try:
        return _gather(Layout(Path(root)))
    except (AttributeError, KeyError, OSError, TypeError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{root}: a file of the run is gone or damaged ({why})") from error


def _gather(layout: Layout) -> Facts:
    plan = read_plan(layout)
    entries = ledger.read(layout.ledger)
    attempts: dict[int, float] = {}
    for entry in entries:  # an array in several windows is submitted several times
        if entry["stage"] in ("canary", "generate"):
            attempts.setdefault(entry["attempt"], entry["time"])
    shards, settled = _read_shards(layout, plan, _keeps_times(layout, attempts))
    stats = read_stats(layout.dataset) or read_stats(layout.evaluation)
    if stats is not None and stats.get("fingerprint") != plan.fingerprint:
        stats = None
    parts = _finished_parts(layout, plan, settled)
    counts = stats["counts"] if stats else merge_counts(part.counts for part in parts) if parts else None
    known = settled if plan.complete else None
    failed = _failed(layout, entries)
    config = read_json(layout.config)
    return Facts(layout, plan, config, known, shards, counts, parts, stats, attempts, failed)


def _failed(layout: Layout, entries: Sequence[Mapping[str, Any]]) -> list[Failed]:
    """What failed tasks left, and why chains ended."""
    stages = {entry["job"]: entry["stage"] for entry in entries if entry.get("job")}
    found = []
    for path in sorted([*layout.generate.glob("*.trouble.json"), *layout.logs.glob("*.trouble.json")]):
        trouble = read_trouble(path)
        if trouble is None:
            continue
        name = path.name.partition(".")[0]
        shard = _SHARD.fullmatch(name) if path.parent == layout.generate else None
        stage = "generate" if shard else stages.get(name.partition("_")[0], "job")
        words = f"{trouble['class']}: {' '.join(str(trouble['message']).split())}"[:_MESSAGE_CHARACTERS]
        cause = cause_of(trouble, None, None).value
        found.append(Failed(stage, int(shard[1]) if shard else None, cause, words, trouble.get("node")))
    ends = [entry["reason"] for entry in entries if entry["stage"] in ("end", "refused")]
    return found + [Failed("chain", None, "ended", reason[:_MESSAGE_CHARACTERS], None) for reason in ends]


def _keeps_times(layout: Layout, attempts: Mapping[int, float]) -> bool:
    """Whether the times of the run's files are those of its work.

    A copy of a run can have the times of the copying. Its plan then looks younger than its first attempt.
    """
    planned = layout.plan.stat().st_mtime
    return not attempts or planned <= min(attempts.values()) + _SLACK_SECONDS


def _read_shards(layout: Layout, plan: Plan, dated: bool) -> tuple[list[Shard], int]:
    """Every shard that has a journal, and how many keys are on disk; each index is read once."""
    done = np.zeros(plan.keys, dtype=bool)
    shards = []
    for path in layout.journals():
        found = contents(path)
        for frame in found.frames:
            keys = frame.keys.astype(np.int64)
            refuse_outside(keys, path, plan.records, plan.samples)
            done[keys[:, 0] * plan.samples + keys[:, 1]] = True
        name = _JOURNAL.fullmatch(path.name)
        assert name is not None
        shards.append(_shard(layout, int(name[1]), int(name[2]), path, found.frames, dated))
    return shards, int(np.count_nonzero(done))


def _shard(
    layout: Layout, attempt: int, task: int, path: Path, frames: Sequence[Frame], dated: bool
) -> Shard:
    manifest = read_shard_manifest(layout.shard_manifest(attempt, task))
    shard = Shard(
        attempt=attempt,
        task=task,
        samples=sum(frame.count for frame in frames),
        frames=tuple((path, replace(frame, keys=NO_KEYS)) for frame in frames),
        written=path.stat().st_mtime if dated else None,
        refused=sum(frame.errors for frame in frames),
    )
    if manifest is None:
        return shard
    told = ("completion_tokens", "start_up", "first_sample", "last_admitted", "started")
    return replace(
        shard,
        **{name: manifest[name] for name in told},
        generated=manifest["samples"],
        refused=manifest["errors"],
        seconds=float(manifest["seconds"]),
        away=float(manifest.get("away", 0.0)),
        held=held_seconds(manifest),
        device=manifest["teacher"].get("device"),
        node=manifest.get("node"),
        sessions=int(before(manifest)["sessions"]),
        timeline=tuple((float(second), int(count)) for second, count in manifest["timeline"]),
    )


def _finished_parts(layout: Layout, plan: Plan, there: int) -> list[PartManifest]:
    """The manifests of a complete set of parts of this run; none where a part is missing.

    `there` is how many samples there are now: parts that were made of fewer or more are passed over.
    """
    folder = layout.root / "reduce"
    if not folder.is_dir():
        return []
    for entry in sorted(folder.iterdir()):
        found = _PARTS.fullmatch(entry.name)
        if not found:
            continue
        try:
            parts = [read_manifest(part_path(entry, number)) for number in range(int(found[1]))]
        except PartError:
            continue
        if not parts or any(part.fingerprint != plan.fingerprint for part in parts):
            continue
        seen = [part.seen.samples for part in parts if part.seen is not None]  # older versions did not say
        if len(seen) < len(parts) or sum(seen) == there:
            return parts
    return []
