"""A run as its stages see it: where it lies, what it is to make, and with which options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from omi_core import options
from omi_core.config import Generate, Reduce
from omi_core.publish.dataset import read_stats
from omi_core.run.files import read_json
from omi_core.run.layout import Layout
from omi_core.run.plan import Plan, read_plan

Config = TypeVar("Config", Generate, Reduce, Generate | Reduce)


@dataclass(frozen=True)
class Run(Generic[Config]):
    """A planned run, and the config of the command at hand (its transient options may be new)."""

    layout: Layout
    plan: Plan
    config: Config


def open_run(layout: Layout) -> Run[Generate | Reduce]:
    """A run as its first command left it.

    Raises:
        ConfigError: the directory is no run.
    """
    plan = read_plan(layout)
    values = read_json(layout.config)
    return Run(layout, plan, options.restore(Generate if plan.complete else Reduce, values))


def published(run: Run[Any]) -> dict[str, Any] | None:
    """The statistics of the run's dataset if it is published and belongs to this fingerprint.

    Raises:
        ValueError: `stats.json` is damaged.
    """
    stats = read_stats(run.layout.dataset)
    return stats if stats is not None and stats["fingerprint"] == run.plan.fingerprint else None
