"""The options of `jobs.train`: the student, how it is trained, on what, and where."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.cluster_options import Cluster
from omi_core.combine.combine_options import Place
from omi_core.options import ConfigError, option, section
from omi_core.prompts.prompt_options import Prompt

_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+", re.ASCII)
SCHEDULES = ("constant", "linear", "cosine")
# What a training makes of the rows: a model that replies, or one that scores replies.
_SFT, _REWARD = "sft", "reward"


@dataclass
class Student:
    """The model that is trained."""

    name: str = option("tiny", "the name on the model card and in the name of the run")
    model: str = option(
        "embedded:strong",
        "hub id of the base model, also as ID@COMMIT, or its directory, "
        "or embedded:base, :strong, :weak, :thinking, :muddled or :verbose",
    )
    revision: str | None = option(
        None, "commit or tag of the model on the hub; null: that of the model if it names one"
    )
    scratch: bool = option(
        False, "begin with random weights: of the model only shape and tokenizer are taken"
    )
    init_std: float | None = option(
        None, "with scratch: standard deviation of random weights; null: as the model's config says", gt=0
    )
    dtype: str = option(
        "bfloat16",
        "precision of the arithmetic, and of the weights that are written; those in training are float32",
        choices=("float32", "bfloat16"),
    )
    chat_template: str | None = option(
        None, "a chat template for a model without one: llama3, or a file (Jinja); null: the model's own"
    )


@dataclass
class Training:
    """How a student is trained; each stage may have values of its own."""

    name: str = option("demo", "the name of these settings on the model card")
    objective: str = option(
        _SFT,
        "what is learnt: sft, the replies of chat data; reward, to score right responses of preference data "
        "above wrong ones",
        choices=(_SFT, _REWARD),
        late=True,
    )
    epochs: float = option(1.0, "how often each row is seen", gt=0)
    steps: int | None = option(None, "updates of the weights; null: as many as the epochs take", ge=1)
    batch: int = option(64, "rows of one update, over all processes", ge=1)
    learning_rate: float | None = option(None, "its peak; null: what `rates` has for this student", gt=0)
    rates: dict[str, float] = option({}, "learning rate by the student's name")
    schedule: str = option("constant", "how the learning rate goes on after warm-up", choices=SCHEDULES)
    warmup: float = option(0.0, "share of the steps over which the learning rate rises from 0", ge=0, lt=1)
    min_rate: float = option(0.0, "with a cosine: the share of the peak that it ends at", ge=0, le=1)
    weight_decay: float = option(0.01, "AdamW's weight decay", ge=0)
    second_beta: float = option(0.999, "AdamW's second beta", gt=0, lt=1)
    max_grad_norm: float = option(1.0, "gradients are clipped to this norm; 0: not at all", ge=0)
    max_length: int = option(
        4096, "most tokens of a row, or of preference data of each response: prompt and reply together", ge=16
    )
    too_long: str = option("drop", "a longer row: left out, or cut off there", choices=("drop", "cut"))
    average: int = option(
        1, "the model is the mean of so many equally spaced checkpoints, the last one included", ge=1
    )
    rope_theta: float | None = option(
        None,
        "base of the rotary positions, for rows longer than the model's context; null: the model's",
        gt=0,
    )
    as_is: bool = option(
        False, "messages stand as they are; false: a single question is asked in the words of the prompt"
    )
    seed: int = option(0, "seed of the order of rows, and of random weights", ge=0)
    stages: dict[str, Any] = option(
        {}, "NAME: {option: value} for each of several stages, each on data of its own; none: one stage"
    )
    micro_batch: int = option(8, "most rows that a process works on at once", ge=1, transient=True)
    packing: bool = option(
        True,
        "the rows of a micro-batch stand end to end, without padding; each attends to itself alone",
        transient=True,
    )
    gradient_checkpointing: bool = option(
        True, "activations are calculated again, and not kept: less memory, a third more time", transient=True
    )
    attention: str = option(
        "sdpa", "attention of transformers: sdpa, flash_attention_2, flex_attention, …", transient=True
    )
    shard: bool | None = option(
        None, "FSDP2: weights are spread over all GPUs; null: where there are several", transient=True
    )
    save_every: int = option(200, "steps between checkpoints", ge=1, transient=True)
    report_to: list[str] | None = option(
        None,
        "trackers of transformers: tensorboard, wandb, …; null: tensorboard where it is installed",
        transient=True,
    )

    @property
    def scores_responses(self) -> bool:
        """Whether a reward model is trained."""
        return self.objective == _REWARD


@dataclass
class Train:
    """Root of `jobs.train`."""

    training_data: list[str] = option(
        [],
        "data=RUN: a run, dataset or mixture, or files with `messages`; of several stages one for each",
        transient=True,
    )
    on_bad_row: str = option(
        "stop",
        "a line that is broken, or a row without a column: stop there, or skip and count it",
        choices=("stop", "skip"),
        transient=True,
    )
    student: Student = section(Student)
    training: Training = section(Training)
    prompt: Prompt = section(Prompt)
    nodes: int = option(1, "nodes of the job on Slurm, each with all its GPUs", ge=1, transient=True)
    cluster: Cluster = section(Cluster, transient=True)
    plan: bool = option(
        False, "show what would be done, with the text of the job; do nothing", transient=True
    )
    run: Place = section(Place, transient=True)


def load_train(values: Mapping[str, Any]) -> Train:
    """The checked config of `jobs.train`.

    Raises:
        ConfigError: as `options.load`, or values that do not go together.
    """
    config = options.load(Train, values)
    _part_revision(config.student)
    stages = stages_of(config)
    given = config.training_data
    if not given:
        raise ConfigError("data: missing; give a run, a dataset, a mixture or a file, data=runs/demo")
    if len(given) != len(stages):
        names = ", ".join(config.training.stages) or "one"
        raise ConfigError(
            f"data: {len(given)} given for {len(stages)} stages ({names}); give one for each, in their order"
        )
    if config.prompt.format != "chat":
        raise ConfigError(
            f"prompt.format={config.prompt.format}: a student is asked by its chat template; omit it"
        )
    if config.nodes > 1 and config.cluster.kind != "slurm":
        raise ConfigError(f"nodes={config.nodes}: only a cluster has several; give +cluster=NAME")
    return config


def _part_revision(student: Student) -> None:
    """Puts the commit of ID@COMMIT where it belongs; one that the user gives besides wins."""
    name, _, commit = student.model.partition("@")
    if commit and _HUB_ID.fullmatch(name) and not Path(student.model).exists():
        student.model, student.revision = name, student.revision or commit


def stages_of(config: Train) -> dict[str, Training]:
    """The settings of each stage, by its name, in order; with the learning rate of the student.

    Raises:
        ConfigError: a stage with an option that there is not, no learning rate for the student, or an
            objective that does not go with the rest.
    """
    common = dataclasses.asdict(config.training) | {"stages": {}}
    given = config.training.stages or {config.training.objective: {}}
    stages = {}
    for name, own in given.items():
        if not isinstance(own, Mapping):
            raise ConfigError(
                f"training.stages.{name}={own}: not a mapping; give training.stages.{name}.KEY=…"
            )
        try:
            stage = options.load(Training, common | dict(own))
        except ConfigError as error:
            raise ConfigError(f"training.stages.{name}.{error}") from error
        if stage.learning_rate is None:
            stage.learning_rate = stage.rates.get(config.student.name)
        if stage.learning_rate is None:
            known = ", ".join(stage.rates) or "none"
            raise ConfigError(
                f"training.learning_rate: training={stage.name} has none for student={config.student.name} "
                f"(but for: {known}); give training.learning_rate=…"
            )
        stage.rates = {}
        _check_objective(config, stage)
        stages[str(name)] = stage
    return stages


def _check_objective(config: Train, stage: Training) -> None:
    """Raises ConfigError where a stage has another objective, or what a reward model cannot have."""
    if stage.objective != config.training.objective:
        raise ConfigError(
            f"training.stages: objective={stage.objective}: all stages have one; give "
            "training.objective=…, outside of them"
        )
    if not stage.scores_responses:
        return
    if stage.packing:
        raise ConfigError(
            f"training.packing=true: not with objective={_REWARD}, whose responses are padded; give "
            "training.packing=false"
        )
    if stage.too_long == "cut":
        raise ConfigError(
            f"training.too_long=cut: not with objective={_REWARD}, a response is scored whole; give "
            "training.too_long=drop"
        )
