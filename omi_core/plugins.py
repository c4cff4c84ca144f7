"""What other packages add: filters, tasks and teachers, found by their entry points.

A package names what it adds in its pyproject.toml, under the group of its kind:

    [project.entry-points."omi.filters"]
    max_sentences = "omi_sentences:MaxSentences"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from types import MappingProxyType
from typing import Any

from omi_core.options import ConfigError, first_line

GROUPS = ("omi.filters", "omi.tasks", "omi.teachers")
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package: its name and its version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@cache
def load(group: str) -> Mapping[str, object]:
    """What packages add to a group, by name, in alphabetical order. Loaded once in a process.

    Raises:
        ConfigError: a name is not an identifier in lower case, two packages use the same one, or what it
            stands for cannot be loaded. Says which package that is.
    """
    return MappingProxyType({name: _loaded(entry) for name, entry in _entries(group).items()})


def package(group: str, name: str) -> Package:
    """The package that adds `name` to a group.

    Raises:
        ConfigError: as `load`.
        KeyError: none does.
    """
    return _package(_entries(group)[name])


def installed(name: str) -> str | None:
    """The version of a package that is installed; None: it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _all() -> Any:
    """Those of all groups, to select from, of a type that is another one in each version of Python.

    Finding them reads a file of every installed package, a tenth of a start.
    """
    return entry_points()


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in sorted(_all().select(group=group), key=lambda entry: (entry.name, _package(entry).name)):
        if not _NAME.fullmatch(entry.name):
            raise ConfigError(
                f"package {_package(entry)}: {entry.name!r} is not a name for an entry point of {group}; use "
                "lower-case letters, digits and _"
            )
        if entry.name in found:
            raise ConfigError(
                f"package {_package(entry)}: {entry.name} of {group} is also in package "
                f"{_package(found[entry.name])}; uninstall one of them"
            )
        found[entry.name] = entry
    return found


def _loaded(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except Exception as error:  # the code of another package, which may raise anything
        raise ConfigError(
            f"package {_package(entry)}: {entry.name} of {entry.group} cannot be loaded from {entry.value} "
            f"({type(error).__name__}: {first_line(error)}); repair the package, or uninstall it"
        ) from error


def _package(entry: EntryPoint) -> Package:
    assert entry.dist is not None  # every entry point that was found has one
    return Package(entry.dist.name, entry.dist.version)
