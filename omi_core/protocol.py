"""How `jobs.evaluate` asks and samples, and the run of the task `evaluations` that its options mean.

The defaults are those of the papers: zero-shot, with the instruction that the model was trained for; greedy
for one sample, temperature 0.7 for several; 4,096 new tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.answers.answer_options import Answers
from omi_core.benchmarks import DEMO
from omi_core.benchmarks.reading import by_name
from omi_core.cluster_options import Canary, Cluster
from omi_core.config import AnyTeacher, Generate, RunOptions, load_generate
from omi_core.options import ConfigError, option, section
from omi_core.prompts.prompt_options import Prompt
from omi_core.publish.published import dataset_files
from omi_core.tasks.evaluations import GRADED
from omi_core.tasks.score_join import ScoreReader
from omi_core.teachers.models import lacks_chat_template, trained_prompt
from omi_core.teachers.teacher_options import Engine, Sampling

SAMPLED = 0.7
_ZERO_SHOT, _FEW_SHOT = "step_by_step", "concise"


@dataclass
class EvaluationSampling(Sampling):
    """How the samples of an evaluation are drawn."""

    temperature: float | None = option(  # type: ignore[assignment]
        None, "0 is greedy; null: 0 for one sample, 0.7 for several", ge=0
    )
    max_tokens: int = option(4096, "most new tokens per sample (the teacher's context also limits it)", ge=1)


@dataclass
class Evaluate:
    """Root of `jobs.evaluate`."""

    model: str | None = option(None, "hub id or directory of the model; or choose it by teacher=NAME")
    benchmarks: list[str] = option(
        [], "what it is evaluated on: names, NAME=FILE for a local file of one, or YAML files of your own"
    )
    limit: int | None = option(
        None, "only the first problems of each benchmark, for a trial; null: all", ge=1
    )
    samples: int = option(1, "answers to each problem", ge=1)
    temperature: float | None = option(None, "as sampling.temperature, which it stands for", ge=0)
    min: dict[str, float] = option(
        {}, "least pass@1 of benchmarks, min.gsm8k=0.9: below it the command ends with exit code 1"
    )
    training_data: str | None = option(
        None, "data=RUN, a dataset or files: says how many of the questions stand in this training data"
    )
    scores: str | None = option(
        None,
        "run of jobs.score on it, or files with record_id, sample and score: adds the best of k and the vote "
        "weighed by them",
    )
    judge: str | None = option(
        None,
        "teacher that is asked about answers that no rule could decide, or a finished run of task=rulings",
    )
    judge_wrong: bool = option(False, "the judge is asked about answers that are wrong, too")
    seed: int = option(0, "seed of the samples", ge=0)
    teacher: AnyTeacher = section(AnyTeacher)  # type: ignore[valid-type]
    prompt: Prompt = section(Prompt)
    sampling: EvaluationSampling = section(EvaluationSampling)
    answers: Answers = section(Answers)
    tasks: int = option(1, "array tasks that share the work", ge=1)
    reduce_tasks: int = option(1, "array tasks that grade", ge=1)
    engine: Engine = section(Engine)
    cluster: Cluster = section(Cluster)
    plan: bool = option(False, "show what would be done, with the text of every job; do nothing")
    canary: bool | None = option(
        None, "on Slurm: a few samples first, and the array only if they pass; null: where GPUs are asked for"
    )
    wait: bool = option(
        False, "on Slurm: return when the evaluation is there, with an exit code that says how"
    )
    notify: str | None = option(
        None, "shell command that is run once at the end; OMI_RUN, OMI_STATE and others tell it"
    )
    run: RunOptions = section(RunOptions)


@dataclass(frozen=True)
class Asked:
    """What a command line asks for: the run, and what is asked of it besides.

    `least` are shares that are to be right, by benchmark; `training_data` may hold its questions; `judge` is
    a teacher or a run. In `folder` may lie groups of the user's own, with teachers that judge.
    """

    generate: Generate
    least: Mapping[str, float]
    training_data: str | None = None
    judge: str | None = None
    judge_wrong: bool = False
    scores: str | None = None
    folder: Path | None = None

    @property
    def plan(self) -> bool:
        return self.generate.plan


def load_evaluate(values: Mapping[str, Any], folder: Path | None = None) -> Asked:
    """The checked run that `jobs.evaluate` asks for; groups of the user's own may lie in `folder`.

    Raises:
        ConfigError: as `load_generate`; or no model or benchmark is given, or there is no such benchmark.
    """
    config = options.load(Evaluate, values)
    _name_model(config)
    names = list(by_name(config.benchmarks))
    for name, share in config.min.items():
        if name not in names:
            raise ConfigError(f"min.{name}: not one of the benchmarks ({', '.join(names)}); omit it")
        if not 0 <= share <= 1:
            raise ConfigError(f"min.{name}={share}: not a share from 0 to 1; 90 % is 0.9")
    canary = config.cluster.canary
    for key in ("min_answers", "max_unfinished"):  # a model that cannot answer is a result, not a fault
        if getattr(canary, key) == getattr(Canary(), key):
            setattr(canary, key, float(key.startswith("max")))
    sampling = dataclasses.asdict(config.sampling) | {"temperature": _temperature(config)}
    _choose_prompt(config)
    given = options.written(config)
    same = ("teacher", "prompt", "answers", "samples", "seed", "tasks", "reduce_tasks")
    same += ("engine", "cluster", "plan", "canary", "wait", "notify", "run")
    words = [_absolute(word) for word in config.benchmarks]
    generate = load_generate(
        {key: given[key] for key in same}
        | {
            "task": {"name": GRADED.task},
            "data": {"name": "+".join(names)},
            "sampling": sampling,
            "evaluation": {"benchmarks": words, "limit": config.limit},
        }
    )
    if config.training_data is not None:
        dataset_files("data", config.training_data)  # a mistake now, not after GPU hours
    if config.judge_wrong and config.judge is None:
        raise ConfigError("judge_wrong: there is no judge; give judge=TEACHER")
    if config.scores is not None:
        ScoreReader("scores", config.scores).check()
    besides = (config.training_data, config.judge, config.judge_wrong, config.scores, folder)
    return Asked(generate, config.min, *besides)


def _name_model(config: Evaluate) -> None:
    """Puts `model` into the teacher. Raises ConfigError: there is none, or two."""
    if config.model is None:
        if not config.teacher.model:
            raise ConfigError("model: missing; give model=HUB_ID, model=DIRECTORY or teacher=NAME")
        return
    if config.teacher.model:
        raise ConfigError(
            f"model={config.model}: teacher={config.teacher.name} is another one; give one of them"
        )
    config.teacher.model = config.model


def _choose_prompt(config: Evaluate) -> None:
    """Where no prompt is asked for: that of the model's training, if jobs.train left it, or of its family.

    A base model is shown examples to go on after.
    """
    if config.prompt.name is not None or config.prompt.path is not None:
        return
    if (own := trained_prompt(config.teacher)) is not None and config.prompt.format == "chat":
        config.prompt.path = str(own)
    elif config.prompt.format == "chat" and lacks_chat_template(config.teacher):
        config.prompt.name, config.prompt.format = _FEW_SHOT, "completion"
    else:
        config.prompt.name = config.teacher.evaluation_prompt or _ZERO_SHOT


def _temperature(config: Evaluate) -> float:
    given = {value for value in (config.temperature, config.sampling.temperature) if value is not None}
    if len(given) > 1:
        raise ConfigError(
            f"temperature={config.temperature:g}: sampling.temperature={config.sampling.temperature:g} says "
            "otherwise; give one of them"
        )
    return given.pop() if given else SAMPLED if config.samples > 1 else 0.0


def _absolute(word: str) -> str:
    """A word of `benchmarks` with its file from the root: jobs work in another directory."""
    name, equals, path = word.rpartition("=")
    is_path = (equals and name != DEMO) or word.endswith((".yaml", ".yml"))
    return f"{name}{equals}{Path(path).expanduser().absolute()}" if is_path else word
