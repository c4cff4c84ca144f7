"""Whether the queue takes the jobs of one more step, where the site limits how many a user may have in it."""

from __future__ import annotations

from contextlib import suppress

from omi_core.cluster_options import Cluster
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.pipeline.jobs_of_steps import jobs_behind, pipeline_cluster
from omi_core.pipeline.state import step_entries
from omi_core.pipeline.step_progress import Look
from omi_core.slurm import commands
from omi_core.slurm.limits import Limits, queued_jobs, read_limits
from omi_core.slurm.script import account_of
from omi_core.slurm.standing import live_ids

# Jobs of a chain beside its two arrays: canary, gate, publish, advance, rescue.
_BESIDE = 5


def at_work(pipeline: Pipeline) -> bool:
    """Whether a job of the pipeline, but for this one, waits or runs that will look for steps to send.

    Raises:
        SlurmError: Slurm does not answer.
    """
    look = Look(pipeline)
    entries = [entry for step in pipeline.steps for entry in step_entries(look, step)]
    return bool(live_ids(entry for entry in entries if entry["stage"] != "rescue"))


class Room:
    """Asks the site for its limits once, and for what is in the queue before each step."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._limits: Limits | None = None

    def check(self, step: Step) -> None:
        """Raises SubmitLimit where not all jobs of a step fit, while others of the pipeline are at work.

        A step that fits in no queue goes in parts when it is alone.
        """
        with suppress(commands.Busy, commands.NotInstalled):
            most = self._most()
            if most is None or (room := most - queued_jobs()) >= (needed := _jobs(step)):
                return
            if at_work(self._pipeline):
                raise commands.SubmitLimit("queue", f"room for {max(room, 0)} of its {needed} jobs")

    def _most(self) -> int | None:
        if self._limits is None:
            cluster: Cluster = pipeline_cluster(self._pipeline)
            account = account_of(cluster, on_gpus=True)
            self._limits = read_limits(cluster.partition, account, cluster.qos)
        return self._limits.max_submit_jobs


def _jobs(step: Step) -> int:
    if not step.is_chain:
        return len(jobs_behind(step))
    return step.config["tasks"] + step.config["reduce_tasks"] + _BESIDE
