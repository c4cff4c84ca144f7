"""The student's model: opened for a stage, sized for the plan, and written at the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError
from omi_core.store.files import fsync_tree, rename, write_atomic, write_json
from omi_core.teachers.models import model_path
from omi_core.training.checkpoints import average_steps, checkpoints, write_model
from omi_core.training.examples import tokenizer_of
from omi_core.training.preference_rendering import template_file
from omi_core.training.train_options import Student, Training
from omi_core.training.training_directory import CARD, MANIFEST
from omi_core.training.training_run import StagePlan, TrainingRun

# Bytes of a parameter in a checkpoint: the weight, and the two moments of Adam, in float32.
_WEIGHT, _MOMENTS = 4, 8


def student_config(student: Student, stage: Training, begun_with: Path | None = None) -> Any:
    """The model's config for a stage, of `begun_with` where an earlier stage made it.

    Raises:
        ConfigError: it cannot be had, or the stage's rows are longer than the model's context.
    """
    from transformers import AutoConfig

    try:
        place, revision = _place(student, begun_with)
        config = AutoConfig.from_pretrained(place, revision=revision)
    except ConfigError:
        raise
    except Exception as error:  # the hub client raises many kinds
        raise ConfigError(
            f"student.model={student.model}: its config.json cannot be had "
            f"({' '.join(str(error).split())[:200]}); give a copy of the model as student.model=DIRECTORY"
        ) from error
    context = getattr(config, "max_position_embeddings", None)
    if stage.rope_theta is not None:
        config.rope_parameters = dict(config.rope_parameters or {}) | {"rope_theta": stage.rope_theta}
        config.max_position_embeddings = max(context or 0, stage.max_length)
    elif context is not None and stage.max_length > context:
        raise ConfigError(
            f"training.max_length={stage.max_length}: the context of {student.model} has {context} tokens; "
            "lower it, or raise the context by training.rope_theta"
        )
    return config


def _place(student: Student, begun_with: Path | None) -> tuple[str, str | None]:
    """Where the weights of a stage's beginning lie, and their revision."""
    return (str(begun_with), None) if begun_with else (model_path(student.model), student.revision)


def open_student(student: Student, stage: Training, begun_with: Path | None, tokenizer: Any) -> Any:
    """The model that a stage begins with, in float32: the base model, or that of the stage before."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig, set_seed

    config = student_config(student, stage, begun_with)
    more: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": stage.attention}
    if stage.scores_responses:
        return _open_scorer(student, stage, begun_with, tokenizer, config, more)
    if student.scratch and begun_with is None:
        config.initializer_range = student.init_std or config.initializer_range
        set_seed(stage.seed)
        model = AutoModelForCausalLM.from_config(config, **more)
        model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
        return model
    place, revision = _place(student, begun_with)
    model = AutoModelForCausalLM.from_pretrained(place, revision=revision, config=config, **more)
    ends = model.generation_config.eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    if tokenizer.eos_token_id not in ends:  # a base model's own end stays one, too
        model.generation_config.eos_token_id = [tokenizer.eos_token_id, *ends]
    return model


def _open_scorer(
    student: Student, stage: Training, begun_with: Path | None, tokenizer: Any, config: Any, more: Any
) -> Any:
    """A model with one output for a text; the base model's own weights, below a head of random ones."""
    from transformers import AutoModelForSequenceClassification, set_seed

    from omi_core.training.float32_head import Float32Head

    config.num_labels, config.pad_token_id = 1, tokenizer.pad_token_id
    set_seed(stage.seed)
    if student.scratch and begun_with is None:
        config.initializer_range = student.init_std or config.initializer_range
        model = AutoModelForSequenceClassification.from_config(config, **more)
    else:
        place, revision = _place(student, begun_with)
        model = AutoModelForSequenceClassification.from_pretrained(
            place, revision=revision, config=config, **more
        )
    model.score = Float32Head(model.score)
    return model


def write_stage_model(run: TrainingRun, number: int, steps: int, rows: int, card: str) -> None:
    """Writes the model of a stage, whole or not at all, from its last checkpoints.

    `rows` are those that it has learnt from, in this stage and those before.
    """
    stage, target = run.stages[number - 1], run.model_of(number)
    wanted = average_steps(steps, stage.settings.average)
    taken = [each for each in checkpoints(stage.folder) if each.step in wanted]
    if [each.step for each in taken] != wanted:
        raise ConfigError(f"{stage.folder}: a checkpoint that is to be averaged is gone; give run.fresh=true")
    made = target.with_name(".model")
    shutil.rmtree(made, ignore_errors=True)
    write_model(taken, made, run.config.student.dtype)
    _write_prompt(run, stage, made)
    files = {path.name: path.stat().st_size for path in sorted(made.iterdir())}
    write_json(made / MANIFEST, {"fingerprint": run.fingerprint, "rows": rows, "files": files})
    write_atomic(made / CARD, card.encode())
    fsync_tree(made)
    if target.exists():  # of an older training, or damaged
        shutil.rmtree(target)
    rename(made, target)


def _write_prompt(run: TrainingRun, stage: StagePlan, model: Path) -> None:
    """Leaves the words that the student was asked with where jobs.evaluate and jobs.score find them."""
    prompt = run.config.prompt
    if run.scores_responses:
        if stage.template is not None:
            write_atomic(model / "prompt.yaml", template_file(stage.template).encode())
        return
    if prompt.examples is not None or not prompt.system:
        return  # no file says so
    if prompt.path is not None:
        shutil.copyfile(prompt.path, model / "prompt.yaml")
    else:
        write_atomic(model / "prompt.yaml", f"solutions: {prompt.name or 'step_by_step'}\n".encode())


def parameters(config: Any, scores: bool = False) -> int:
    """How many parameters a model of this config has, that writes or `scores`; nothing is allocated."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    with torch.device("meta"):
        return kind.from_config(config).num_parameters()


def disk_need(count: int, stages: tuple[StagePlan, ...], dtype: str) -> int:
    """The most bytes that checkpoints and models of `count` parameters take at once."""
    model = count * (2 if dtype == "bfloat16" else 4)
    whole = count * (_WEIGHT + _MOMENTS)
    averaged = max(stage.settings.average for stage in stages) - 1
    # One checkpoint stands while the next is written.
    return 2 * whole + averaged * count * _WEIGHT + len(stages) * model


def check_student(run: TrainingRun) -> Any:
    """The config of the student's model. Raises ConfigError where a stage cannot be trained on it."""
    tokenizer_of(run.config.student, run.stages[0].settings)
    configs = [student_config(run.config.student, stage.settings) for stage in run.stages]
    return configs[-1]
