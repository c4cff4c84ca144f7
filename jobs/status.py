"""Show runs and pipelines: stages, samples, rate, time left, failures. Without RUN: all, one per line.

    python -m jobs.status
    python -m jobs.status runs/mine
    python -m jobs.status runs/mine watch=true
    python -m jobs.status runs/mine json=true
    python -m jobs.status runs/mine wait=true      # exit code 0: published, 4: it needs you

Makes one squeue call and at most one sacct call per run; without Slurm it shows what the run's files say.
"""

from omi_core.commands.shell import run_on_runs
from omi_core.commands.status import Options, main

if __name__ == "__main__":
    run_on_runs("status", Options, main, __doc__ or "", least=0, pipelines=True)
