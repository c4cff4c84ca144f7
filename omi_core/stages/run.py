"""A run as its stages see it: where it lies, what it is to make, and with which options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from omi_core import options
from omi_core.config import Generate, Reduce
from omi_core.publish.dataset import Hole, hole_of, lacks, read_stats
from omi_core.records import digest128
from omi_core.run.files import read_json
from omi_core.run.keys import missing_ranges, settled_so_far
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
    """The statistics of the run's dataset, whole or with a hole, if it belongs to this fingerprint.

    None also where one of its files is gone or cut short: it is published again.
    """
    try:
        stats = read_stats(run.layout.dataset)
        if stats is None or stats["fingerprint"] != run.plan.fingerprint or lacks(run.layout.dataset, stats):
            return None
        hole_of(stats)
        return stats
    except (AttributeError, KeyError, TypeError, ValueError):  # stats.json is damaged
        return None


def published_whole(run: Run[Any]) -> dict[str, Any] | None:
    """As `published`, None also where the dataset was made without some of the samples."""
    stats = published(run)
    return stats if stats is not None and hole_of(stats) is None else None


def is_current(run: Run[Any], stats: Mapping[str, Any]) -> bool:
    """Whether a dataset lacks no sample that has been generated since it was published."""
    stated = hole_of(stats)
    if stated is None:
        return True
    now = settled_so_far(run.layout, run.plan.records, run.plan.samples)
    return stated == hole(run.plan, now.done)


def hole(plan: Plan, done: np.ndarray) -> Hole | None:
    """What a dataset lacks that is made of the keys `done`, bool of shape (records * samples,).

    None when it is nothing, and where it is not known which samples there should be (`jobs.reduce`).
    """
    missing = missing_ranges(done)
    if not plan.complete or not len(missing):
        return None
    count = int((missing[:, 1] - missing[:, 0]).sum())
    return Hole(count, plan.keys, digest128("missing", missing.astype("<i8").tobytes()))
