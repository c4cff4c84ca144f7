"""What `jobs.score` takes, and the run of the task `scores` that its options mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.cluster_options import Cluster
from omi_core.config import AnyTeacher, Generate, RunOptions, check_tags, load_generate
from omi_core.inputs.data_options import Data
from omi_core.options import ConfigError, option, section
from omi_core.prompts import has_section
from omi_core.prompts.prompt_options import Prompt
from omi_core.tasks.scores import SCORES, SolutionsInFiles
from omi_core.teachers.checkpoint import name_of_model
from omi_core.teachers.models import trained_prompt
from omi_core.teachers.teacher_options import Engine

# What a text can be scored by is in the model; of sampling only the context depends on this.
_SAMPLING = {"temperature": 0.0, "top_p": 1.0}
# Of the section `data`.
_OF_FILES = ("problem", "answer", "answer_format", "several_answers", "source", "on_bad_row", "limit")


@dataclass
class Score(SolutionsInFiles):
    """Root of `jobs.score`."""

    input: str | None = option(
        None,
        "run of solutions or evaluation, published and whole; or problems with solutions: .jsonl, .jsonl.zst "
        "or .parquet file, or a glob of them",
    )
    model: str | None = option(None, "hub id or directory of the reward model; or choose it by teacher=NAME")
    teacher: AnyTeacher = section(AnyTeacher)  # type: ignore[valid-type]
    data: Data = section(Data)
    prompt: Prompt = section(Prompt)
    seed: int = option(0, "seed of a rehearsal", ge=0)
    tasks: int = option(1, "array tasks that share the work", ge=1)
    reduce_tasks: int = option(1, "array tasks of the reduce stage", ge=1)
    engine: Engine = section(Engine)
    cluster: Cluster = section(Cluster)
    plan: bool = option(False, "show what would be done, with the text of every job; do nothing")
    canary: bool | None = option(
        None, "on Slurm: a few samples first, and the array only if they pass; null: where GPUs are asked for"
    )
    wait: bool = option(False, "on Slurm: return when the scores are there, with an exit code that says how")
    notify: str | None = option(
        None, "shell command that is run once at the end; OMI_RUN, OMI_STATE and others tell it"
    )
    run: RunOptions = section(RunOptions)


def load_score(values: Mapping[str, Any]) -> Generate:
    """The checked run that `jobs.score` asks for.

    Raises:
        ConfigError: as `load_generate`; or there is no input or model, or options of files for a run.
    """
    config = options.load(Score, values)
    if not config.input:
        raise ConfigError("input: missing; give a run of solutions, an evaluation, or files of solutions")
    if config.model is not None:
        if config.teacher.model:
            raise ConfigError(
                f"model={config.model}: teacher={config.teacher.name} is another one; give one of them"
            )
        config.teacher.model = config.model
    elif not config.teacher.model:
        raise ConfigError("model: missing; give model=HUB_ID, model=DIRECTORY or teacher=NAME")
    check_tags("reasoning_tags", config.reasoning_tags)
    _refuse_unread(config)
    _choose_prompt(config)
    given = options.written(config)
    same = ("teacher", "prompt", "seed", "tasks", "reduce_tasks", "engine", "cluster", "plan", "canary")
    same += ("wait", "notify", "run")
    columns = {name: given[name] for name in options.written(SolutionsInFiles())}
    data = given["data"] | {"name": name_of_model(config.input), "path": config.input, "origin": "file"}
    return load_generate(
        {key: given[key] for key in same}
        | {
            "task": {"name": SCORES.task},
            "samples": 1,
            "sampling": _SAMPLING,
            "data": data,
            "scores": columns,
        }
    )


def _choose_prompt(config: Score) -> None:
    """Shows a model of jobs.train its texts in the words of its training, where no others are chosen."""
    asked = config.prompt
    own = trained_prompt(config.teacher) if asked.name is None and asked.path is None else None
    if own is not None and has_section(SCORES.task, None, str(own)):
        asked.path = str(own)


def _refuse_unread(config: Score) -> None:
    """Raises ConfigError when an option is set that is not read: of a run those on how files are."""
    columns = options.written(SolutionsInFiles())
    is_run = Path(config.input or "").is_dir()
    for key, value, field in options.leaves(config):
        if value != options.default_of(field):
            if is_run and (key in columns or key.startswith("data.")):
                raise ConfigError(f"{key}: not read with input=RUN, whose samples are there; omit it")
            if key.startswith("data.") and key.removeprefix("data.") not in _OF_FILES:
                raise ConfigError(f"{key}: not read by jobs.score; give the file as input=FILE")
