"""The publish stage: the parts of a run become its dataset, with card and statistics; or its evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.config import Generate
from omi_core.metrics import share
from omi_core.publish.card import CardInfo
from omi_core.publish.dataset import publish
from omi_core.publish.parts import PartError, PartManifest, merge_counts, read_manifest
from omi_core.records import Seen
from omi_core.stages.reduce import part_paths, survey_parts
from omi_core.stages.repeats import in_words, repeated
from omi_core.stages.run import Run, hole, records_of
from omi_core.stages.scoring import score_run
from omi_core.tasks import rates, task_of
from omi_core.teachers.address import SERVER_DEFAULTS


def publish_run(run: Run, parts: int) -> dict[str, Any]:
    """Publishes the parts of a run, or scores them; returns the content of `stats.json`.

    Raises:
        PartError: a part is missing, damaged, or not made of the samples that are there now.
        NothingToPublish: no row is left.
    """
    paths = part_paths(run, parts)
    found = survey_parts(run, parts)
    manifests = [read_manifest(path) for path in paths]
    _refuse_stale(manifests, found.seen())
    counts = merge_counts(manifest.counts for manifest in manifests)
    counts["skipped_input_rows"] = dict(run.plan.skipped)
    if run.plan.chunks:
        counts["chunks"] = dict(run.plan.chunks)
    if repeats := repeated(run):
        counts["repeats"] = repeats
    config = {"fingerprint": run.plan.fingerprint, **run.plan.content}
    card = _card(run, counts)
    if task_of(run.config).scored:
        return score_run(run, paths, config, counts, card)
    return publish(
        paths,
        run.layout.dataset,
        card=card,
        config=config,
        counts=counts,
        options=run.config.publish,
        styles=task_of(run.config).styles(run.config, lambda: records_of(run)),
        hole=hole(run.plan, found.done),
    )


def _refuse_stale(manifests: Sequence[PartManifest], now: Sequence[Seen]) -> None:
    for manifest, seen in zip(manifests, now, strict=True):
        if manifest.seen != seen:
            before = "unknown" if manifest.seen is None else f"{manifest.seen.samples:,}"
            raise PartError(
                f"{manifest.path}: was made of other samples ({before}) than are there now "
                f"({seen.samples:,}); reduce this part again"
            )


def _card(run: Run, counts: Mapping[str, Any]) -> CardInfo:
    config = run.config
    task = task_of(config)
    chosen = task.filters(config)
    figures = {label: share(value) for label, value in rates(task, counts).items()}
    # A tokenizer's path belongs to one machine, so it stays out of the dataset's bytes.
    shown = {name: {k: v for k, v in opts.items() if k != "tokenizer"} for name, opts in chosen.items()}
    imported = CardInfo(
        name=f"{task.name.capitalize()} of {config.data.name}",
        task=task.name,
        teacher="not stated: the solutions were imported",
        prompt="not stated",
        source=config.data.name,
        samples=run.plan.samples,
        filters=shown,
        figures=figures,
    )
    if not isinstance(config, Generate):
        return imported
    notes = (f"Sampling: {SERVER_DEFAULTS}.",) if config.teacher.kind == "endpoint" else ()
    if repeats := counts.get("repeats"):
        notes += (in_words(repeats),)
    return replace(
        imported,
        name=f"{task.name} of {config.data.name} by {config.teacher.name}",
        made_from=task.made_from,
        teacher=_teacher_name(config),
        revision=config.teacher.revision,
        prompt=_prompt_name(config),
        sampling=options.content(config.sampling) | {"seed": config.seed},
        rehearsal=config.teacher.kind == "rehearsal",
        notes=notes,
    )


def _teacher_name(config: Generate) -> str:
    """The model, without the folders it lies in on one machine or on a server."""
    model = config.teacher.model
    return config.teacher.name if model.startswith("/") or Path(model).is_dir() else model


def _prompt_name(config: Generate) -> str:
    """The template, without the folders it lies in on one machine."""
    given = Path(config.prompt.path).name if config.prompt.path else config.prompt.name
    name = given or task_of(config).form.default
    name = name if config.prompt.examples is None else f"{name}, {config.prompt.examples} examples"
    name = name if config.prompt.system else f"{name}, no system message"
    return name if config.prompt.format == "chat" else f"{name}, as plain text"
