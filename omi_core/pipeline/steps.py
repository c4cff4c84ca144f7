"""The commands that may be steps of a pipeline: how their options are composed, checked and carried out.

A step is composed as its own command line would be, so its help, checks and messages are those of the
command. To make another command a step, add it to `COMMANDS`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omi_core import benchmarks, options
from omi_core.benchmarks.reading import by_name
from omi_core.combine.combine_options import Combine, Mix
from omi_core.combine.finishing import combine_datasets, mix_datasets
from omi_core.combine.sources import Source, open_source
from omi_core.composing.compose import command_root
from omi_core.config import Data, Generate, Reduce, load_generate, load_reduce
from omi_core.decontaminate.checking import check
from omi_core.decontaminate.decontaminate_options import Decontaminate
from omi_core.decontaminate.questions import read_problems, read_sets
from omi_core.inputs import Skipped, file_rows, local_files
from omi_core.options import ConfigError, did_you_mean
from omi_core.pipeline.recipe import PLACE, placed
from omi_core.pipeline.similar_steps import SimilarSteps
from omi_core.pipeline.step_progress import file_digest
from omi_core.preferences.preference_options import Preferences, load_preferences
from omi_core.preferences.preferring import graded_inputs, make_preferences
from omi_core.protocol import Asked, load_evaluate
from omi_core.publish.dataset import read_stats
from omi_core.score_options import load_score
from omi_core.slurm.script import check_cluster, replicas
from omi_core.stages.here import bring_home
from omi_core.stages.knowing import name_weights
from omi_core.stages.planning import (
    chosen_content,
    content_by_bytes,
    generate_content,
    plan_generate,
    plan_reduce,
)
from omi_core.study.arms import settings_of
from omi_core.study.gathering import compared, gather
from omi_core.study.study_options import Gather, load_gather
from omi_core.tasks import task_of
from omi_core.tasks.prompting import Prompting
from omi_core.training.launching import processes
from omi_core.training.students import check_student
from omi_core.training.teaching import check_first_rows, check_installed, train
from omi_core.training.train_options import Train
from omi_core.training.training_run import TrainingRun, data_source, plan_training

Values = dict[str, Any]

# Decided for the pipeline as a whole.
_OF_THE_PIPELINE = ("plan", "run.fresh", "run.root")


@dataclass(frozen=True)
class Command:
    """What a pipeline has to know of a command; its options are plain values, composed and checked.

    `content` is what of them decides the step's result, by the bytes of files, not by where they lie. `check`
    raises ConfigError when what is read from outside cannot be had, for a pipeline in the given directory.
    `owned` are options that the pipeline sets, each to a path below the step's directory; `outputs` is what
    later steps may name, the one without a name under "". `product` is the result of a step that `is_run`
    says is not a run; `input` is the option that names the rows it takes on, if it does. `generates` makes of
    the options the run that the command generates, if it does; `besides` are options that a finished run is
    asked for. `on_cluster` says that it has a section `cluster`.
    """

    content: Callable[[Values], Values]
    check: Callable[[Values, Path], None]
    is_run: bool = False
    owned: Mapping[str, str] = field(default_factory=lambda: {"run.dir": ""})
    outputs: Mapping[str, str] = field(
        default_factory=lambda: {"": "", "rows": "dataset/data/train-*.parquet", "dataset": "dataset"}
    )
    product: str = "dataset"
    input: str | None = "data.path"
    generates: Callable[[Values], Generate] | None = None
    besides: tuple[str, ...] = ()
    on_cluster: bool = False


def _content_of_run(config: Generate) -> Values:
    """As `generate_content`; of a model that an earlier step makes without a look at it."""
    if PLACE not in config.teacher.model:
        return generate_content(config)
    content = content_by_bytes(config) | {"prompt": _prompt_content(config)}
    name_weights(config.teacher, content["teacher"])
    return content


def _prompt_content(config: Generate) -> Any:
    given = config.prompt.path or ""
    return given if PLACE in given else Prompting(config).content()


def _generate_content(values: Values) -> Values:
    config = options.restore(Generate, values)
    return _content_of_run(config) | {"data": _chosen(values["data"], Data())}


def _evaluation(values: Values) -> Generate:
    return load_evaluate(values).generate


def _evaluate_content(values: Values) -> Values:
    config = _evaluation(values)
    read = {
        name: _chosen(options.written(benchmark), benchmarks.Benchmark())
        for name, benchmark in by_name(config.evaluation.benchmarks).items()
    }
    content = _content_of_run(config) | {"benchmarks": read, "limit": config.evaluation.limit}
    return content | _prompt_of_training(config, values)


def _prompt_of_training(config: Generate, values: Values) -> Values:
    """For the prompt that an earlier step leaves beside its model, where no other is chosen."""
    chosen = values["prompt"]["name"] or values["prompt"]["path"]
    return {"prompt": "of the training"} if PLACE in config.teacher.model and not chosen else {}


def _reduce_content(values: Values) -> Values:
    config = options.restore(Reduce, values)
    path = _by_bytes(str(config.input))
    read = {"input": path, "solution": config.solution, "finish": config.finish_reason}
    return chosen_content(config) | read | {"data": _chosen(values["data"], Data())}


def _content(schema: type, *without: str) -> Callable[[Values], Values]:
    return lambda values: _chosen({key: values[key] for key in values if key not in without}, schema())


def _chosen(values: Values, default: Any) -> Values:
    """The options that differ from their defaults, so that one that a later version adds changes nothing."""
    chosen = {}
    late = {field.name for field in fields(default) if field.metadata.get("late")}
    for key, value in values.items():
        known = getattr(default, key)
        if options.is_schema(known):
            below = _chosen(value, known)
            if below or key not in late:
                chosen[key] = below
        elif value != known:
            chosen[key] = options.each_text(value, _by_bytes)
    return chosen


def _by_bytes(text: str) -> str:
    """Of a local file, also as NAME=FILE, a digest of its bytes; another text as it is."""
    if PLACE in text:
        return text
    name, equals, path = text.partition("=")
    if os.path.isdir(text):  # a run or a dataset
        for folder in (Path(text) / "dataset", Path(text)):
            if stats := read_stats(folder):
                return stats["content_hash"]
        return text
    if digest := file_digest(text):
        return digest
    digest = file_digest(path) if equals else None
    return f"{name}={digest}" if digest else text


def _score_content(values: Values) -> Values:
    config = load_score(values)
    content = _content_of_run(config) | {"input": _by_bytes(str(values["input"]))}
    return content | _prompt_of_training(config, values)


def _train_content(values: Values) -> Values:
    run = plan_training(options.restore(Train, values), lambda given, _: _stand_in(given))
    stages = {
        name: stage | {"data": stage["data"]["digest"]} for name, stage in run.content["stages"].items()
    }
    return {**run.content, "stages": stages}


def _stand_in(given: str) -> Source:
    """For training data that is known by its bytes, or is to be made by an earlier step."""
    return Source("", (), (), _by_bytes(given))


def training_of(values: Values) -> TrainingRun:
    """The training of a step as far as it is known: sources that earlier steps make are without files.

    Raises:
        ConfigError: what comes from outside cannot be had.
    """

    def source_of(given: str, on_bad_row: str) -> Source:
        return _stand_in(given) if PLACE in given else data_source(given, on_bad_row)

    return plan_training(options.restore(Train, values), source_of)


def _check_train(values: Values, root: Path) -> None:
    check_installed()
    run = training_of(values)
    if run.config.cluster.kind == "slurm":
        check_cluster(run.config.cluster)
        processes(run)
    if PLACE not in run.config.student.model:
        check_student(run)
        known = tuple(stage for stage in run.stages if stage.source.files)
        check_first_rows(dataclasses.replace(run, stages=known))


def _check_generate(values: Values, root: Path) -> None:
    config = load_generate(placed(values, root))
    _check_site(config)
    if PLACE not in (values["data"]["path"] or ""):
        _plan_first(config, PLACE in values["teacher"]["model"])


def _check_evaluate(values: Values, root: Path) -> None:
    config = _evaluation(placed(values, root))
    _check_site(config)
    _plan_first(config, PLACE in _evaluation(values).teacher.model)


def _check_score(values: Values, root: Path) -> None:
    config = load_score(placed(values, root))
    _check_site(config)
    if PLACE not in values["input"]:
        _plan_first(config, PLACE in load_score(values).teacher.model)


def _check_site(config: Generate) -> None:
    if config.cluster.kind == "slurm":
        check_cluster(config.cluster)
        replicas(config)


def _plan_first(config: Generate, model_to_come: bool) -> None:
    """Plans the run for its first record alone, and makes nothing; without the model if it is not there."""
    config.data.limit = config.evaluation.limit = 1
    config.plan = config.run.fresh = True
    if model_to_come:
        next(task_of(config).records(config, Skipped(config.data.on_bad_row)), None)
    else:
        plan_generate(config)


def _check_reduce(values: Values, root: Path) -> None:
    config = load_reduce(values)
    given = config.input
    if given and PLACE not in given and not Path(given).is_dir():
        bad = Skipped(config.data.on_bad_row).bad
        next(file_rows(local_files("input", given)[0], (), (), bad), None)


def _check_decontaminate(values: Values, root: Path) -> None:
    if PLACE not in values["input"]:
        skipped = Skipped(values["on_bad_row"], "on_bad_row")
        next(read_problems(values["input"], values["column"], skipped), None)
    if values["model"] and find_spec("sentence_transformers") is None:
        raise ConfigError(
            f"model={values['model']}: the package sentence-transformers is missing; install it"
        )
    outside = [given for given in values["test"] if PLACE not in given]
    local = [given for given in outside if file_digest(given.partition("=")[2])]
    if local or not values["test"]:
        read_sets(local, values["test_column"])
    for given in outside:
        name, _, source = given.partition("=")
        if not source and name not in benchmarks.known():
            near = did_you_mean(name, list(benchmarks.known()))
            raise ConfigError(f"test={given}: no known test set{near}; give test=[{name}=FILE]")
        if source.endswith((".jsonl", ".jsonl.zst", ".json", ".parquet")) and given not in local:
            raise ConfigError(f"test={given}: no such file")


def _check_inputs(values: Values, root: Path) -> None:
    """Of a combination or a mixture: every input from outside is there."""
    given = values["inputs"]
    if isinstance(given, list):
        named = [("inputs", path) for path in given]
    else:
        named = [(f"inputs.{name}.path", item["path"]) for name, item in given.items()]
    named += [("match", path) for path in values.get("match", ())]
    named += [("noise.wrong", path) for path in values.get("noise", {}).get("wrong", ())]
    for key, path in [*named, ("keep_problems_of", values.get("keep_problems_of"))]:
        if path is not None and PLACE not in path:
            open_source(key, path, bad=Skipped(values["on_bad_row"], "on_bad_row").bad)


def _check_preferences(values: Values, root: Path) -> None:
    """The inputs and scores from outside are there."""
    config = load_preferences(values)
    if not any(PLACE in given for given in [*config.inputs, *config.scores]):
        graded_inputs(config)


def _check_gather(values: Values, root: Path) -> None:
    """Every finding is about settings that there will be."""
    compared(settings_of(config := load_gather(values)), config)


def make_here(
    config: Generate | Asked | Reduce | Decontaminate | Combine | Mix | Preferences | Train | Gather,
) -> int:
    """Does here what the command of a config does. Returns its exit code; raises what that raises."""
    if isinstance(config, Asked):
        config = config.generate
    if isinstance(config, Generate):
        return bring_home(config.run.drain_seconds, lambda: plan_generate(config))
    if isinstance(config, Reduce):
        return bring_home(config.run.drain_seconds, lambda: plan_reduce(config))
    if isinstance(config, Decontaminate):
        return check(config)
    if isinstance(config, Preferences):
        return make_preferences(config)
    if isinstance(config, Train):
        return train(config)
    if isinstance(config, Gather):
        return gather(config)
    return combine_datasets(config) if isinstance(config, Combine) else mix_datasets(config)


_CHECK_FILES = {"pairs": "contamination.jsonl", "clean": "clean.jsonl", "nearest": "nearest.jsonl"}

COMMANDS = {
    "generate": Command(
        _generate_content, _check_generate, is_run=True, generates=load_generate, on_cluster=True
    ),
    "evaluate": Command(
        _evaluate_content,
        _check_evaluate,
        is_run=True,
        outputs={"": ""},
        input="benchmarks",
        generates=_evaluation,
        besides=("min", "training_data", "data", "scores", "judge", "judge_wrong"),
        on_cluster=True,
    ),
    "score": Command(
        _score_content, _check_score, is_run=True, input="input", generates=load_score, on_cluster=True
    ),
    "reduce": Command(_reduce_content, _check_reduce, is_run=True, input="input"),
    "decontaminate": Command(
        _content(Decontaminate, *_CHECK_FILES),
        _check_decontaminate,
        owned=_CHECK_FILES,
        outputs={"": "clean.jsonl", **_CHECK_FILES},
        product="clean.jsonl",
        input="input",
    ),
    "combine": Command(_content(Combine, "run"), _check_inputs, input="inputs"),
    "mix": Command(_content(Mix, "run"), _check_inputs, input="inputs"),
    "preferences": Command(_content(Preferences, "run", "workers"), _check_preferences, input="inputs"),
    "train": Command(
        _train_content,
        _check_train,
        outputs={"": "model", "prompt": "model/prompt.yaml", "training": ""},
        product="model",
        input="training_data",
        on_cluster=True,
    ),
    "gather": Command(
        _content(Gather, "out"),
        _check_gather,
        owned={"out": "study"},
        outputs={"": "study"},
        product="study",
        input=None,
    ),
}


def generate_of(name: str, values: Values) -> Generate:
    """The run that a step of a command with `generates` makes. Raises ConfigError."""
    make = COMMANDS[name].generates
    assert make is not None
    return make(values)


def run_step(name: str, values: Values) -> int:
    """The work of a step of that command. Returns its exit code; raises what the command raises."""
    return make_here(command_root(name).checked(values))


def compose_step(similar: SimilarSteps, folder: str, given: Values) -> Values:
    """The options of a step, in the directory `folder` below its pipeline's.

    They come from the recipe (`given`) and from the words of a command line that `similar` steps have.

    Raises:
        ConfigError: as the command itself, or an option that the pipeline sets.
    """
    name = similar.command
    keys = [*given, *(each.lstrip("+~").partition("=")[0] for each in similar.words)]
    owned = COMMANDS[name].owned
    for key in keys:
        if key in owned or key in _OF_THE_PIPELINE:
            raise ConfigError(f"{key}: is set by the pipeline; omit it")
        if key.partition(".")[0] in COMMANDS[name].besides:
            raise ConfigError(f"{key}: is asked of a finished run; give it to jobs.{name} run.dir=STEP")
    places = {key: "/".join(p for p in (PLACE, folder, path) if p) for key, path in owned.items()}
    values = similar.compose(given | places)
    config = command_root(name).checked(values, similar.config_dir)  # refused now what it would refuse
    # Of what makes another config than its own options, these are kept.
    return values if name in ("evaluate", "score") else options.written(config)
