"""The tasks: for each, how its input becomes records, and its samples rows. The one table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from omi_core.config import Generate, Reduce
from omi_core.inputs import Skipped
from omi_core.publish.styles import Styles
from omi_core.records import Record
from omi_core.stages.run import Run
from omi_core.tasks.reducing import Reducer


@dataclass(frozen=True)
class Task:
    """What the stages need to know of a task.

    `records` reads the input of a config; unusable rows go to Skipped, which it raises ConfigError for only
    when a file or column is missing. `reducer` makes the reducer of a run.
    `filters` maps each filter that a config turns on to its options; ConfigError: a tokenizer is missing.
    `answers` tells whether a text is what was asked for, as far as it can be told at a glance. `styles` says
    how rows are published by style, for a task whose dataset has a folder for each.
    """

    records: Callable[[Generate, Skipped], Iterator[Record]]
    reducer: Callable[[Run], Reducer]
    filters: Callable[[Generate | Reduce], dict[str, dict[str, Any]]]
    answers: Callable[[Generate], Callable[[str], bool]]
    styles: Callable[[Run[Generate]], Styles] | None = None


def task_of(config: Generate | Reduce) -> Task:
    """The task of a config; what was made elsewhere are solutions."""
    name = config.task.name if isinstance(config, Generate) else "solutions"
    return cast(Task, import_module(f"omi_core.tasks.{name}").TASK)


def open_reducer(run: Run) -> Reducer:
    """The reducer of a run, to be entered."""
    return task_of(run.config).reducer(run)
