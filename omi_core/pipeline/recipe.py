"""Recipes: a YAML file with parameters and ordered steps becomes steps with their parameters filled in.

    parameters: {teacher: llama31_70b, data: null}
    steps:
      solve: {command: generate, options: {data: math, data.path: "${data}", teacher: "${teacher}"}}
      check: {command: decontaminate, options: {input: "${step:solve}", test: [gsm8k]}}

`${NAME}` is a parameter; alone in a value it keeps its type. `${step:NAME}`, or `${step:NAME.OUTPUT}`, is
what an earlier step makes; it becomes a path below `PLACE`, which stands for the pipeline's directory
wherever that lies. What `cells` and `seeds` mean is in `recipe_cells`.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError, did_you_mean, each_text

# Begins every path below the pipeline's directory, until a step starts. No user's path begins like it.
PLACE = "//pipeline"

_STEP_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_WORDS = re.compile(r"\$\{([^{}]*)\}")
Outputs = Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """A step, the `number`th of its recipe; or what a step named `of` is for one `cell`."""

    name: str
    command: str
    options: dict[str, Any] = field(default_factory=dict)
    number: int = 1
    of: str = ""
    cell: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A recipe as its file has it: the parameters with their defaults, and the steps in order.

    `cells` and `seeds` are as the file has them, too, None where it has none.
    """

    name: str
    path: Path
    parameters: dict[str, Any]
    steps: tuple[Draft, ...]
    cells: Any = None
    seeds: Any = None


def step_directory(number: int, name: str) -> str:
    """The directory of the `number`th step of a recipe, counted from 1, below that of its pipeline."""
    return f"{number:02d}-{name}"


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file.

    Raises:
        ConfigError: it cannot be read, or is not of the form of a recipe.
    """
    import yaml

    where = f"recipe={path.stem}"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{where}: {path} cannot be read ({' '.join(str(error).split())})") from error
    values = _mapping(where, values, ("parameters", "cells", "seeds", "steps"))
    parameters = _mapping(f"{where}: parameters", values.get("parameters") or {})
    for name in parameters:
        if not re.fullmatch(r"[a-z_]\w*", name, re.ASCII) or name in ("recipe", "steps", "plan", "run"):
            raise ConfigError(f"{where}: parameters.{name}: not a name for a parameter; choose another")
    steps = _mapping(f"{where}: steps", values.get("steps"))
    if not steps:
        raise ConfigError(f"{where}: has no steps; give steps: {{NAME: {{command: ..., options: ...}}}}")
    drafts = tuple(_draft(where, number, *item) for number, item in enumerate(steps.items(), 1))
    return Recipe(path.stem, path, parameters, drafts, values.get("cells"), values.get("seeds"))


def _draft(where: str, number: int, name: str, values: Any) -> Draft:
    where = f"{where}: step {name}"
    if not _STEP_NAME.fullmatch(name):
        raise ConfigError(f"{where}: not a name for a step; use small letters, digits and _")
    values = _mapping(where, values, ("command", "options"))
    if not isinstance(values.get("command"), str):
        raise ConfigError(f"{where}: names no command; give command: generate, or another")
    options = _mapping(f"{where}: options", values.get("options") or {})
    return Draft(name, values["command"], options, number, name)


def _mapping(where: str, value: Any, known: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{where}: names with values are expected, NAME: VALUE")
    for key in value:
        if known and key not in known:
            raise ConfigError(f"{where}: {key}: no such key{did_you_mean(key, list(known))}")
    return value


def fill(
    recipe: Recipe,
    given: Mapping[str, Any],
    outputs_of: Callable[[Draft], Outputs],
    there: Mapping[str, Path] | None = None,
) -> list[tuple[Draft, tuple[str, ...]]]:
    """(step with its options filled in, names of the steps it needs), in order.

    `given` are parameters that replace their defaults. `outputs_of` tells what a step makes: output name to
    path in the step's directory, the unnamed one under "". Steps in `there` are left out, for their results
    are in those directories.

    Raises:
        ConfigError: a word in `${}` that is neither a parameter nor an output of an earlier step.
    """
    parameters = recipe.parameters | dict(given)
    outputs: dict[str, tuple[str, Outputs]] = {}
    filled = []
    for draft in recipe.steps:
        if there and draft.name in there:
            outputs[draft.name] = (str(there[draft.name]), outputs_of(draft))
            continue
        needs: dict[str, None] = {}

        def value_of(word: str, where: str, needs: dict[str, None] = needs) -> Any:
            if word.startswith("step:"):
                name, output = word.removeprefix("step:"), ""
                if name not in outputs and "." in name:  # the name of a step in a cell may have dots, too
                    name, _, output = name.rpartition(".")
                if not there or name not in there:
                    needs[name] = None
                return _path(name, output, outputs, f"{where}: ${{{word}}}")
            if word not in parameters:
                raise ConfigError(
                    f"{where}: ${{{word}}}: no such parameter{did_you_mean(word, list(parameters))}; "
                    f"there are {', '.join(parameters) or 'none'}, and step:NAME"
                )
            return parameters[word]

        options = {}
        for key, value in draft.options.items():
            where = f"recipe={recipe.name}: step {draft.name}: {key}"
            options[key] = each_text(value, partial(with_words, where=where, value_of=value_of))
        filled.append((replace(draft, options=options), tuple(needs)))
        folder = f"{PLACE}/{step_directory(draft.number, draft.name)}"
        outputs[draft.name] = (folder, outputs_of(draft))
    return filled


def _path(name: str, output: str, outputs: Mapping[str, tuple[str, Outputs]], where: str) -> str:
    if name not in outputs:
        raise ConfigError(f"{where}: no such step before this one{did_you_mean(name, list(outputs))}")
    folder, made = outputs[name]
    if output not in made:
        known = [word for word in made if word]
        raise ConfigError(
            f"{where}: step {name} makes no {output or 'file'}{did_you_mean(output, known)}; "
            f"it makes {', '.join(known)}"
        )
    return "/".join(part for part in (folder, made[output]) if part)


def with_words(text: str, where: str, value_of: Callable[[str, str], Any]) -> Any:
    """The text with every `${…}` in it replaced; what stands alone keeps its type."""
    if whole := _WORDS.fullmatch(text):
        return value_of(whole[1], where)
    return _WORDS.sub(lambda found: _text(value_of(found[1], where), found[0], where), text)


def _text(value: Any, word: str, where: str) -> str:
    if value is None or isinstance(value, (dict, list)):
        short = reprlib.repr(value)
        raise ConfigError(f"{where}: {word} is {short}, which has no place inside a text; set it")
    return str(value).lower() if isinstance(value, bool) else str(value)


def placed(value: Any, root: Path) -> Any:
    """The value with `PLACE` replaced by the pipeline's directory, at any depth."""
    return each_text(value, lambda text: re.sub(rf"{PLACE}(?=/|$)", lambda _: str(root), text))
