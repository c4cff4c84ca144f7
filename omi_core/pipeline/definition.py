"""A pipeline on disk: the recipe with every option composed, and one directory for each step.

PIPELINE/
  pipeline.json    recipe, fingerprint, and the content that the fingerprint covers; never changed
  steps.json       the steps with all their options, as the last command composed them
  ledger.jsonl     append-only: what was begun, submitted, done and failed
  01-NAME/         the first step, a run directory or what another command writes
  02-NAME.json     of a step that is not a run: that it is done, with counts and hash
  logs/            on Slurm: jobs of steps that are no runs
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError
from omi_core.pipeline.recipe import placed, step_directory
from omi_core.store.files import read_json, write_json
from omi_core.store.layout import Layout
from omi_core.store.resumable import Resumable

# Raised when the meaning of a step changes, so that old pipelines are not continued with new rules.
FORMAT = 1
_STEPS = "steps.json"


@dataclass(frozen=True)
class Step:
    """One step: its command with all options as plain values, the steps it needs, and what it leaves.

    `reads` are those needed whose rows it takes on: not the test questions it compares them with, say.
    `is_run` says that its directory is a run's, whose dataset is the step's result. Otherwise `product` is
    the file in the directory that later steps read by default, and whose rows and bytes are the result.
    `number` and `of` are number and name of the step in the recipe, which may be made for several cells;
    `cell` is what this one uses of theirs.
    """

    number: int
    name: str
    command: str
    config: dict[str, Any]
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    is_run: bool
    product: str
    of: str = ""
    cell: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return step_directory(self.number, self.name)

    @property
    def is_chain(self) -> bool:
        """Whether it is a chain of jobs on Slurm, with a ledger of its own, and not one job."""
        return self.is_run and self.command != "reduce"

    @property
    def trains(self) -> bool:
        """Whether it is a directory of jobs.train, and on Slurm a job on GPUs with one on a CPU behind it."""
        return self.command == "train"

    @property
    def work_stage(self) -> str:
        """Of a step that is no chain: the stage of the job that does its work."""
        return "train" if self.trains else "step"


@dataclass(frozen=True)
class Pipeline:
    """A pipeline as it is composed: where it lies, its fingerprint, and its steps in order.

    `cluster` holds the options of where it is carried out; `cwd` is the directory that relative paths in
    options start from. `notify` is run at the end; `at_once` steps work here at the same time. `fresh`,
    `plan` and `wait` are what the command asked for, and not on disk: to take the place of an old one, only
    to be shown, to be waited for.
    """

    root: Path
    recipe: str
    fingerprint: str
    content: dict[str, Any]
    steps: tuple[Step, ...]
    cluster: dict[str, Any] = field(default_factory=dict)
    cwd: str = "."
    fresh: bool = False
    plan: bool = False
    wait: bool = False
    notify: str | None = None
    at_once: int = 1

    @property
    def layout(self) -> Layout:
        """Ledger, lock and logs lie where those of a run do."""
        return Layout(self.root)

    @property
    def on_slurm(self) -> bool:
        return self.cluster.get("kind") == "slurm"

    def directory(self, step: Step) -> Path:
        return self.root / step.folder

    def manifest(self, step: Step) -> Path:
        """What says that a step that is no run is done."""
        return self.root / f"{step.folder}.json"

    def config(self, step: Step) -> dict[str, Any]:
        """The step's options, with real paths."""
        return placed(step.config, self.root)

    def place(self, step: Step) -> str:
        """The place of a step among all, `3 of 12`."""
        return f"{self.steps.index(step) + 1} of {len(self.steps)}"

    def step(self, name: str) -> Step:
        """The step of that name. Raises ConfigError when there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise ConfigError(f"{self.root}: has no step {name}; it has {', '.join(s.name for s in self.steps)}")


def content_of(steps: Sequence[Step], contents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the fingerprint of a pipeline covers, from the content of each step."""
    return {
        "format": FORMAT,
        "order": [step.name for step in steps],
        "steps": {
            step.name: {"command": step.command, "needs": list(step.needs), **contents[step.name]}
            for step in steps
        },
    }


def directory(root: Path) -> Resumable:
    """A pipeline's directory, which pipeline.json makes one."""
    return Resumable(root, "pipeline.json", "pipeline", made_of="recipe", before=(_STEPS,))


def is_pipeline(root: Path) -> bool:
    return directory(root).exists()


def read_pipeline(root: Path) -> Pipeline:
    """A pipeline as its last command left it.

    Raises:
        ConfigError: the directory is not a pipeline, or one that this version cannot read.
    """

    def build(plan: dict[str, Any]) -> Pipeline:
        last = read_json(root / _STEPS)
        steps = tuple(
            Step(**(row | {key: tuple(row[key]) for key in ("needs", "reads")})) for row in last["steps"]
        )
        return Pipeline(
            root.absolute(),
            plan["recipe"],
            plan["fingerprint"],
            plan["content"],
            steps,
            last["cluster"],
            last["cwd"],
            notify=last.get("notify"),
            at_once=last.get("at_once", 1),
        )

    return directory(root).read(build)


def write_pipeline(pipeline: Pipeline) -> None:
    """Makes the directory, or takes new transient options on; the caller holds the lock of the pipeline.

    Raises:
        ConfigError: the directory holds a pipeline with another fingerprint, or something else.
    """
    made = directory(pipeline.root)
    made.refuse_other(pipeline.content)
    steps = {
        "cwd": pipeline.cwd,
        "cluster": pipeline.cluster,
        "notify": pipeline.notify,
        "at_once": pipeline.at_once,
        "steps": [dataclasses.asdict(step) for step in pipeline.steps],
    }
    write_json(pipeline.root / _STEPS, steps)
    if not made.exists():  # last: with it the directory is a pipeline
        names = ("recipe", "fingerprint", "content")
        made.write({name: getattr(pipeline, name) for name in names})
