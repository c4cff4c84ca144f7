"""The cells of a recipe: one for each setting and seed of a study, and what they share made once.

    parameters: {noise: [0, 0.2], seeds: 3}
    cells: {noise: "${noise}", size: [1000, 4000]}     # a grid, or a list of sets, [{noise: 0}, {noise: 0.2}]
    seeds: ${seeds}
    steps:
      pool: {command: generate, options: {...}}                                                   # made once
      data: {command: combine, options: {inputs: ["${step:pool}"], noise.share: "${cell:noise}"}} # per noise
      student: {command: train, options: {data: "${step:data}", training.seed: "${cell:seed}"}}
      graded: {command: evaluate, options: {model: "${step:student}"}}
      study: {command: gather, options: {cells: "${cells:graded}"}}

A step is made once for each combination of the values of `${cell:NAME}` that it uses, in its own options or
through the steps that it names; one that only some cells choose, `${step:${cell:kind}}`, for those alone.
`expand` is a pure function from such a recipe to one of plain steps; all
that is done with recipes is done with those.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from omi_core.options import ConfigError, did_you_mean, each_text
from omi_core.pipeline.recipe import Draft, Recipe, with_words
from omi_core.records import digest128

SEED = "seed"
Cell = Mapping[str, Any]  # parameter of the cells, or SEED -> its value

_PARAMETER = re.compile(r"[a-z_]\w*", re.ASCII)
_NO_PARAMETERS = (SEED, "nan", "inf")  # the last two would be read as numbers
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?", re.ASCII)
_LONGEST = 32


def expand(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """The recipe with every step once for each part of the cells that it uses, and without `cells`.

    `given` are parameters that replace their defaults. Steps that use nothing of the cells keep their names.

    Raises:
        ConfigError: cells or seeds are not as they have to be, a word in `${}` means none of them, or a
            value of theirs is not used.
    """
    cells = cells_of(recipe, given)
    expansion = _Expansion(recipe, cells)
    for draft in recipe.steps:
        expansion.add(draft)
    for name in cells[0]:
        if name not in expansion.used:
            what = "seeds" if name == SEED else f"cells.{name}"
            raise ConfigError(f"recipe={recipe.name}: {what}: no step uses ${{cell:{name}}}; omit it")
    return replace(recipe, steps=tuple(expansion.wanted()), cells=None, seeds=None)


def cells_of(recipe: Recipe, given: Mapping[str, Any]) -> list[Cell]:
    """The cells of a recipe, in the order of its sets or its grid, of which the last parameter is fastest.

    A recipe without cells is one cell without parameters.

    Raises:
        ConfigError: as `expand`.
    """
    where = f"recipe={recipe.name}"
    parameters = recipe.parameters | dict(given)

    def value_of(word: str, where: str) -> Any:
        if word not in parameters:
            raise ConfigError(
                f"{where}: ${{{word}}}: no such parameter{did_you_mean(word, list(parameters))}"
            )
        return parameters[word]

    def filled(key: str, value: Any) -> Any:
        return each_text(value, lambda text: with_words(text, f"{where}: {key}", value_of))

    sets: list[dict[str, Any]] = [{}]
    if recipe.cells is not None:
        sets = _sets(f"{where}: cells", filled("cells", recipe.cells))
    if recipe.seeds is None:
        return list(sets)
    seeds = filled("seeds", recipe.seeds)
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise ConfigError(f"{where}: seeds={seeds}: give how many there are, a number of 1 or more")
    return [each | {SEED: seed} for each in sets for seed in range(seeds)]


def _sets(where: str, given: Any) -> list[dict[str, Any]]:
    """The sets of parameters that a grid or a list comes to, every one checked."""
    if isinstance(given, dict):
        for name, values in given.items():
            if not isinstance(values, list):
                raise ConfigError(f"{where}.{name}={values}: a list of values is expected")
        sets = [dict(zip(given, values, strict=True)) for values in itertools.product(*given.values())]
    elif isinstance(given, list) and all(isinstance(each, dict) for each in given):
        sets = given
    else:
        raise ConfigError(f"{where}: a grid NAME: [VALUE, ...] is expected, or a list of sets of NAME: VALUE")
    if not sets or not sets[0]:
        raise ConfigError(f"{where}: has none; give each parameter a value")
    seen: dict[tuple[str, ...], int] = {}
    for number, each in enumerate(sets, 1):
        _check_set(where, number, each, sets[0])
        same = seen.setdefault(tuple(_text(each[name]) for name in sets[0]), number)
        if same != number:
            told = ", ".join(f"{name}={value}" for name, value in each.items())
            raise ConfigError(f"{where}: {told} is there twice; give each setting once")
    return [{name: each[name] for name in sets[0]} for each in sets]


def _check_set(where: str, number: int, one: Mapping[Any, Any], first: Mapping[Any, Any]) -> None:
    if one.keys() != first.keys():
        odd = next(name for name in [*first, *one] if (name in first) != (name in one))
        lacks, has = (number, 1) if odd in first else (1, number)
        raise ConfigError(f"{where}: set {lacks} lacks {odd}, which set {has} has; give all sets the same")
    for name, value in one.items():
        if not isinstance(name, str) or not _PARAMETER.fullmatch(name) or name in _NO_PARAMETERS:
            raise ConfigError(f"{where}.{name}: not a name for a parameter of cells; choose another")
        number = isinstance(value, int | float) and math.isfinite(value)
        if not number and (not isinstance(value, str) or "${" in value):
            raise ConfigError(f"{where}.{name}={value}: neither a text nor a number")


class _Expansion:
    """Drafts of plain steps, and which of them a step of the recipe is in each of the cells."""

    def __init__(self, recipe: Recipe, cells: Sequence[Cell]) -> None:
        self.drafts: list[Draft] = []
        self.used: set[str] = set()
        self._recipe, self._cells = recipe, cells
        self._in_cells: dict[str, list[Draft]] = {}
        self._reads: dict[str, set[str]] = {}  # name of a draft -> names of those that it reads

    def add(self, draft: Draft) -> None:
        """The step in every cell, where equal parts of cells share one."""
        made: dict[str, Draft] = {}
        in_cells = []
        for at, cell in enumerate(self._cells):
            one = self._in_cell(draft, at, cell)
            other = made.setdefault(one.name, one)
            if other.cell != one.cell:
                raise ConfigError(
                    f"recipe={self._recipe.name}: step {draft.name}: {_words(other.cell)} and "
                    f"{_words(one.cell)} would have the same name, {one.name}; name the values otherwise"
                )
            in_cells.append(other)
        self.drafts += made.values()
        self._in_cells[draft.name] = in_cells

    def wanted(self) -> list[Draft]:
        """The drafts without those that no step reads, where it reads others of the same step."""
        read: set[str] = set()
        left: list[Draft] = []
        for name in reversed(self._in_cells):
            made = [draft for draft in self.drafts if draft.of == name]
            chosen = [draft for draft in made if draft.name in read] or made
            read.update(*(self._reads[draft.name] for draft in chosen))
            left = chosen + left
        return left

    def _in_cell(self, draft: Draft, at: int, cell: Cell) -> Draft:
        uses: set[str] = set()
        reads: set[str] = set()

        def value_of(word: str, where: str) -> Any:
            kind, colon, name = word.partition(":")
            if kind == "cell" and colon:
                uses.add(self._known(name, cell, f"{where}: ${{{word}}}"))
                return cell[name]
            return f"${{{word}}}"

        def step_of(word: str, where: str) -> Any:
            kind, colon, rest = word.partition(":")
            if kind not in ("step", "cells") or not colon:
                return f"${{{word}}}"
            name, dot, output = rest.partition(".")
            if name not in self._in_cells:
                near = did_you_mean(name, list(self._in_cells))
                raise ConfigError(f"{where}: ${{{word}}}: no such step before this one{near}")
            if kind == "cells":
                reads.update(each.name for each in self._in_cells[name])
                return self._evaluations(name)
            named = self._in_cells[name][at]
            reads.add(named.name)
            uses.update(named.cell)
            return f"${{step:{named.name}{dot}{output}}}"

        options = {}
        for key, value in draft.options.items():
            where = f"recipe={self._recipe.name}: step {draft.name}: {key}"
            # First the cell: its value may be the name of a step.
            value = each_text(value, lambda text, where=where: with_words(text, where, value_of))
            options[key] = each_text(value, lambda text, where=where: with_words(text, where, step_of))
        self.used |= uses
        part = {name: value for name, value in cell.items() if name in uses}
        name = "-".join([draft.name, *_name(part)])
        self._reads.setdefault(name, set()).update(reads)
        return replace(draft, name=name, options=options, cell=part)

    def _known(self, name: str, cell: Cell, where: str) -> str:
        if name in cell:
            return name
        there = f"there are {', '.join(cell)}" if cell else "the recipe has no cells"
        near = did_you_mean(name, list(cell))
        raise ConfigError(f"{where}: no such parameter of the cells{near}; {there}")

    def _evaluations(self, name: str) -> dict[str, Any]:
        """What `jobs.gather` takes as cells: every place where a step is made, and the training it is of."""
        made = {each.name: each for each in self._in_cells[name]}
        return {"-".join(_name(each.cell)) or name: self._evaluation(each) for each in made.values()}

    def _evaluation(self, draft: Draft) -> dict[str, Any]:
        parameters = {name: value for name, value in draft.cell.items() if name != SEED}
        said = {"run": f"${{step:{draft.name}}}", "parameters": parameters, "seed": draft.cell.get(SEED, 0)}
        models = [f"{draft.options.get(key)}" for key in ("model", "teacher.model")]
        for each in self.drafts:
            if each.command == "train" and f"${{step:{each.name}}}" in models:
                return said | {"training": f"${{step:{each.name}.training}}"}
        return said


def _name(part: Cell) -> list[str]:
    """The pieces of a name that a part of a cell gives, fit for a file's name."""
    return [f"{name}{_fit(value)}" for name, value in part.items()]


def _fit(value: Any) -> str:
    text = _text(value)
    fit = text if _NUMBER.fullmatch(text) else re.sub(r"[^A-Za-z0-9_.]", "_", text)
    if fit and fit == text and len(fit) <= _LONGEST:
        return fit
    return f"{fit[:_LONGEST]}_{digest128('value', text)[:6]}"


def _text(value: Any) -> str:
    """The same for values that are the same to a reader: 1 and 1.0, a number and its text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _words(part: Cell) -> str:
    return ", ".join(f"{name}={value}" for name, value in part.items()) or "all cells"
