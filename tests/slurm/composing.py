"""How the tests of the Slurm side get a config and its jobs: composed by Hydra, as a command line would."""

from __future__ import annotations

from pathlib import Path

from omi_core.composing.command_line import Takes, read
from omi_core.composing.compose import compose_cells
from omi_core.config import Generate, load_generate
from omi_core.slurm.limits import Limits
from omi_core.slurm.script import Job
from omi_core.slurm.submit import Chain, Site, shares
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate

LIMITS = Limits("site", max_array_size=1001, max_job_count=10_000)


def compose(*arguments: str) -> Generate:
    """The config of `python -m jobs.generate ARGUMENTS`."""
    (values,) = compose_cells("generate", read("generate", arguments, Takes(folder=True)))
    return load_generate(values)


def chain(config: Generate, root: Path, canary: bool = True) -> dict[str, Job]:
    """The jobs of a chain by stage, for a new run in `root`; nothing is submitted."""
    config.run.dir = str(root)
    run = plan_generate(config)
    jobs = Chain(run, Site(LIMITS), dry=True).generate(shares(run, gate.missing(run), canary))
    return {entry.job.stage: entry.job for entry in jobs}
