"""`jobs.resume`: a run or a pipeline from its directory to the work that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omi_core.commands.finding import Resume
from omi_core.config import Generate
from omi_core.options import ConfigError


def main(config: Resume, runs: list[Path]) -> int:
    """Continues one run or pipeline. Returns the exit code."""
    from omi_core.commands.waiting import wait_for
    from omi_core.pipeline.definition import is_pipeline, read_pipeline
    from omi_core.stages.continuing import SECTIONS
    from omi_core.store.layout import Layout
    from omi_core.training.training_directory import is_training

    plain = {name: getattr(config, name) for name in ("tasks", "reduce_tasks", "notify")}
    sections = {name: getattr(config, name) for name in SECTIONS}
    if is_pipeline(runs[0]):
        from omi_core.pipeline import start

        code, on_slurm = start.resume(runs[0], **plain, **sections), read_pipeline(runs[0]).on_slurm
        return wait_for(runs[0]) if config.wait and on_slurm and not code else code
    if is_training(runs[0]) and (pipeline := Layout(runs[0]).pipeline) is not None:
        return main(config, [pipeline])  # its job is the pipeline's
    if is_training(runs[0]):
        return _train_on(runs[0], plain | sections)
    from omi_core.commands.making import finish_here
    from omi_core.stages.continuing import open_again

    run = open_again(Layout(runs[0]), plain, **sections)
    if isinstance(run.config, Generate) and run.config.cluster.kind == "slurm":
        from omi_core.slurm.sending import submit_again

        code = submit_again(run, config.cluster.get("after"))
        return wait_for(runs[0]) if config.wait and not code else code
    return finish_here(run.config.run.drain_seconds, lambda: run)


def _train_on(root: Path, given: dict[str, Any]) -> int:
    """Continues a training. Raises ConfigError for an option, which the command itself takes."""
    from omi_core.training.teaching import train
    from omi_core.training.training_run import open_training

    if key := next((key for key, value in given.items() if value), None):
        raise ConfigError(f"{key}: not read for a training; give it to jobs.train, with the same run.dir")
    return train(open_training(root).config)
