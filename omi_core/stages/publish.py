"""The publish stage: the parts of a run become its dataset, with card and statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from omi_core import prompts
from omi_core.config import Generate
from omi_core.publish.card import CardInfo
from omi_core.publish.dataset import publish
from omi_core.publish.parts import PartError, PartManifest, merge_counts, part_path, read_manifest
from omi_core.records import Seen
from omi_core.stages.reduce import survey_parts
from omi_core.stages.run import Run, hole
from omi_core.tasks import task_of


def publish_run(run: Run, parts: int) -> dict[str, Any]:
    """Publishes the parts of a run; returns the content of `stats.json`.

    Raises:
        PartError: a part is missing, damaged, or not made of the samples that are there now.
        NothingToPublish: no row is left.
    """
    paths = [part_path(run.layout.parts(parts), part) for part in range(parts)]
    found = survey_parts(run, parts)
    manifests = [read_manifest(path) for path in paths]
    _refuse_stale(manifests, found.seen())
    counts = merge_counts(manifest.counts for manifest in manifests)
    counts["skipped_input_rows"] = dict(run.plan.skipped)
    if run.plan.chunks:
        counts["chunks"] = dict(run.plan.chunks)
    styles = task_of(run.config).styles
    return publish(
        paths,
        run.layout.dataset,
        card=_card(run, counts),
        config={"fingerprint": run.plan.fingerprint, **run.plan.content},
        counts=counts,
        rows_per_file=run.config.publish.rows_per_file,
        splits=run.config.publish.splits,
        seed=run.config.publish.seed,
        chat=run.config.publish.chat,
        styles=styles and styles(run),
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
    chosen = task_of(config).filters(config)
    figures = {label: f"{value:.1%}" for label, value in rates(counts).items()}
    # A tokenizer's path belongs to one machine, so it stays out of the dataset's bytes.
    shown = {name: {k: v for k, v in opts.items() if k != "tokenizer"} for name, opts in chosen.items()}
    if not isinstance(config, Generate):
        return CardInfo(
            name=f"Solutions of {config.data.name}",
            task="solutions",
            teacher="not stated: the solutions were imported",
            prompt="not stated",
            source=config.data.name,
            samples=run.plan.samples,
            filters=shown,
            figures=figures,
        )
    sampling = {field.name: getattr(config.sampling, field.name) for field in fields(config.sampling)}
    return CardInfo(
        name=f"{config.task.name} of {config.data.name} by {config.teacher.name}",
        task=config.task.name,
        teacher=_teacher_name(config),
        revision=config.teacher.revision,
        prompt=_prompt_name(config),
        source=config.data.name,
        samples=run.plan.samples,
        sampling=sampling | {"seed": config.seed},
        filters=shown,
        figures=figures,
        rehearsal=config.teacher.kind == "rehearsal",
    )


def _teacher_name(config: Generate) -> str:
    """The model, without the folders it lies in on one machine or on a server."""
    model = config.teacher.model
    return config.teacher.name if model.startswith("/") or Path(model).is_dir() else model


def _prompt_name(config: Generate) -> str:
    """The template, without the folders it lies in on one machine."""
    given = Path(config.prompt.path).name if config.prompt.path else config.prompt.name
    name = given or prompts.default(config.task.name)
    return name if config.prompt.examples is None else f"{name}, {config.prompt.examples} examples"


def rates(counts: Mapping[str, Any]) -> dict[str, float]:
    """The shares people ask for, from merged counts; those without a denominator are left out."""
    truth, votes, answers = counts.get("truth", {}), counts.get("votes", {}), counts.get("answers", {})
    found = answers.get("found", 0)
    replies, judged = counts.get("replies", {}), counts.get("judged", {})
    pairs = {
        "replies that say yes or no": (
            sum(replies.values()) - replies.get("unclear", 0),
            sum(replies.values()),
        ),
        "pairs without such a reply": (judged.get("pairs_unclear", 0), judged.get("pairs", 0)),
        "pairs judged otherwise in the other order": (
            judged.get("pairs_split", 0),
            judged.get("pairs_both", 0),
        ),
        "problems that the judge takes for a test question": (
            judged.get("contaminated", 0),
            judged.get("problems", 0),
        ),
        "samples with an answer": (found, found + answers.get("none", 0)),
        "samples equal to the ground truth": (truth.get("equal", 0), truth.get("samples", 0)),
        "majority answers equal to the ground truth": (
            truth.get("majority_equal", 0),
            truth.get("records", 0),
        ),
        "new problems that the demo's oracle can answer": (
            counts.get("oracle", {}).get("well_posed", 0),
            counts.get("oracle", {}).get("problems", 0),
        ),
        "problems solved by a sample at least": (truth.get("records_solved", 0), truth.get("records", 0)),
        "agreement (mean share of votes for the majority)": (
            votes.get("agreement_ppm", 0) / 1e6,
            votes.get("records", 0),
        ),
        "samples kept": (counts.get("used", counts.get("rows", 0)), counts.get("samples", 0)),
    }
    return {label: part / whole for label, (part, whole) in pairs.items() if whole}
