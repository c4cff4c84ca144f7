"""A training as it lies on disk, and what its config comes to: stages, sources, fingerprint.

DIR/
  train.json          the fingerprint, and the content it covers
  config.json         all options of the last command
  ledger.jsonl, logs/ on Slurm: the jobs
  stage-1/            of the first stage: examples.arrow and .json, curve.jsonl, checkpoint-N/, and of several
                      stages model/, which the next one begins with
  model/              what comes of it, with prompt.yaml and a card; trained.json says of what it was made
  progress.json       the step at hand
  training.html       the page with the curves
  tensorboard/        if it is reported to
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.combine.sources import Source, open_source
from omi_core.inputs import Skipped
from omi_core.options import ConfigError
from omi_core.prompts import Template
from omi_core.store.files import lock, read_json, write_json
from omi_core.store.fingerprint import directory_digest, fingerprint
from omi_core.store.layout import Layout, check_root
from omi_core.teachers.models import local_directory
from omi_core.training.example_order import update_steps
from omi_core.training.examples import Counts, RenderWork, read_counts, refusal, write_examples
from omi_core.training.preference_rendering import scoring_template
from omi_core.training.rendering import chat_template, student_template
from omi_core.training.train_options import Train, Training, stages_of
from omi_core.training.training_directory import is_made, training_directory

_FORMAT = 1  # raised when the same config would give another model


@dataclass(frozen=True)
class StagePlan:
    """A stage: its name and settings, where it lies, and the rows it is trained on."""

    name: str
    settings: Training
    folder: Path
    source: Source
    template: Template | None = field(repr=False)

    @property
    def examples(self) -> Path:
        return self.folder / "examples.arrow"

    def steps(self, counts: Counts) -> int:
        """Updates of the weights."""
        own = self.settings
        return update_steps(counts.rows, own.epochs, own.batch, own.steps)


@dataclass(frozen=True)
class TrainingRun:
    """A planned training; touches nothing by itself."""

    root: Path
    config: Train
    content: Mapping[str, Any] = field(repr=False)
    stages: tuple[StagePlan, ...] = field(repr=False)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.content)

    @property
    def layout(self) -> Layout:
        """Config, ledger, lock and logs lie where those of a run do."""
        return Layout(self.root)

    @property
    def model(self) -> Path:
        return self.root / "model"

    def model_of(self, number: int) -> Path:
        """What comes of stage `number`, from 1."""
        return self.model if number == len(self.stages) else self.stages[number - 1].folder / "model"

    @property
    def scores_responses(self) -> bool:
        """Whether a reward model comes of it."""
        return self.config.training.scores_responses

    def use_of(self, number: int) -> str:
        """The command that asks the model of stage `number`."""
        if self.scores_responses:
            return f"python -m jobs.score input=RUN model={self.model_of(number)}"
        return f"python -m jobs.evaluate model={self.model_of(number)} 'benchmarks=[…]'"

    def complete(self) -> bool:
        """Whether the model is there, made of this very content."""
        return is_made(self.model, self.fingerprint)

    def work_of(self, stage: StagePlan) -> RenderWork:
        return RenderWork(self.config.student, stage.template, stage.settings)


def data_source(given: str, on_bad_row: str) -> Source:
    """What `data=` names. Raises ConfigError when it cannot be had."""
    return open_source("data", given, bad=Skipped(on_bad_row, "on_bad_row").bad)


def plan_training(config: Train, source_of: Callable[[str, str], Source] = data_source) -> TrainingRun:
    """What a config comes to; nothing is written.

    `source_of` opens the data, and may stand in for what is not there yet.

    Raises:
        ConfigError: the data, the student or the prompt cannot be had, or the data has not the columns.
    """
    settings = stages_of(config)
    asked = (scoring_template if config.training.scores_responses else student_template)(config.prompt)
    sources = [source_of(given, config.on_bad_row) for given in config.training_data]
    for given, stage, source in zip(config.training_data, settings.values(), sources, strict=True):
        if source.files and (why := refusal(source.columns, stage)) is not None:
            raise ConfigError(f"data={given}: {why}")
    student = options.content(config.student) | {"chat_template": chat_template(config.student)}
    if (directory := local_directory(config.student.model)) is not None:
        student |= {"model": "directory", "weights": directory_digest(directory)}  # wherever it lies
    content = {
        "format": _FORMAT,
        "student": student,
        "stages": {
            name: options.content(stage)
            | {"data": source.described()}
            | ({} if stage.as_is else {"prompt": asked.content()})
            for (name, stage), source in zip(settings.items(), sources, strict=True)
        },
        "order": list(settings),
    }
    place = config.run
    name = f"{config.student.name}-{config.training.name}"
    root = Path(place.dir or Path(place.root) / f"{name}-{fingerprint(content)[:8]}").absolute()
    check_root(root)
    stages = (
        StagePlan(stage_name, stage, root / f"stage-{number}", source, None if stage.as_is else asked)
        for number, ((stage_name, stage), source) in enumerate(zip(settings.items(), sources, strict=True), 1)
    )
    run = TrainingRun(root, config, content, tuple(stages))
    if not place.fresh:
        training_directory(root).refuse_other(content)
    return run


@contextmanager
def working_on(run: TrainingRun) -> Iterator[None]:
    """Holds the directory of a training, made or found; a mistake inside leaves it as never planned.

    Raises:
        ConfigError: it cannot be written, was made with another content, or holds something else.
        LockTaken: another process works in it.
    """
    made = training_directory(run.root)
    if run.config.run.fresh and made.exists():
        made.move_aside()
        run.config.run.fresh = False
    made.refuse_other(run.content)
    with made.made_for((ConfigError,)), lock(made.lock):
        new = not made.exists()
        if new:
            made.write({"fingerprint": run.fingerprint, "content": run.content})
        write_json(run.layout.config, options.written(_from_anywhere(run.config)))
        try:
            yield
        except ConfigError:
            if new:
                for stage in run.stages:
                    shutil.rmtree(stage.folder, ignore_errors=True)
                run.layout.config.unlink(missing_ok=True)
                made.file.unlink()
            raise


def _from_anywhere(config: Train) -> Train:
    """The config with absolute paths: jobs work in another directory."""
    made = options.restore(Train, options.written(config))
    made.training_data = [str(Path(path).absolute()) for path in made.training_data]
    for section, name in ((made.student, "model"), (made.student, "chat_template"), (made.prompt, "path")):
        if (given := getattr(section, name)) is not None and Path(given).exists():
            setattr(section, name, str(Path(given).absolute()))
    return made


def prepare_examples(run: TrainingRun) -> list[Counts]:
    """The counts of each stage's examples, which are written unless they are there.

    Raises:
        ConfigError: as `write_examples`, or a row is longer than the student's context.
    """
    counts = []
    for stage in run.stages:
        if (found := read_counts(stage.examples)) is None:
            print(f"{stage.name}: reading {stage.source.name}", flush=True)
            found = write_examples(stage.examples, stage.source, run.work_of(stage), run.config.on_bad_row)
            print(f"{stage.name}: {found.words()}", flush=True)
        counts.append(found)
    return counts


def open_training(root: Path) -> TrainingRun:
    """A training as its last command left it.

    Raises:
        ConfigError: the directory is not one, or its data is not what it was.
    """
    training_directory(root).read(lambda raw: raw["content"])
    try:
        config = options.restore(Train, read_json(root / "config.json"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{root}: its config.json cannot be read ({error})") from error
    config.run.dir, config.run.fresh = str(root), False
    return plan_training(config)
