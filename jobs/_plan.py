"""`plan=true`: what a command would do, with the exact text of every job; nothing is submitted or made."""

from __future__ import annotations

from typing import Any

from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.run.files import read_json
from omi_core.slurm import commands
from omi_core.slurm.limits import Limits
from omi_core.slurm.script import replicas, script
from omi_core.slurm.submit import Chain, Site, ask_site, shares
from omi_core.stages import gate
from omi_core.stages.run import Run


def show_plan(run: Run[Any], canary: bool) -> int:
    """Prints the plan of a run; returns the exit code."""
    plan, config = run.plan, run.config
    ranges = gate.missing(run)
    missing = gate.count(ranges)
    print(f"run        {run.layout.root}")
    print(f"records    {plan.records:,}")
    for reason, count in plan.skipped.items():
        print(f"left out   {count:,} input rows: {reason}")
    print(f"samples    {plan.keys:,}, of which {missing:,} are missing")
    if not isinstance(config, Generate):
        return 0
    print(f"tokens     at most {missing * config.sampling.max_tokens:,} ({_measured(run, missing)})")
    if config.cluster.kind != "slurm":
        print(f"tasks      {config.tasks} generate, {config.reduce_tasks} reduce, one after another here")
        return 0
    site, words = _site(run)
    print(f"limits     {words}")
    print(f"GPU hours  {_gpu_hours(config)}")
    chain = Chain(run, site, dry=True)
    try:
        chain.generate(shares(run, ranges, canary))
    except commands.SubmitLimit as error:
        raise ConfigError(str(error)) from error
    for entry in chain.submitted:
        array = entry.job.array
        tasks = f", {array[1] + 1} tasks" if array else ""
        print(f"\n== {entry.job.stage}{tasks}")
        print(script(config, entry.job), end="")
    if chain.unsent:
        print(f"\n{chain.unsent:,} samples more are submitted by the gate, when the queue has room for them")
    return 0


def _site(run: Run[Any]) -> tuple[Site, str]:
    try:
        site = ask_site(run.config)
    except commands.SlurmError as error:
        return Site(Limits("", "", 1001, 10_000, 0)), f"not known, taken as Slurm's own defaults ({error})"
    limits = site.limits
    submit = (
        "none" if limits.max_submit_jobs is None else f"{limits.max_submit_jobs:,}, {site.queued:,} there"
    )
    return (
        site,
        f"MaxArraySize {limits.max_array_size:,}, jobs in the queue {submit} ({limits.cluster_name})",
    )


def _measured(run: Run[Any], missing: int) -> str:
    """Expected tokens from the shards that are done, or a word that there are none."""
    manifests = [
        read_json(path)
        for path in sorted(run.layout.generate.glob("*-*.json"))
        if not path.name.endswith(".trouble.json")
    ]
    samples = sum(manifest["samples"] for manifest in manifests)
    if not samples:
        return "sampling.max_tokens for each; nothing is measured yet"
    mean = sum(manifest["completion_tokens"] for manifest in manifests) / samples
    return f"about {round(mean * missing):,}, as the {samples:,} samples so far had {mean:.0f} each"


def _gpu_hours(config: Generate) -> str:
    gpus = config.cluster.gpus_per_node * config.teacher.nodes
    if not gpus:
        return "0: the profile asks for no GPUs"
    return (
        f"at most {config.tasks * gpus} GPUs x {config.cluster.time} before tasks requeue themselves "
        f"({config.tasks} jobs, {replicas(config)} replicas each)"
    )
