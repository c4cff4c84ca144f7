"""How far a pipeline has come: which steps are done, what they made, and how long that took."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
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


def result(pipeline: Pipeline, step: Step) -> Result | None:
    """What a step has made of what the steps that it needs have made now; None while it is not done."""
    if is_stale(pipeline, step):
        return None
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


def is_stale(pipeline: Pipeline, step: Step) -> bool:
    """Whether a step was begun with something else than the steps that it needs have made now."""
    before = _made_of(pipeline, step)
    return before is not None and before != _needed(pipeline, step)


def begin(pipeline: Pipeline, step: Step) -> None:
    """Notes that a step is begun, and what it is made of.

    What it has made of something else gets another name; nothing is deleted.
    """
    if is_stale(pipeline, step) and pipeline.directory(step).exists():
        move_aside(pipeline.directory(step))
    note(pipeline, "begun", step, made_of=_needed(pipeline, step))


def _needed(pipeline: Pipeline, step: Step) -> dict[str, str]:
    """Step that is needed -> the hash of what it has made, without those that are not done."""
    made = {name: result(pipeline, pipeline.step(name)) for name in step.needs}
    return {name: result.hash for name, result in made.items() if result is not None}


def _made_of(pipeline: Pipeline, step: Step) -> dict[str, str] | None:
    """What a step was begun with the last time; None where no line of the ledger says so."""
    begun = [entry for entry in _entries(pipeline, step) if entry["stage"] == "begun"]
    return begun[-1].get("made_of") if begun else None


def _entries(pipeline: Pipeline, step: Step) -> list[dict[str, Any]]:
    """The lines of the pipeline's ledger about a step."""
    return [entry for entry in ledger.read(pipeline.layout.ledger) if entry.get("step") == step.name]


def _of_run(layout: Layout) -> Result | None:
    if not layout.plan.is_file():
        return None
    plan = read_plan(layout)
    made = (published_as(place, plan.fingerprint) for place in (layout.dataset, layout.evaluation))
    stats = next(filter(None, made), None)
    return None if stats is None else Result(plan.records, stats["rows"], stats["content_hash"][:32])


def write_result(pipeline: Pipeline, step: Step) -> None:
    """Says, durably, that a step that is no run is done; its product is read for that."""
    sources = [result(pipeline, pipeline.step(name)) for name in step.reads]
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


def ready(pipeline: Pipeline, done: Sequence[str]) -> Iterator[Step]:
    """Steps that are not done, in order, all of whose needs are."""
    for step in pipeline.steps:
        if step.name not in done and all(name in done for name in step.needs):
            yield step


def done_steps(pipeline: Pipeline) -> list[str]:
    """Names of the steps that are done, in order; one is not while a step that it needs is not."""
    done: list[str] = []
    for step in pipeline.steps:
        if all(name in done for name in step.needs) and result(pipeline, step) is not None:
            done.append(step.name)
    return done


def note(pipeline: Pipeline, stage: str, step: Step, **more: Any) -> None:
    """A line in the pipeline's ledger: a step was `begun`, is `done`, has `failed` with a reason, ..."""
    ledger.append(pipeline.layout.ledger, {"stage": stage, "step": step.name, **more})


def note_done(pipeline: Pipeline, done: Sequence[str]) -> None:
    """Notes the steps that are done of which the ledger does not say so yet."""
    noted = {entry["step"] for entry in ledger.read(pipeline.layout.ledger) if entry["stage"] == "done"}
    for name in done:
        if name not in noted:
            note(pipeline, "done", pipeline.step(name))


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
    last = _entries(pipeline, step)[-1:]
    return last[0]["reason"] if last and last[0]["stage"] == "failed" else None


def table(pipeline: Pipeline) -> list[tuple[str, ...]]:
    """Rows of cells for the steps that are done: step, command, rows in, rows out, seconds, hash."""
    took = seconds(pipeline)
    rows = []
    for step in pipeline.steps:
        try:
            made = result(pipeline, step)
        except (ConfigError, ValueError) as error:
            raise ConfigError(f"step {step.name}: {error}") from error
        if made is not None:
            read = "-" if made.rows_in is None else f"{made.rows_in:,}"
            cells = (read, f"{made.rows_out:,}", f"{took.get(step.name, 0):,.1f}")
            rows.append((step.name, step.command, *cells, made.hash[:12]))
    return rows
