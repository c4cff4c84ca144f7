"""All filters there are: the classes in the modules of this package, and those of other packages.

Nothing is registered here. A module of this package that holds a filter is found, and so is an entry point of
`omi.filters` (`omi_core.plugins`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from omi_core import filters, plugins
from omi_core.filters.filter import Example, Filter, Option
from omi_core.options import ConfigError

GROUP = "omi.filters"
# The sections of the config that are made of filters, with the options that are not of a filter.
SECTIONS = {"filters": ("tokenizer",), "conversations": ("tokenizer",), "problems": ("source",)}
_TYPES = re.compile(r"bool|(int|float|str)( \| None)?|list\[str\]")


def known(section: str) -> Mapping[str, type[Filter]]:
    """The filters of a section by name, in the order in which they run.

    Raises:
        ConfigError: one of another package is broken, or has the name or the option of another one.
    """
    return _known()[section]


def built_in(section: str) -> list[type[Filter]]:
    """Those of this package, in the order in which they run."""
    return sorted((cls for cls in _built_in() if cls.section == section), key=_place)


def package_of(cls: type[Filter]) -> plugins.Package | None:
    """The package that a filter is from; None for one of this suite."""
    return None if cls in _built_in() else plugins.package(GROUP, cls.name)


@cache
def _known() -> dict[str, dict[str, type[Filter]]]:
    found = {section: {cls.name: cls for cls in built_in(section)} for section in SECTIONS}
    for name, value in plugins.load(GROUP).items():
        cls = _checked(name, value, found)
        found[cls.section][name] = cls
    return {
        section: {cls.name: cls for cls in sorted(classes.values(), key=_place)}
        for section, classes in found.items()
    }


def _place(cls: type[Filter]) -> tuple[float, str]:
    return cls.position, cls.name


@cache
def _built_in() -> tuple[type[Filter], ...]:
    names = [module.name for module in walk_packages(filters.__path__, f"{filters.__name__}.")]
    return tuple(cls for name in names for cls in _filters_in(name))


def _filters_in(module: str) -> Iterator[type[Filter]]:
    for value in list(vars(import_module(module)).values()):
        if inspect.isclass(value) and issubclass(value, Filter) and value.__module__ == module:
            if not inspect.isabstract(value):
                yield value


def _checked(name: str, value: object, found: Mapping[str, Mapping[str, type[Filter]]]) -> type[Filter]:
    """A class of another package, if it is a filter as it should be. Raises ConfigError."""
    why = _fault(name, value, found)
    if why is not None:
        package = plugins.package(GROUP, name)
        raise ConfigError(f"package {package}: filter {name} {why}; repair the package, or uninstall it")
    assert isinstance(value, type)
    return value


def _fault(name: str, value: Any, found: Mapping[str, Mapping[str, type[Filter]]]) -> str | None:
    """What is wrong with a filter of another package, as the end of a sentence."""
    if not inspect.isclass(value) or not issubclass(value, Filter) or inspect.isabstract(value):
        return "is not a class made from omi_core.filters.Filter or RowFilter, with its method"
    if getattr(value, "name", None) != name:
        return f"has the name {getattr(value, 'name', None)!r}, not that of its entry point"
    if value.section not in SECTIONS:
        return f"has the section {value.section!r}, not one of {', '.join(SECTIONS)}"
    if type(getattr(value, "position", None)) not in (int, float):
        return "has no position, a number"
    examples = getattr(value, "examples", None)
    if not isinstance(examples, tuple) or not all(isinstance(one, Example) for one in examples):
        return "has no examples, a tuple of Example"
    return _fault_of_option(value, found[value.section])


def _fault_of_option(cls: type[Filter], others: Mapping[str, type[Filter]]) -> str | None:
    option = cls.option
    if not isinstance(option, Option) or not _TYPES.fullmatch(option.type):
        return (
            "has no option, an Option of type bool, int, float, str (each also with ' | None') or list[str]"
        )
    if not option.turns_off(option.default) or not option.late:
        return "is not off by default: installing a package must not change what a run makes"
    if option.argument is not None and not cls.takes(option.argument):
        return f"has no keyword {option.argument!r} in its constructor, which its option is for"
    taken = {*others, *(other.key() for other in others.values()), *SECTIONS[cls.section]}
    if cls.name in taken or cls.key() in taken or not str(cls.key()).isidentifier():
        return f"has a name or an option {cls.section}.{cls.key()} that is there already"
    return None
