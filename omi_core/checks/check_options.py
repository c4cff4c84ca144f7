"""What `jobs.check` takes: recipe and site as `jobs.generate` takes them, and how long it may last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.cluster_options import Cluster
from omi_core.config import AnyTeacher, Generate, load_generate
from omi_core.inputs.data_options import Data
from omi_core.options import ConfigError, option, section
from omi_core.prompts.prompt_options import Prompt
from omi_core.tasks.scores import SCORES
from omi_core.teachers.teacher_options import REWARD, Engine, Sampling


@dataclass
class RunPlace:
    """Where runs are going to be."""

    dir: str | None = option(None, "the run directory that is meant; null: one below ROOT")
    root: str = option("runs", "where run directories are made: tried out, and where the report is left")


@dataclass
class SiteCheck:
    """Root of `jobs.check`."""

    teacher: AnyTeacher = section(AnyTeacher)  # type: ignore[valid-type]
    data: Data = section(Data)
    prompt: Prompt = section(Prompt)
    sampling: Sampling = section(Sampling)
    tasks: int = option(1, "array tasks that a run is to have", ge=1)
    reduce_tasks: int = option(1, "array tasks of its reduce stage", ge=1)
    engine: Engine = section(Engine)
    cluster: Cluster = section(Cluster)
    run: RunPlace = section(RunPlace)
    sample: bool = option(False, "also load the teacher on a node and have it generate one sample")
    patience_minutes: float = option(
        15.0, "how long a job may wait to start before what it should show is skipped", gt=0
    )
    json: bool = option(False, "print JSON, for scripts")


@dataclass(frozen=True)
class Inspection:
    """A checked command line: the run that is meant, and how it is checked."""

    generate: Generate
    sample: bool = False
    patience_s: float = 900.0
    json: bool = False

    @property
    def base(self) -> Path:
        """The directory in which runs are made."""
        run = self.generate.run
        return (Path(run.dir).parent if run.dir else Path(run.root)).absolute()


def load_check(values: Mapping[str, Any]) -> Inspection:
    """What a command line asks for.

    Raises:
        ConfigError: as `load_generate`; or no cluster is chosen, or a reward model is to generate.
    """
    config = options.load(SiteCheck, values)
    if config.cluster.kind != "slurm":
        raise ConfigError("cluster: none is chosen, and this machine is no site; give +cluster=NAME")
    given = options.written(config)
    same = ("teacher", "data", "prompt", "sampling", "tasks", "reduce_tasks", "engine", "cluster", "run")
    run: dict[str, Any] = {key: given[key] for key in same}
    if config.teacher.kind == REWARD:
        if config.sample:
            raise ConfigError("sample=true: a reward model generates nothing; omit it")
        run |= {"task": {"name": SCORES.task}, "samples": 1}
    return Inspection(load_generate(run), config.sample, config.patience_minutes * 60, config.json)
