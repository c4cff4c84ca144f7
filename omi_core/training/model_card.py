"""The card of a trained model, and the page with the curves of a training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from omi_core import options
from omi_core.metrics import count_text
from omi_core.report import html
from omi_core.report.charts import Axis, Chart, Curve, Table, lines
from omi_core.report.plots import Figure
from omi_core.report.svg import steps
from omi_core.store.files import read_json, write_atomic
from omi_core.training.curves import Point, read_curve, thinned
from omi_core.training.examples import Counts
from omi_core.training.training_directory import PROGRESS
from omi_core.training.training_run import TrainingRun
from omi_core.training.training_status import words_of_step

_PACKAGES = ("torch", "transformers", "accelerate", "trl")
_ON_CARD, _ON_PAGE = 12, 400
_SCORES = (
    "A reward model: one output, read at the last token of a problem with its solution, and higher where the "
    "solution is right. It has no scale; compare the solutions of one problem. The loss is the list-wise "
    "Bradley-Terry loss (arXiv 2412.15084, section 4.2)."
)
# What is drawn of the curve: figure, title, and how it is written.
_LOSS = ("loss", "Loss", "{:.4f}")
_OF_PAIRS = ("accuracy", "Pairs of a right and a wrong response in order, of those of the step", "{:.1%}")
_DRAWN = (
    ("learning_rate", "Learning rate", "{:.3g}"),
    ("grad_norm", "Norm of the gradients, before they are clipped", "{:.3g}"),
)


def model_card(run: TrainingRun, counts: Sequence[Counts], number: int) -> str:
    """The README.md of the model that comes of stage `number`: what it was made of, how, and its curve."""
    config, student = run.config, run.config.student
    scores = run.scores_responses
    tags = "[math, reward-model, text-classification]" if scores else "[math, sft, trl]"
    head = ["---", "library_name: transformers", f"tags: {tags}"]
    if not student.scratch and not student.model.startswith(("embedded:", "/", ".")):
        head.append(f"base_model: {json.dumps(student.model)}")
    begun = "random weights, in the shape of " if student.scratch else ""
    revision = f" at {student.revision}" if student.revision else ""
    out = [
        *head,
        "---",
        "",
        f"# {student.name}, trained by {config.training.name}",
        "",
        f"Trained from {begun}`{student.model}`{revision}. Fingerprint: `{run.fingerprint}`.",
        *(["", _SCORES] if scores else []),
    ]
    for stage, counted in list(zip(run.stages, counts, strict=True))[:number]:
        out += ["", f"## {stage.name}", "", f"Data: {stage.source.name} (`{stage.source.digest}`), by "]
        out[-1] += f"{stage.source.teacher}. {counted.words()}. Digest of the tokens: `{counted.digest}`."
        out += ["", *_table(("setting", "value"), _settings(stage.settings, stage.steps(counted)))]
        points = thinned(read_curve(stage.folder), _ON_CARD)
        titles = ("step", "tokens", "loss", *(["pairs in order"] if scores else []))
        rows = [
            (count_text(p["step"]), count_text(p["tokens"]), f"{p['loss']:.4f}", f"{p['accuracy']:.1%}")
            for p in points
        ]
        out += ["", *_table(titles, [row[: len(titles)] for row in rows])]
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    out += [
        "",
        "## Use",
        "",
        f"{'jobs.score shows it texts' if scores else 'jobs.evaluate asks it'} with the prompt of its "
        "training, `prompt.yaml`:",
        "",
    ]
    out += ["```text", run.use_of(number), "```"]
    return "\n".join([*out, "", f"Made with {versions}.", ""])


def _settings(settings: Any, number: int) -> Iterator[tuple[str, str]]:
    yield "updates", count_text(number)
    for key, value in options.content(settings).items():
        if key not in ("name", "stages", "rates", "steps") and value is not None:
            yield key, str(value)


def _table(headers: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> list[str]:
    return [
        f"| {' | '.join(headers)} |",
        "|" + "---|" * len(headers),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def write_training_page(run: TrainingRun) -> None:
    """Writes the page with the last step and the curves so far: one file, without scripts."""
    sections = []
    for stage in run.stages:
        points = thinned(read_curve(stage.folder), _ON_PAGE)
        if len(points) > 1:
            drawn = [_LOSS, *([_OF_PAIRS] if stage.settings.scores_responses else []), *_DRAWN]
            sections.append({"name": stage.name, "figures": list(_figures(points, drawn))})
    page = html.render(
        "training/training.html",
        title=f"{run.root.name}: {run.config.student.name}, {run.config.training.name}",
        style=html.packaged("report/style.css"),
        where=str(run.root),
        told=_told(run),
        sections=sections,
    )
    write_atomic(run.root / "training.html", page.encode())


def _told(run: TrainingRun) -> str:
    """The figures of the step that was told last."""
    path = run.root / PROGRESS
    if not path.is_file():
        return ""
    step = read_json(path)
    return f"{step['stage']}: step {words_of_step(step)}"


def _figures(points: Sequence[Point], drawn: Sequence[tuple[str, str, str]]) -> Iterator[Figure]:
    for key, title, form in drawn:
        yield Figure(
            title, f"{len(points):,} of {points[-1]['step']:,} steps are drawn.", _chart(points, key, form)
        )


def _chart(points: Sequence[Point], key: str, form: str) -> Chart:
    values = [point[key] for point in points]
    top = max(values) or 1.0
    words = [f"step {point['step']:,}: {form.format(point[key])}" for point in points]
    curve = Curve(key, "k1", [(point["step"], point[key]) for point in points], words)
    across = Axis(steps(points[-1]["step"]), count_text, "step")
    table = Table(("step", key), [(count_text(p["step"]), form.format(p[key])) for p in thinned(points, 40)])
    return lines([curve], across, Axis(steps(top), form.format), table)
