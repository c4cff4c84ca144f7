"""Composing many steps that differ in a few plain options, a hundred times faster than each by itself.

Hydra takes most of a second to compose a config. Of a step that is made for many cells it composes one, and
for every option that differs another one. Where those two differ in that very option and in nothing else, the
others are the first one with the option set; where they do not, as of a choice of a group, Hydra composes.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from omi_core.composing.compose import command_root, compose_values
from omi_core.composing.grammar import word

Values = dict[str, Any]
Form = Callable[[Any], Any]

# How a value that is given stands in the composed config; a list of texts may be given as the one it has.
_FORMS: tuple[Form, ...] = (lambda value: value, lambda value: float(value), lambda value: [value])
_PLAIN = re.compile(r"[\w./:-]+", re.ASCII)


class SimilarSteps:
    """Composes the steps of one command that are given the same options, with other values."""

    def __init__(self, command: str, words: Sequence[str], config_dir: Path | None) -> None:
        self.command, self.words, self.config_dir = command, words, config_dir
        self._first: tuple[Values, Values] | None = None  # what was given, what was composed
        self._forms: dict[tuple[str, type], tuple[str, Form]] = {}  # option -> where and how it is there

    def compose(self, given: Values) -> Values:
        """The composed values of a step. Raises ConfigError as `compose_values`."""
        if self._first is None:
            self._first = given, self._by_hydra(given)
            return copy.deepcopy(self._first[1])
        before, values = self._first
        if given.keys() != before.keys():
            return self._by_hydra(given)
        changed = [key for key in given if _differ(given[key], before[key])]
        if all((key, type(given[key])) in self._forms and _is_plain(given[key]) for key in changed):
            values = copy.deepcopy(values)
            for key in changed:
                path, form = self._forms[key, type(given[key])]
                _set(values, path, form(given[key]))
            return values
        composed = self._by_hydra(given)
        self._learn(changed, given, composed)
        return composed

    def _by_hydra(self, given: Values) -> Values:
        words = [*map(word, given, given.values()), *self.words]
        return compose_values(self.command, words, self.config_dir)

    def _learn(self, changed: Sequence[str], given: Values, composed: Values) -> None:
        """Where the config differs in what was changed, and in nothing else, its forms are known."""
        assert self._first is not None
        before, values = self._first
        typed = command_root(self.command).typed
        paths = {key: typed.get(key, key) for key in changed}
        if set(_differences(values, composed)) != set(paths.values()):
            return
        for key, path in paths.items():
            pairs = ((before[key], _get(values, path)), (given[key], _get(composed, path)))
            form = next((form for form in _FORMS if all(_is_so(form, *pair) for pair in pairs)), None)
            if form is not None:
                self._forms[key, type(given[key])] = path, form


def _differ(one: Any, other: Any) -> bool:
    return type(one) is not type(other) or one != other


def _is_plain(value: Any) -> bool:
    """Whether it is no text that the grammar of the command line could take for several."""
    return isinstance(value, bool | int | float) or (isinstance(value, str) and bool(_PLAIN.fullmatch(value)))


def _is_so(form: Form, given: Any, composed: Any) -> bool:
    try:
        return not _differ(form(given), composed)
    except (TypeError, ValueError):
        return False


def _differences(one: Values, other: Values, prefix: str = "") -> Iterator[str]:
    """The dotted names of all options that differ."""
    for key in dict.fromkeys([*one, *other]):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differences(a, b, f"{prefix}{key}.")
        elif _differ(a, b):
            yield f"{prefix}{key}"


def _get(values: Values, path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def _set(values: Values, path: str, value: Any) -> None:
    *above, last = path.split(".")
    for key in above:
        values = values[key]
    values[last] = value
