"""The tasks that there are: one module for each, and those of other packages.

`known` has them by name, `task_of` is that of a config. Adding one takes its module and its YAML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules
from types import MappingProxyType

from omi_core import plugins
from omi_core.options import ConfigError
from omi_core.publish.rows import DEFAULT_TASK, register
from omi_core.tasks.settings import Config
from omi_core.tasks.task import Task, rates

__all__ = ["DEFAULT_TASK", "GROUP", "Task", "figures_of", "known", "package_of", "rates", "task_of"]

GROUP = "omi.tasks"


@cache
def known() -> Mapping[str, Task]:
    """All tasks by name, in the order in which they are listed.

    Packages whose tasks cannot be loaded are left out; a command refuses them before it composes anything.
    """
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    own = [module.TASK for module in modules if hasattr(module, "TASK")]
    tasks = {task.name: task for task in sorted(own, key=lambda task: task.position)}
    try:
        tasks |= _added(tasks)
    except ConfigError:
        pass
    for task in tasks.values():
        register(task.schema)
    return MappingProxyType(tasks)


def check_added() -> None:
    """Raises ConfigError when a package adds a task that cannot be used; names it."""
    _added(known())


def _added(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """The tasks of other packages."""
    out: dict[str, Task] = {}
    for name, given in plugins.load(GROUP).items():
        label = f"package {plugins.package(GROUP, name)}: task {name}"
        if not (isinstance(given, type) and issubclass(given, Task)) or isabstract(given):
            raise ConfigError(f"{label} is not a class made from omi_core.tasks.Task; repair the package")
        if missing := [
            key for key in ("name", "about", "form", "texts", "schema") if not hasattr(given, key)
        ]:
            raise ConfigError(f"{label} has no {missing[0]}; repair the package")
        if {given.name, given.form.task, given.schema.task} != {name}:
            raise ConfigError(f"{label} has another name than its entry point; repair the package")
        if name in tasks and package_of(tasks[name]) is None:
            raise ConfigError(f"{label} has a name that is taken; give it another")
        try:
            register(given.schema)
        except ValueError as error:
            raise ConfigError(f"{label}: {error}; repair the package") from error
        out[name] = given()
    return out


def package_of(task: Task) -> plugins.Package | None:
    """The other package that a task comes from."""
    own = type(task).__module__.partition(".")[0] == __name__.partition(".")[0]
    return None if own else plugins.package(GROUP, task.name)


def task_of(config: Config) -> Task:
    """The task of a config; imported generations are solutions."""
    return known()[name_of(config)]


def name_of(config: Config) -> str:
    """The name of the task of a config."""
    chosen = getattr(config, "task", None)
    return DEFAULT_TASK if chosen is None else chosen.name


def figures_of(names: Iterable[str]) -> frozenset[str]:
    """Those figures of a comparison that belong to some task, but to none of these."""
    there = {figure for name in names if name in known() for figure in known()[name].figures}
    return frozenset(figure for task in known().values() for figure in task.figures) - there
