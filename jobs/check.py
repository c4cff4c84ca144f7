"""Prove a Slurm site in minutes, by questions and a few small jobs: a line for each check, and what to do.

    python -m jobs.check +cluster=slurm cluster.partition=a100 cluster.gpus_per_node=4 teacher=llama31_8b
    python -m jobs.check +cluster=perlmutter cluster.account=m1 teacher=llama31_8b run.root=/scratch/runs
    python -m jobs.check +cluster=juwels_booster cluster.account=lab teacher=llama31_8b tasks=64 sample=true

It takes the options of jobs.generate that a site matters to. The report is check-<site>.json beside the runs;
nothing else is left. Exit codes: 0 ready, 1 not ready, 2 a mistake in the command line.
"""

from omi_core.commands.check import check
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("check", check, __doc__ or "", interrupted="interrupted; its jobs are cancelled")
