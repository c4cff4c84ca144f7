"""The jobs of a pipeline's steps on Slurm: those that are sent, and those that a plan shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from omi_core import options
from omi_core.cluster_options import Cluster
from omi_core.config import Generate, load_generate
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.pipeline.steps import generate_of
from omi_core.slurm.limits import Limits
from omi_core.slurm.script import Job, replicas, script
from omi_core.slurm.sending import wants_canary
from omi_core.slurm.submit import Chain, Site, shares
from omi_core.stages.run import Run
from omi_core.store.layout import Layout
from omi_core.store.plan import Plan
from omi_core.training.train_options import Train


def pipeline_cluster(pipeline: Pipeline) -> Cluster:
    """The cluster that a pipeline's own jobs go to."""
    return load_generate({"cluster": pipeline.cluster}).cluster


def jobs_behind(step: Step) -> tuple[tuple[str, str], ...]:
    """(stage, how the next one depends on it) of each job of a step that is no chain, the first one first.

    What goes on behind a training is decided on a CPU: its nodes are not held while the queue has no room.
    """
    last = (("step", "afternotok"), ("rescue", ""))
    return (("train", "afterany"), *last) if step.trains else last


def job_of(pipeline: Pipeline, step: Step, stage: str, after: str | None) -> tuple[Cluster, Job]:
    """A job of a step that is no chain, as `jobs_behind` lists them, and where it goes."""
    cluster, nodes = pipeline_cluster(pipeline), 1
    if stage == "train":
        config = options.restore(Train, step.config)
        cluster, nodes = config.cluster, config.nodes
    job = Job(
        name=f"{pipeline.root.name}.{step.name}",
        stage=stage,
        arguments=(str(pipeline.root), stage, step.name),
        logs=pipeline.layout.logs,
        token=pipeline.fingerprint[:12],
        after=after,
        nodes=nodes,
    )
    return cluster, job


def texts_of(pipeline: Pipeline, step: Step, run: Run[Generate] | None) -> Iterator[tuple[str, str]]:
    """(stage, text of the sbatch file) of every job of a step.

    `run` is that of a step that is a chain, planned; None where its records are not known yet. Its arrays
    are shown then as large as its tasks, and its fingerprint as zeros.
    """
    if not step.is_chain:
        after = None
        for stage, kind in jobs_behind(step):
            yield stage, script(*job_of(pipeline, step, stage, after))
            after = f"{kind}:<{stage}>"
        return
    if run is None:
        run = _not_known_yet(pipeline, step)
    chain = Chain(run, Site(Limits("", 1001, 10_000)), dry=True, of_pipeline=True)
    all_keys = np.array([[0, run.plan.keys]])
    for sent in chain.generate(shares(run, all_keys, wants_canary(run.config))):
        yield sent.job.stage, script(run.config.cluster, sent.job)


def _not_known_yet(pipeline: Pipeline, step: Step) -> Run[Generate]:
    config = generate_of(step.command, pipeline.config(step))
    canary = config.cluster.canary
    records = config.tasks * replicas(config) + canary.records * canary.samples
    content: dict[str, Any] = {"records": records}
    plan = Plan("0" * 32, records, config.samples, True, content, {}, {})
    return Run(Layout(pipeline.directory(step)), plan, config)
