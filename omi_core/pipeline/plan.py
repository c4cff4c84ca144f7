"""A pipeline on disk: the recipe with every option composed, and one directory for each step.

PIPELINE/
  pipeline.json    recipe, fingerprint, and the content that the fingerprint covers; never changed
  steps.json       the steps with all their options, as the last command composed them
  ledger.jsonl     append-only: what was begun, submitted, done and failed
  01-NAME/         the first step, a run directory or what another command writes
  02-NAME.json     of a step that is no run: that it is done, with counts and hash
  logs/            on Slurm: jobs of steps that are no runs
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError
from omi_core.pipeline.recipe import placed, step_directory
from omi_core.store.files import fsync_directory, lock, read_json, write_json
from omi_core.store.fingerprint import differences, fingerprint
from omi_core.store.layout import Layout

# Raised when the meaning of a step changes, so that old pipelines are not continued with new rules.
FORMAT = 1


@dataclass(frozen=True)
class Step:
    """One step: its command with all options as plain values, the steps it needs, and what it leaves.

    `reads` are those needed whose rows it takes on: not the test questions it compares them with, say.
    `is_run` says that its directory is a run's, whose dataset is the step's result. Otherwise `product` is
    the file in the directory that later steps read by default, and whose rows and bytes are the result.
    """

    number: int
    name: str
    command: str
    config: dict[str, Any]
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    is_run: bool
    product: str

    @property
    def folder(self) -> str:
        return step_directory(self.number, self.name)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline as it is composed: where it lies, its fingerprint, and its steps in order.

    `cluster` holds the options of where it is carried out; `cwd` is the directory that relative paths in
    options start from.
    """

    root: Path
    recipe: str
    fingerprint: str
    content: dict[str, Any]
    steps: tuple[Step, ...]
    cluster: dict[str, Any] = field(default_factory=dict)
    cwd: str = "."

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


def pipeline_file(root: Path) -> Path:
    return root / "pipeline.json"


def is_pipeline(root: Path) -> bool:
    return pipeline_file(root).is_file()


def read_pipeline(root: Path) -> Pipeline:
    """A pipeline as its last command left it.

    Raises:
        ConfigError: the directory is no pipeline, or one that this version cannot read.
    """
    try:
        plan, last = read_json(pipeline_file(root)), read_json(root / "steps.json")
        steps = tuple(
            Step(**(row | {key: tuple(row[key]) for key in ("needs", "reads")})) for row in last["steps"]
        )
        if plan["fingerprint"] != fingerprint(plan["content"]):
            raise ValueError("it does not match its own fingerprint")
        return Pipeline(
            root.absolute(),
            plan["recipe"],
            plan["fingerprint"],
            plan["content"],
            steps,
            last["cluster"],
            last["cwd"],
        )
    except FileNotFoundError as error:
        raise ConfigError(f"{root}: not a pipeline (it has no {Path(error.filename).name})") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{root}: not a pipeline that this version can read ({error})") from error


def refuse_other(pipeline: Pipeline) -> None:
    """Raises ConfigError where the directory holds a pipeline with another fingerprint, or something else."""
    root = pipeline.root
    if is_pipeline(root):
        old = read_pipeline(root)
        if old.fingerprint == pipeline.fingerprint:
            return
        changes = differences(old.content, pipeline.content)
        shown = "; ".join(changes[:5]) + (f"; and {len(changes) - 5} more" if len(changes) > 5 else "")
        raise ConfigError(
            f"run.dir={root}: was made with another recipe ({shown}); "
            "choose another run.dir, or run.fresh=true to start it anew"
        )
    # A command that was killed before it had written pipeline.json leaves no more than steps.json and hidden
    # files.
    names = {path.name for path in root.iterdir()} if root.is_dir() else set()
    if root.exists() and (not root.is_dir() or any(n[0] != "." for n in names - {"steps.json"})):
        raise ConfigError(f"run.dir={root}: holds something that is no pipeline; choose another run.dir")


def write_pipeline(pipeline: Pipeline) -> None:
    """Makes the directory, or takes new transient options on; the caller holds the lock of the pipeline.

    Raises:
        ConfigError: as `refuse_other`.
    """
    refuse_other(pipeline)
    steps = {
        "cwd": pipeline.cwd,
        "cluster": pipeline.cluster,
        "steps": [dataclasses.asdict(step) for step in pipeline.steps],
    }
    write_json(pipeline.root / "steps.json", steps)
    if not is_pipeline(pipeline.root):  # last: with it the directory is a pipeline
        plan = {
            "recipe": pipeline.recipe,
            "fingerprint": pipeline.fingerprint,
            "content": pipeline.content,
        }
        write_json(pipeline_file(pipeline.root), plan)


def make_directory(root: Path) -> None:
    """Raises ConfigError when the pipeline's directory cannot be made."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"run.dir={root}: cannot be made ({error.strerror}); choose another") from error


def move_aside(root: Path) -> None:
    """Gives an existing pipeline another name; nothing of it is deleted.

    Raises:
        ConfigError: the directory is no pipeline.
        LockTaken: a process works on it.
    """
    read_pipeline(root)  # only ever move a pipeline
    with lock(Layout(root).lock):
        number = 1
        while (aside := root.with_name(f"{root.name}.old-{number}")).exists():
            number += 1
        os.rename(root, aside)
    fsync_directory(root.parent)
