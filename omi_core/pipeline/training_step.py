"""The job of a step that trains, on each of its nodes."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

from omi_core.options import ConfigError
from omi_core.pipeline import step_progress
from omi_core.pipeline.definition import read_pipeline
from omi_core.slurm.array_task import leaving_word
from omi_core.stages.stopping import Stop
from omi_core.store.files import LockTaken
from omi_core.training.launching import train_job


def train_step(root: str, name: str, stop: Stop) -> int:
    """What the task of a node does; the first leaves word why it failed, or that the step is done.

    Returns the exit code, and raises as `train_job`.
    """
    pipeline = read_pipeline(Path(root))
    step, first = pipeline.step(name), os.environ.get("SLURM_PROCID", "0") == "0"
    if step_progress.result(pipeline, step) is not None:  # a crash of its node came after all was done
        return 0
    with leaving_word(root, "step") if first else nullcontext():
        try:
            code = train_job(str(pipeline.directory(step)), stop)
        except ConfigError as error:
            if first and not isinstance(error, LockTaken):
                reason = " ".join(str(error).split())
                step_progress.note(pipeline, "failed", step, reason=reason)
            raise
        if first and not code:
            step_progress.write_result(pipeline, step)
        return code
