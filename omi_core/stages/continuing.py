"""A run that is on disk, opened to go on: as before, or with other options of how and where it executes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from omi_core import options
from omi_core.config import Generate, Reduce
from omi_core.options import ConfigError
from omi_core.stages.planning import refuse_changed
from omi_core.stages.run import Run, open_to_continue
from omi_core.store.layout import Layout

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Section = TypeVar("Section", bound="DataclassInstance")

SECTIONS = ("cluster", "engine", "run")
# What says which run or which site it is.
_FIXED = ("cluster.name", "cluster.kind", "run.dir", "run.root", "run.fresh")


def open_again(
    layout: Layout, given: Mapping[str, Any] | None = None, **sections: Mapping[str, Any] | None
) -> Run[Generate | Reduce]:
    """The run with its config as it is to go on; nothing is written.

    `given` are options such as `tasks`, None as before. `sections` are options of `SECTIONS` that are to be
    others from now on, as they were typed.

    Raises:
        ConfigError: it cannot be continued, its input or options were changed, or an option does not fit it.
    """
    run = open_to_continue(layout)
    refuse_changed(run)
    config: Any = run.config
    new = {name: value for name, value in (given or {}).items() if value is not None}
    if isinstance(config, Generate):
        config = dataclasses.replace(config, **new)
    for name, values in sections.items():
        if not values:
            continue
        if not isinstance(config, Generate) or (name == "cluster" and config.cluster.kind != "slurm"):
            raise ConfigError(f"{name}: {layout.root} was not submitted to a cluster; omit it")
        config = dataclasses.replace(config, **{name: changed(getattr(config, name), values, name)})
    return Run(run.layout, run.plan, config)


def changed(section: Section, given: Mapping[str, Any], name: str = "cluster") -> Section:
    """A section of options with those given on the command line, which are texts yet.

    Raises:
        ConfigError: no such option, or one that says which run or which cluster it is.
    """
    values = dataclasses.asdict(section)
    for key, text in given.items():
        if f"{name}.{key}" in _FIXED:
            raise ConfigError(f"{name}.{key}: give it to the command that made the run")
        *path, leaf = key.split(".")
        known: Any = section
        below, prefix = values, f"{name}."
        for part in path:  # cluster.canary.records
            known, prefix = getattr(known, part, None), f"{prefix}{part}."
            if not options.is_schema(known):
                raise ConfigError(f"{name}.{key}: no such option; give {prefix[:-1]} as a whole")
            below = below[part]
        options.refuse_unknown(type(known), {leaf: text}, prefix)
        below[leaf] = _read(f"{name}.{key}", text, below[leaf])
    try:
        return options.load(type(section), values)
    except ConfigError as error:
        raise ConfigError(f"{name}.{error}") from error


def _read(key: str, text: Any, before: Any) -> Any:
    """The value of an option that was typed: a list and names with values are read as YAML."""
    import yaml

    if not isinstance(text, str) or not isinstance(before, (list, dict)):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"{key}={text}: not a list or names with values") from None
