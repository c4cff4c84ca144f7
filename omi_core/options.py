"""Typed options: how a config schema declares a value, and how a mapping becomes a checked instance.

A schema is a tree of dataclasses whose leaves are made by `option`, which carries the help text, the
allowed range or choices, and whether the value is transient (it cannot change what is generated, so it
stays out of the run's fingerprint). Everything a command knows about its options comes from here: the
types Hydra enforces, the checks, `--help` and the fingerprint.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class ConfigError(ValueError):
    """A mistake the user can mend: one line saying what, where and what to do. Commands exit with 2."""

    def __init__(self, line: str) -> None:
        super().__init__(" ".join(line.splitlines()))  # what it quotes may hold line breaks


def option(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[str, ...] | None = None,
    transient: bool = False,
    late: bool = False,
    package: object = None,
) -> Any:
    """A leaf of a schema: its default, its help line, its bounds, and whether it is transient.

    `late` marks an option that came when there were runs already: at its default it stays out of the
    fingerprint, so that those runs are still continued. `package` is the other package that adds it.
    """
    meta = {"help": help, "choices": choices, "transient": transient, "late": late, "package": package}
    meta |= {"ge": ge, "gt": gt, "le": le, "lt": lt}
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


def section(cls: type, *, transient: bool = False, late: bool = False, package: object = None) -> Any:
    """A nested schema; `transient` marks everything below it, `package` is the other package that adds it.

    A `late` one came when there were runs already, and has late options only.
    """
    meta = {"transient": transient, "late": late, "package": package}
    return dataclasses.field(default_factory=cls, metadata=meta)


def load(cls: type[T], values: Mapping[str, Any]) -> T:
    """An instance of schema `cls` from plain values, with every type, bound and choice checked.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, or one out of its range.
    """
    if not values:
        return cls()
    refuse_unknown(cls, values)
    if (instance := _as_given(cls, values)) is not None:
        check(instance)
        return instance
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        instance = OmegaConf.to_object(OmegaConf.merge(_structured(cls), each_text(values, _literal)))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {first_line(error)}") from error
    assert isinstance(instance, cls)
    check(instance)
    return instance


class _Unlike(Exception):
    """A value is not yet what an option holds."""


def _as_given(cls: type[T], values: Mapping[str, Any]) -> T | None:
    """The instance of values that need no conversion, a hundred times faster; None where one does."""
    try:
        return _taken(cls, values)
    except _Unlike:
        return None


def _taken(hint: Any, value: Any) -> Any:
    """The value as an option of this type holds it, containers copied. Raises _Unlike."""
    if dataclasses.is_dataclass(hint):
        return hint(**{name: _taken(_hints(hint)[name], item) for name, item in value.items()})  # type: ignore[operator]
    arguments = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        inner = [each for each in arguments if each is not type(None)]
        if value is None and len(inner) < len(arguments):
            return None
        return _taken(inner[0] if len(inner) == 1 else None, value)  # of several types it is not taken
    if type(value) is list and (hint is Any or get_origin(hint) is list):
        return [_taken(arguments[0] if arguments else Any, each) for each in value]
    if type(value) is dict and (hint is Any or get_origin(hint) is dict):
        if all(type(key) is str for key in value):
            return {key: _taken(arguments[1] if arguments else Any, each) for key, each in value.items()}
    elif type(value) is int and hint is float:
        return float(value)
    elif type(value) in (bool, int, float) and hint in (Any, type(value)):
        return value
    elif type(value) is str and hint in (Any, str) and "${" not in value and value != "???":
        return value
    elif value is None and hint is Any:
        return None
    raise _Unlike


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def each_text(value: Any, change: Callable[[str], Any]) -> Any:
    """The value with every text in it, at any depth, as `change` makes it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: each_text(item, change) for key, item in value.items()}
    return [each_text(item, change) for item in value] if isinstance(value, list) else value


def _literal(text: str) -> str:
    """A text in which OmegaConf reads `${x}` as these letters, not as the value of x."""
    return re.sub(r"(?<!\\)(\\*+)\$\{", lambda found: f"{found[1] * 2}\\${{", text)


@cache
def _structured(cls: type) -> Any:
    """OmegaConf's reading of a schema, slow to make. To be merged only, which copies it."""
    from omegaconf import OmegaConf

    return OmegaConf.structured(cls)


def restore(cls: type[T], values: Mapping[str, Any]) -> T:
    """The instance that was written as these values: as `load`, many times faster, and nothing is converted.

    Options that are not there, for they came later, have their defaults.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, or one out of its range.
    """
    refuse_unknown(cls, values)
    instance = _restored(cls, values, "")
    check(instance)
    return instance


def _restored(cls: type[T], values: Mapping[str, Any], prefix: str) -> T:
    hints = _hints(cls)
    given: dict[str, Any] = {}
    for name, value in values.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            given[name] = _restored(hint, value, f"{prefix}{name}.")  # type: ignore[arg-type]
        elif _fits(value, hint):
            given[name] = value
        else:
            raise ConfigError(f"{prefix}{name}={value!r}: not a value of type {hint}")
    return cls(**given)


def _fits(value: Any, hint: Any) -> bool:
    """Is this what an option of that type is written as?"""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is list:
        return isinstance(value, list) and all(_fits(each, arguments[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(each, arguments[1]) for each in value.values())
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, which is all that a user needs."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def is_schema(value: Any) -> bool:
    """Is this a section of a schema (an instance), not a leaf?"""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def leaves(instance: Any, prefix: str = "") -> Iterator[tuple[str, Any, dataclasses.Field[Any]]]:
    """(dotted key, value, field) for every option, in the order of declaration."""
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if is_schema(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value, field


def refuse_unknown(cls: type, values: Mapping[str, Any], prefix: str = "") -> None:
    """Raises ConfigError on the first key that `cls` does not have, with the nearest one it does."""
    sample = cls()
    known = {field.name: getattr(sample, field.name) for field in dataclasses.fields(sample)}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{prefix}{key}: no such option{did_you_mean(str(key), list(known))}")
        if is_schema(known[key]):
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"{prefix}{key}: a section, not a value; choose one of the options below it"
                )
            refuse_unknown(type(known[key]), value, f"{prefix}{key}.")


def did_you_mean(word: str, known: list[str]) -> str:
    """' (did you mean …?)' when one of the known words is near, else ''."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def check(instance: Any) -> None:
    """Raises ConfigError when an option of a section is out of its bounds or choices."""
    for key, value, field in leaves(instance):
        check_leaf(key, value, field.metadata)


def check_leaf(key: str, value: Any, meta: Mapping[str, Any]) -> None:
    """Raises ConfigError when the value is out of the bounds or choices its option declares."""
    if value is None:
        return
    if meta.get("choices") and value not in meta["choices"]:
        raise ConfigError(f"{key}={value}: not one of {', '.join(meta['choices'])}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key}={value}: must be a finite number")
    for name, wrong, word in (
        ("ge", lambda v, b: v < b, "at least"),
        ("gt", lambda v, b: v <= b, "greater than"),
        ("le", lambda v, b: v > b, "at most"),
        ("lt", lambda v, b: v >= b, "less than"),
    ):
        bound = meta.get(name)
        if bound is not None and wrong(value, bound):
            raise ConfigError(f"{key}={value}: must be {word} {bound}")


def content(instance: Any) -> dict[str, Any]:
    """The options that decide what is generated, as plain nested values.

    Left out are transient ones, and late ones at their default.
    """
    out: dict[str, Any] = {}
    for field in dataclasses.fields(instance):
        if field.metadata.get("transient"):
            continue
        value = getattr(instance, field.name)
        if field.metadata.get("late") and value == default_of(field):
            continue
        out[field.name] = content(value) if is_schema(value) else value
    return out


def written(instance: Any) -> dict[str, Any]:
    """All options as plain nested values, to be written down and restored.

    Left out are those of other packages at their default, so that what was made without a package can be read
    without it.
    """
    values = {}
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if not (field.metadata.get("package") and value == default_of(field)):
            values[field.name] = _written(value)
    return values


def _written(value: Any) -> Any:
    if is_schema(value):
        return written(value)
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, list) else value


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of an option."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
