"""What Python code does with runs and pipelines: the words of the command line, without a shell around them.

    config = omi_core.compose("generate", ["teacher=rehearsal", "data.size=20", "run.dir=runs/mine"])
    run = omi_core.run(omi_core.plan(config))
    rows = list(run.rows())

Mistakes raise ConfigError, failures the exception that says why, and Ctrl-C KeyboardInterrupt; what was made
by then is on disk, and `resume` goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from omi_core.config import Generate, Reduce
from omi_core.options import ConfigError
from omi_core.pipeline.definition import Pipeline, is_pipeline
from omi_core.protocol import Asked
from omi_core.publish.dataset import read_stats
from omi_core.publish.names import pattern_of
from omi_core.records import Record, Sample
from omi_core.stages.run import Run, outcome, records_of
from omi_core.store.journal import read_samples
from omi_core.store.layout import Layout

if TYPE_CHECKING:
    from omi_core.combine.combine_options import Combine, Mix
    from omi_core.decontaminate.decontaminate_options import Decontaminate
    from omi_core.preferences.preference_options import Preferences
    from omi_core.training.train_options import Train

    Config = Generate | Reduce | Decontaminate | Combine | Mix | Preferences | Train


class RunFailed(RuntimeError):
    """A run or a pipeline was not brought to its end; what was printed says why."""


@dataclass(frozen=True)
class OpenRun:
    """A run on disk, at any stage: what it makes, and what there is of it."""

    run: Run[Generate | Reduce]

    @property
    def root(self) -> Path:
        """Its directory."""
        return self.run.layout.root

    @property
    def config(self) -> Generate | Reduce:
        """Its options."""
        return self.run.config

    @property
    def stats(self) -> dict[str, Any] | None:
        """`stats.json` of its dataset or its evaluation; None while there is none."""
        return read_stats(outcome(self.run))

    def records(self) -> Iterator[Record]:
        """What is asked of the teacher, in the order of the input."""
        return records_of(self.run)

    def samples(self) -> Iterator[Sample]:
        """Every sample that was generated so far, also failed ones, record after record.

        Raises:
            FrameDamaged: a journal is broken in the middle.
        """
        for samples in read_samples(self.run.layout.journals(), 0, self.run.plan.records):
            yield from (sample for sample in samples if sample.drawn)

    def rows(self, split: str = "train") -> Iterator[dict[str, Any]]:
        """The rows of its dataset, of dialogues style after style. `train` has all, others are samples of it.

        Raises:
            ConfigError: it is not published, or has no such split.
        """
        from pyarrow.parquet import ParquetFile

        dataset = self.run.layout.dataset
        files = [path for folder in ("", "*/") for path in sorted(dataset.glob(f"{folder}data/*.parquet"))]
        chosen = [path for path in files if pattern_of(path.name).startswith(f"{split}-*")]
        if not chosen:
            why = f"has no split {split}" if files else "is not published yet"
            raise ConfigError(f"{self.root}: {why}")
        for path in chosen:
            with ParquetFile(path) as file:
                for batch in file.iter_batches():
                    yield from batch.to_pylist()


def compose(command: str, words: Sequence[str] = (), config_dir: str | Path | None = None) -> Any:
    """The config of `python -m jobs.COMMAND WORDS`, checked; of `pipeline` the Pipeline. Nothing is made.

    `command` is generate, evaluate, score, reduce, decontaminate, combine, mix, preferences or pipeline. In
    `config_dir` lie YAML groups of one's own.

    Raises:
        ConfigError: what the command itself would refuse.
    """
    from omi_core.composing.compose import COMMANDS, command_root, compose_values

    folder = Path(config_dir) if config_dir is not None else None
    if command == "pipeline":
        from omi_core.pipeline import composing

        given = [] if folder is None else [f"--config-dir={folder}"]
        return composing.compose(*composing.read_words([*given, *words]))
    if command not in COMMANDS:
        raise ConfigError(f"{command}: composes no config; one of {', '.join([*COMMANDS, 'pipeline'])}")
    return command_root(command).checked(compose_values(command, words, folder), folder)


@overload
def plan(config: Generate) -> Run[Generate]: ...
@overload
def plan(config: Reduce) -> Run[Reduce]: ...
@overload
def plan(config: Asked) -> Run[Generate]: ...
@overload
def plan(config: Pipeline) -> Pipeline: ...
def plan(config: Generate | Reduce | Asked | Pipeline) -> Run[Any] | Pipeline:
    """Reads the input and writes the plan of a run or a pipeline into its directory, unless it is there.

    With the option `plan=true` it is planned, and nothing is written.

    Raises:
        ConfigError: it cannot be planned, or its directory holds something else.
    """
    from omi_core.slurm.sending import plan_to_submit
    from omi_core.stages.planning import plan_generate, plan_reduce

    if isinstance(config, Pipeline):
        from omi_core.pipeline import start

        start.check(config)
        if not config.plan:
            start.write(config)
        return config
    if isinstance(config, Reduce):
        return plan_reduce(config)
    if isinstance(config, Asked):
        config = config.generate
    return plan_to_submit(config) if config.cluster.kind == "slurm" else plan_generate(config)


def run(
    planned: Run[Any] | Pipeline | Combine | Mix | Preferences | Decontaminate | Train,
) -> OpenRun | None:
    """Makes what was planned, here; or on Slurm submits it and returns at once.

    What takes no planning (combine, mix, preferences, decontaminate, train) is given as its config. Returns
    the run, None where it is not one.

    Raises:
        ConfigError: another process works on it, the site refuses its jobs, or `plan=true` was set.
        RunFailed: a step of a pipeline, or what takes no planning, failed.
    """
    if isinstance(planned, Run):
        config = planned.config
        _refuse_shown(config.plan)
        if isinstance(config, Generate) and config.cluster.kind == "slurm":
            from omi_core.slurm.sending import submit_missing

            _check(submit_missing(planned, by="generate", after=config.cluster.after), planned.layout.root)
            return OpenRun(planned)
        return _finish(planned)
    if isinstance(planned, Pipeline):
        from omi_core.pipeline import start

        _refuse_shown(planned.plan)
        return _check(start.go_on(planned, by="pipeline"), planned.root)
    from omi_core.pipeline.steps import make_here

    return _check(make_here(planned), type(planned).__name__.lower())


def resume(
    root: str | Path,
    tasks: int | None = None,
    cluster: Mapping[str, Any] | None = None,
    engine: Mapping[str, Any] | None = None,
) -> OpenRun | None:
    """Continues the run or the pipeline in a directory, as `jobs.resume`; nothing is repeated.

    `tasks` and options of the `cluster` and the `engine` may be others from now on; a pipeline takes none.

    Raises: as `run`.
    """
    from omi_core.stages.continuing import open_again

    if is_pipeline(Path(root)):
        from omi_core.pipeline import start

        return _check(start.resume(Path(root), tasks=tasks, cluster=cluster, engine=engine), root)
    found = open_again(Layout(Path(root)), {"tasks": tasks}, cluster=cluster, engine=engine)
    if isinstance(found.config, Generate) and found.config.cluster.kind == "slurm":
        from omi_core.slurm.sending import submit_again

        after = (cluster or {}).get("after")
        _check(submit_again(found, after), root)
        return OpenRun(found)
    return _finish(found)


def open_run(root: str | Path) -> OpenRun:
    """The run in a directory, to be looked at. Raises ConfigError when there is none."""
    from omi_core.stages import run as stored

    return OpenRun(stored.open_run(Layout(Path(root))))


def _finish(found: Run[Any]) -> OpenRun:
    from omi_core.stages.local import run_locally
    from omi_core.stages.stopping import Stop, Stopped, listening

    try:
        with listening(Stop(found.config.run.drain_seconds)) as stop:
            run_locally(found, stop)
    except Stopped:
        raise KeyboardInterrupt from None
    return OpenRun(found)


def _refuse_shown(plan: bool) -> None:
    if plan:
        raise ConfigError("plan=true: nothing was written, so there is nothing to run; compose it without")


def _check(code: int, what: object) -> None:
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise RunFailed(f"{what}: failed, see what was printed")
