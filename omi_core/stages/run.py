"""A run as its stages see it: where it lies, what it is to make, and with which options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from omi_core import config as schema
from omi_core import options, plugins
from omi_core.config import Generate, Reduce
from omi_core.options import ConfigError
from omi_core.publish.dataset import Hole, hole_of, lacks, read_stats
from omi_core.records import Record, digest128
from omi_core.store.files import read_json
from omi_core.store.fingerprint import differences
from omi_core.store.keys import count_keys, missing_ranges, settled_so_far
from omi_core.store.layout import Layout
from omi_core.store.plan import Plan, Records, read_plan
from omi_core.store.resumable import shown
from omi_core.tasks import DEFAULT_TASK, task_of

Config = TypeVar("Config", Generate, Reduce, Generate | Reduce)


@dataclass(frozen=True)
class Run(Generic[Config]):
    """A planned run, and the config of the command at hand (its transient options may be new)."""

    layout: Layout
    plan: Plan
    config: Config

    @property
    def whole(self) -> int:
        """Keys that belong together, so that one task takes them: a record's, where its samples decide."""
        adaptive = getattr(self.config, "adaptive", None)
        return 1 if adaptive is None or adaptive.first is None else self.plan.samples


def open_run(layout: Layout) -> Run[Generate | Reduce]:
    """A run as its first command left it, to be looked at.

    Raises:
        ConfigError: the directory is not a run, or its plan or its options cannot be read.
    """
    plan = read_plan(layout)
    return Run(layout, plan, read_config(layout, plan))


def open_to_continue(layout: Layout) -> Run[Generate | Reduce]:
    """A run as `open_run` finds it, to be worked on.

    Raises:
        ConfigError: as `open_run`; or its options were changed, and are not those of its fingerprint; or a
            package that it was made with has another version now.
    """
    run = open_run(layout)
    for name, version in _packages(run.plan).items():
        if (found := plugins.installed(name)) != version:
            raise ConfigError(
                f"{layout.root}: was made with package {name} {version}, and {found} is installed; install "
                f"{version} again, or start another run"
            )
    if changes := edited(run.plan, run.config):
        raise ConfigError(
            f"{layout.config}: was changed since the run was made ({shown(changes)}); undo that, or start "
            "another run with these options"
        )
    return run


def read_config(layout: Layout, plan: Plan) -> Generate | Reduce:
    """The options of a run. Raises ConfigError when they cannot be read."""
    for name, version in _packages(plan).items():
        if plugins.installed(name) is None:
            raise ConfigError(
                f"{layout.root}: was made with package {name} {version}, which is not installed; install it"
            )
    try:
        return options.restore(Generate if plan.complete else Reduce, read_json(layout.config))
    except FileNotFoundError:
        why = "is gone"
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = f"damaged ({str(error).removeprefix(f'{layout.config}: ')})"
    raise ConfigError(f"{layout.config}: {why}; the command that made the run writes it again")


def _packages(plan: Plan) -> dict[str, str]:
    """The other packages that a run was made with, and their versions."""
    return plan.content.get("packages", {})


def edited(plan: Plan, config: Generate | Reduce) -> list[str]:
    """What of the options decides the dataset and is not as in the plan: 'key old → new' for each.

    Told from the options alone: what lies in the files that they name is not looked at.
    """
    now, old = schema.content(config), plan.content
    now.pop("packages", None)  # not of the options
    if isinstance(config, Generate):
        del now["prompt"]  # the plan has the template itself
        teacher = old["teacher"]
        if "endpoint" not in teacher and config.teacher.kind != "endpoint":
            del now["teacher"]["endpoint"]
        now["teacher"]["weights"] = teacher.get("weights")
        for name in ("lora", "chat_template"):  # the plan has digests of them
            if now["teacher"].get(name):
                now["teacher"][name] = teacher.get(name)
        if teacher["model"] == "local":
            now["teacher"]["model"] = "local"
    for name, section in now.items():  # the plan has digests of these files
        for key in ("tokenizer", "picks", "scores", "second_opinion") if isinstance(section, dict) else ():
            if section.get(key) is not None:
                section[key] = old.get(name, {}).get(key) or section[key]
    return differences({name: old.get(name) for name in now}, now)


def records_of(run: Run[Any]) -> Iterator[Record]:
    """All records of a run, in order."""
    return Records(run.layout.records).slice(0, run.plan.records)


def published_as(dataset: Path, fingerprint: str) -> dict[str, Any] | None:
    """The statistics of a dataset, whole or with a hole, if it was made under this fingerprint.

    None also where one of its files is gone or cut short: it is published again.
    """
    try:
        stats = read_stats(dataset)
        if stats is None or stats["fingerprint"] != fingerprint or lacks(dataset, stats):
            return None
        hole_of(stats)
        return stats
    except (AttributeError, KeyError, TypeError, ValueError):  # stats.json is damaged
        return None


def outcome(run: Run[Any]) -> Path:
    """Where what the run comes to is put: its dataset, or its evaluation."""
    return run.layout.evaluation if task_of(run.config).scored else run.layout.dataset


def published(run: Run[Any]) -> dict[str, Any] | None:
    """The statistics of the run's dataset, or of its evaluation, as `published_as`."""
    return published_as(outcome(run), run.plan.fingerprint)


def published_whole(run: Run[Any]) -> dict[str, Any] | None:
    """As `published`, None also where the dataset was made without some of the samples."""
    stats = published(run)
    return stats if stats is not None and hole_of(stats) is None else None


def run_of(
    key: str, given: str, reader: str, kinds: Sequence[str] = (DEFAULT_TASK,)
) -> Run[Generate | Reduce]:
    """The finished run of one of these tasks that the option `key` names, whose samples `reader` takes.

    Raises:
        ConfigError: there is none.
    """
    layout = Layout(Path(given))
    if not layout.plan.exists():
        raise ConfigError(f"{key}={given}: not a run directory; {reader} reads the samples of a run")
    run = open_to_continue(layout)
    if (other := task_of(run.config)).name not in kinds:
        raise ConfigError(f"{key}={given}: holds {other.name}; {reader} takes a run of {' or '.join(kinds)}")
    if published_whole(run) is None:
        raise ConfigError(f"{key}={given}: not published whole; finish that run first")
    return run


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
    return Hole(count_keys(missing), plan.keys, digest128("missing", missing.astype("<i8").tobytes()))
