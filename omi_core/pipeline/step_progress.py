"""How far a pipeline has come: which steps are done, what they made, and how long that took."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.publish.dataset import read_stats, recover
from omi_core.records import digest128
from omi_core.stages.run import published_as
from omi_core.store import ledger
from omi_core.store.files import move_aside, read_json, write_json
from omi_core.store.fingerprint import directory_digest, fingerprint
from omi_core.store.layout import Layout
from omi_core.store.plan import read_plan
from omi_core.training.training_directory import whole_model

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Result:
    """What a step that is done took and made: rows, and the hash of what later steps read.

    How many rows came in is not known (None) of a file from outside.
    """

    rows_in: int | None
    rows_out: int
    hash: str


class Look:
    """What is to be seen of a pipeline's steps: its ledger is read once, and each step that is done.

    `again` looks anew at what was not done. A step that was done stays so while nobody else works on it.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._steps = {step.name: step for step in pipeline.steps}
        self._results: dict[str, Result | None] = {}
        self._entries = self._read()

    def again(self) -> None:
        self._results = {name: found for name, found in self._results.items() if found is not None}
        self._entries = self._read()

    def _read(self) -> dict[str | None, list[dict[str, Any]]]:
        entries: dict[str | None, list[dict[str, Any]]] = {}
        for entry in ledger.read(self.pipeline.layout.ledger):
            entries.setdefault(entry.get("step"), []).append(entry)
        return entries

    def entries(self, step: Step) -> list[dict[str, Any]]:
        """The lines of the pipeline's ledger about a step, oldest first."""
        return self._entries.get(step.name, [])

    def result(self, step: Step) -> Result | None:
        """As `step_progress.result`."""
        if step.name not in self._results:
            self._results[step.name] = None if self.is_stale(step) else _made(self.pipeline, step)
        return self._results[step.name]

    def is_stale(self, step: Step) -> bool:
        """Whether a step was begun with something else than the steps that it needs have made now."""
        begun = [entry for entry in self.entries(step) if entry["stage"] == "begun"]
        before = begun[-1].get("made_of") if begun else None
        return before is not None and before != self.needed(step)

    def needed(self, step: Step) -> dict[str, str]:
        """Step that is needed -> the hash of what it has made, without those that are not done."""
        made = {name: self.result(self._steps[name]) for name in step.needs}
        return {name: result.hash for name, result in made.items() if result is not None}

    def done(self) -> list[str]:
        """Names of the steps that are done, in order; one is not while a step that it needs is not."""
        done: dict[str, None] = {}
        for step in self.pipeline.steps:
            if all(name in done for name in step.needs) and self.result(step) is not None:
                done[step.name] = None
        return list(done)

    def ready(self) -> list[Step]:
        """Steps that are not done, in order, all of whose needs are."""
        done = set(self.done())
        return [
            step
            for step in self.pipeline.steps
            if step.name not in done and all(name in done for name in step.needs)
        ]

    def failure(self, step: Step) -> str | None:
        """Why a step failed the last time, None when it did not or was begun again since."""
        last = self.entries(step)[-1:]
        return last[0]["reason"] if last and last[0]["stage"] == "failed" else None


def result(pipeline: Pipeline, step: Step) -> Result | None:
    """What a step has made of what the steps that it needs have made now; None while it is not done."""
    return Look(pipeline).result(step)


def begin(pipeline: Pipeline, step: Step) -> None:
    """Notes that a step is begun, and what it is made of.

    What it has made of something else gets another name; nothing is deleted.
    """
    look = Look(pipeline)
    if look.is_stale(step) and pipeline.directory(step).exists():
        move_aside(pipeline.directory(step))
    note(pipeline, "begun", step, made_of=look.needed(step))


def _made(pipeline: Pipeline, step: Step) -> Result | None:
    """What lies there of a step, whatever it was made of."""
    if step.is_run:
        return _of_run(Layout(pipeline.directory(step)))
    try:
        manifest = read_json(pipeline.manifest(step))
        if manifest.pop("content") != _content(pipeline, step):
            return None
        product = pipeline.directory(step) / step.product
        there = whole_model(product) if step.trains else product.exists()
        return Result(**manifest) if there else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or damaged: make it anew
        return None


def _of_run(layout: Layout) -> Result | None:
    if not layout.plan.is_file():
        return None
    plan = read_plan(layout)
    made = (published_as(place, plan.fingerprint) for place in (layout.dataset, layout.evaluation))
    stats = next(filter(None, made), None)
    return None if stats is None else Result(plan.records, stats["rows"], stats["content_hash"][:32])


def write_result(pipeline: Pipeline, step: Step) -> None:
    """Says, durably, that a step that is no run is done; its product is read for that."""
    look = Look(pipeline)
    sources = [look.result(pipeline.step(name)) for name in step.reads]
    read = sum(source.rows_out for source in sources if source) if sources else None
    made = Result(read, *_rows_and_hash(pipeline.directory(step) / step.product))
    write_json(pipeline.manifest(step), asdict(made) | {"content": _content(pipeline, step)})


def _content(pipeline: Pipeline, step: Step) -> str:
    return fingerprint(pipeline.content["steps"][step.name])


def _rows_and_hash(path: Path) -> tuple[int, str]:
    """Rows of a dataset, lines of a file, or the rows that a model has learnt from; and the hash of it."""
    import hashlib

    if (model := whole_model(path)) is not None:
        return model["rows"], directory_digest(path)
    if path.is_dir():
        recover(path)
        if stats := read_stats(path):
            return stats["rows"], stats["content_hash"][:32]
    digest, lines = hashlib.blake2b(digest_size=16), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            lines += chunk.count(b"\n")
    return lines, digest.hexdigest()


def file_digest(pattern: str) -> str | None:
    """Digest of the bytes of a local file or a glob of them, over 64 MiB of name and size. None: no file.

    Moved or renamed, a small file is the same.
    """
    # By os.path: it takes a text that cannot be a path for one of no file.
    names = [pattern] if os.path.isfile(pattern) else sorted(glob.glob(pattern))
    parts: list[str | bytes | int] = []
    for path in map(Path, names):
        if path.is_file():
            size = path.stat().st_size
            parts += [path.name, size] if size > 64 << 20 else [path.read_bytes()]
    return digest128("files", *parts) if parts else None


def done_steps(pipeline: Pipeline) -> list[str]:
    """Names of the steps that are done, in order; one is not while a step that it needs is not."""
    return Look(pipeline).done()


def note(pipeline: Pipeline, stage: str, step: Step, **more: Any) -> None:
    """A line in the pipeline's ledger: a step was `begun`, is `done`, has `failed` with a reason, ..."""
    ledger.append(pipeline.layout.ledger, {"stage": stage, "step": step.name, **more})


def note_done(pipeline: Pipeline, done: Collection[str]) -> None:
    """Notes the steps that are done of which the ledger does not say so yet."""
    noted = {entry["step"] for entry in ledger.read(pipeline.layout.ledger) if entry["stage"] == "done"}
    for step in pipeline.steps:
        if step.name in done and step.name not in noted:
            note(pipeline, "done", step)


def seconds(pipeline: Pipeline) -> dict[str, float]:
    """Step -> seconds from when it was first begun to when it was noted as done, whatever lay between."""
    begun: dict[str, float] = {}
    took: dict[str, float] = {}
    for entry in ledger.read(pipeline.layout.ledger):
        if entry["stage"] == "begun":
            begun.setdefault(entry["step"], entry["time"])
        elif entry["stage"] == "done" and entry["step"] in begun:
            took[entry["step"]] = entry["time"] - begun[entry["step"]]
    return took


def failure(pipeline: Pipeline, step: Step) -> str | None:
    """Why a step failed the last time, None when it did not or was begun again since."""
    return Look(pipeline).failure(step)


def table(pipeline: Pipeline) -> list[tuple[str, ...]]:
    """Rows of cells for the steps that are done: step, command, rows in, rows out, seconds, hash."""
    took, look = seconds(pipeline), Look(pipeline)
    rows = []
    for step in pipeline.steps:
        try:
            made = look.result(step)
        except (ConfigError, ValueError) as error:
            raise ConfigError(f"step {step.name}: {error}") from error
        if made is not None:
            read = "-" if made.rows_in is None else f"{made.rows_in:,}"
            cells = (read, f"{made.rows_out:,}", f"{took.get(step.name, 0):,.1f}")
            rows.append((step.name, step.command, *cells, made.hash[:12]))
    return rows
