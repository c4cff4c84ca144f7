"""From a command line to a pipeline: the recipe, its parameters, and every step composed and checked."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from omi_core import options
from omi_core.composing.command_line import Takes, read
from omi_core.composing.compose import compose_values
from omi_core.composing.grammar import typed, word
from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError, did_you_mean, each_text, option, section
from omi_core.pipeline.definition import Pipeline, Step, content_of
from omi_core.pipeline.recipe import PLACE, Draft, Outputs, Recipe, fill, read_recipe, step_directory
from omi_core.pipeline.recipe_cells import expand
from omi_core.pipeline.similar_steps import SimilarSteps
from omi_core.pipeline.step_progress import Look
from omi_core.pipeline.steps import COMMANDS, compose_step
from omi_core.slurm.script import check_cluster
from omi_core.store.fingerprint import fingerprint


@dataclass
class PipelinePlace:
    """Where the pipeline lies."""

    dir: str | None = option(None, "the pipeline's directory; null: ROOT/<recipe>-<fingerprint>")
    root: str = option("runs", "where directories of pipelines are made")
    fresh: bool = option(False, "start anew: an old pipeline of that name is moved aside, not continued")
    at_once: int = option(1, "steps that work at the same time here; on Slurm the queue decides", ge=1)


@dataclass
class Options:
    """The options of `jobs.pipeline` itself."""

    recipe: str | None = option(None, "a recipe that comes with the project, or a file of your own, *.yaml")
    plan: bool = option(False, "show the steps, what they read and what is done; do nothing")
    wait: bool = option(
        False, "on Slurm: return when the pipeline has ended, with an exit code that says how"
    )
    notify: str | None = option(
        None, "shell command that is run once at the end; OMI_RUN, OMI_STATE and others tell it"
    )
    run: PipelinePlace = section(PipelinePlace)


@dataclass
class CommandWords:
    """A command line, sorted: own options, parameters, and words for the cluster, all runs or one step.

    `there` are steps that are not made, since a directory with what they would make is given.
    """

    own: Options = field(default_factory=Options)
    parameters: dict[str, Any] = field(default_factory=dict)
    cluster: list[str] = field(default_factory=list)
    generate: list[str] = field(default_factory=list)
    steps: dict[str, list[str]] = field(default_factory=dict)
    there: dict[str, Path] = field(default_factory=dict)
    folder: Path | None = None


def recipe_files(folder: Path | None) -> dict[str, Path]:
    """Recipes by name: those of the project, and those in the folder `recipe` of a --config-dir."""
    places = [Path(str(files("hydra_conf") / "recipe")), *([folder / "recipe"] if folder else [])]
    return {path.stem: path for place in places for path in sorted(place.glob("*.yaml"))}


def find_recipe(name: str | None, folder: Path | None) -> Recipe:
    """The recipe of that name or in that file. Raises ConfigError when there is none."""
    known = recipe_files(folder)
    if name is None:
        raise ConfigError(f"recipe: missing; give recipe=NAME, one of {', '.join(known)}, or a file")
    if name.endswith((".yaml", ".yml")):
        return read_recipe(Path(name))
    if name not in known:
        near = did_you_mean(name, list(known))
        raise ConfigError(f"recipe={name}: no such recipe{near}; one of {', '.join(known)}, or a file *.yaml")
    return read_recipe(known[name])


def read_words(arguments: Sequence[str]) -> tuple[Recipe, CommandWords]:
    """The recipe that a command line means, and its words sorted.

    Raises:
        ConfigError: no such recipe, parameter, step or option of the pipeline.
    """
    line = read("pipeline", arguments, Takes(folder=True))
    words = CommandWords(folder=line.folder)
    pairs = [(option, *option.partition("=")[::2]) for option in line.options]
    known = {key for key, _, _ in options.leaves(Options())}
    run_options = {key for key, _, _ in options.leaves(Generate()) if key.startswith("run.")}
    own: dict[str, Any] = {}
    for _, key, value in pairs:
        if key in known:
            head, _, leaf = key.rpartition(".")
            place = own.setdefault(head, {}) if head else own
            place[leaf] = typed(value, None)
    words.own = options.load(Options, own)
    recipe = find_recipe(words.own.recipe, words.folder)
    for argument, key, value in pairs:
        if key in known:
            continue
        if key in recipe.parameters:
            words.parameters[key] = _parameter(key, value, recipe.parameters[key])
        elif found := re.fullmatch(r"steps\.(\w+)\.([^=]+)", key):
            words.steps.setdefault(found[1], []).append(f"{found[2]}={value}")
        elif found := re.fullmatch(r"steps\.(\w+)", key):
            words.there[found[1]] = Path(value).expanduser().absolute()
        elif re.match(r"\+*cluster(\.|$)", key):
            words.cluster.append(argument)
        elif key.partition(".")[0] in ("run", "steps") and key not in run_options:
            near = did_you_mean(key, [*known, *run_options])
            raise ConfigError(f"{key}: no such option of a pipeline{near}; of a step it is steps.NAME.OPTION")
        else:
            words.generate.append(argument)
    names = [draft.name for draft in recipe.steps]
    for name in [*words.steps, *words.there]:
        if name not in names:
            near = did_you_mean(name, names)
            raise ConfigError(
                f"steps.{name}: no such step{near}; recipe={recipe.name} has {', '.join(names)}"
            )
        if name in words.steps and name in words.there:
            raise ConfigError(f"steps.{name}: its result is given, so it takes no options; omit one of them")
    return recipe, words


def _parameter(key: str, text: str, default: Any) -> Any:
    """A parameter's value from the command line, as YAML, of the type of its default."""
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    if value is None:
        return None
    kind = type(default)
    if kind is list and not isinstance(value, list):
        raise ConfigError(f"{key}={text}: a list is expected, {key}=[{text}]")
    if kind is dict and not isinstance(value, dict):
        raise ConfigError(f"{key}={text}: names with values are expected, {key}={{NAME: VALUE}}")
    if kind in (int, float, bool) and (isinstance(value, bool) != (kind is bool) or isinstance(value, str)):
        raise ConfigError(f"{key}={text}: not a value of the right type; the default is {default}")
    return text if kind is str or (default is None and not isinstance(value, (list, dict))) else value


def compose(recipe: Recipe, words: CommandWords) -> Pipeline:
    """The pipeline of a recipe, every step composed; nothing is made, and no input is read but for digests.

    Raises:
        ConfigError: a step that its command would refuse, a reference to what is not there before it.
    """
    expanded = expand(recipe, words.parameters)
    for name, path in words.there.items():
        _check_there(expanded, name, path)
    drafts = fill(expanded, words.parameters, _outputs, words.there)
    cluster = load_generate(compose_values("generate", words.cluster, words.folder)).cluster
    check_cluster(cluster)
    if cluster.kind == "slurm" and words.own.run.at_once > 1:
        raise ConfigError("run.at_once: is for this machine; on Slurm steps wait in the queue, so omit it")
    steps: list[Step] = []
    contents: dict[str, dict[str, Any]] = {}
    similar = {
        draft.of: SimilarSteps(draft.command, _words(draft, words), words.folder) for draft, _ in drafts
    }
    for draft, needs in drafts:
        command = COMMANDS[draft.command]
        try:
            folder = step_directory(draft.number, draft.name)
            values = compose_step(similar[draft.of], folder, draft.options)
            if command.on_cluster and values["cluster"]["kind"] != cluster.kind:
                raise ConfigError("cluster: give it for the whole pipeline, +cluster=NAME")
            contents[draft.name] = command.content(values)
        except ConfigError as error:
            raise ConfigError(f"recipe={recipe.name}: step {draft.name}: {error}") from error
        read = set() if command.input is None else _folders(_value(values, command.input))
        reads = tuple(step.name for step in steps if step.folder in read)
        of = (draft.number, draft.name, draft.command, values, needs, reads)
        steps.append(Step(*of, command.is_run, command.product, draft.of, dict(draft.cell)))
    content = content_of(steps, contents)
    name = f"{recipe.name}-{fingerprint(content)[:8]}"
    root = Path(words.own.run.dir) if words.own.run.dir else Path(words.own.run.root) / name
    return Pipeline(
        root=root.absolute(),
        recipe=recipe.name,
        fingerprint=fingerprint(content),
        content=content,
        steps=tuple(steps),
        cluster=dataclasses.asdict(cluster),
        cwd=os.getcwd(),
        fresh=words.own.run.fresh,
        plan=words.own.plan,
        wait=words.own.wait,
        notify=words.own.notify,
        at_once=words.own.run.at_once,
    )


def _check_there(recipe: Recipe, name: str, path: Path) -> None:
    """Raises ConfigError: the step is one of several for cells, or its result is not in that directory."""
    draft = next((each for each in recipe.steps if each.name == name), None)
    if draft is None:
        raise ConfigError(
            f"steps.{name}={path}: the step is made for each cell; only one that all share can be given"
        )
    _outputs(draft)
    command = COMMANDS[draft.command]
    if not (path / command.product).exists():
        raise ConfigError(
            f"steps.{name}={path}: has no {command.product} of jobs.{draft.command}; give the directory of a "
            "finished one"
        )


def _words(draft: Draft, words: CommandWords) -> list[str]:
    """The words of the command line that are for a step."""
    command = COMMANDS[draft.command]
    given = list(words.cluster) if command.on_cluster else []
    given += words.generate if draft.command == "generate" else []
    if command.generates is not None and words.own.notify is not None:  # where a gate ends the chain
        given.append(word("notify", words.own.notify))
    return given + words.steps.get(draft.of, [])


def _value(values: dict[str, Any], key: str) -> Any:
    head, _, leaf = key.rpartition(".")
    return (values[head] if head else values)[leaf]


def _folders(value: Any) -> set[str]:
    """The folders of steps that paths in a value lead to."""
    found: set[str] = set()
    each_text(value, lambda text: found.update(re.findall(rf"{PLACE}/([^/]+)", text)))
    return found


def _outputs(draft: Draft) -> Outputs:
    if draft.command not in COMMANDS:
        near = did_you_mean(draft.command, list(COMMANDS))
        raise ConfigError(
            f"step {draft.name}: command: {draft.command}: not one that can be a step{near}; "
            f"one of {', '.join(COMMANDS)}"
        )
    return COMMANDS[draft.command].outputs


def _from_outside(step: Step) -> bytes:
    """The same for steps of the recipe that differ in seed, place and the earlier steps they read."""
    values = {key: value for key, value in step.config.items() if key not in ("run", "seed")}
    if step.trains:
        values["training"] = values["training"] | {"seed": None}
    anywhere = each_text(values, lambda text: re.sub(rf"{PLACE}/[^/]+", PLACE, text))
    return orjson.dumps([step.of, anywhere], option=orjson.OPT_SORT_KEYS)


def check_inputs(pipeline: Pipeline) -> None:
    """Raises ConfigError when a step that has not begun reads from outside what cannot be had.

    Of steps that read the same from outside the first is asked.
    """
    look, asked = Look(pipeline), set()
    for step in pipeline.steps:
        if pipeline.directory(step).exists() and (step.is_run or look.result(step) is not None):
            continue
        if (same := _from_outside(step)) in asked:
            continue
        asked.add(same)
        try:
            COMMANDS[step.command].check(step.config, pipeline.root)
        except ConfigError as error:
            raise ConfigError(f"recipe={pipeline.recipe}: step {step.name}: {error}") from error
