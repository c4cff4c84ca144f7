"""Prove a Slurm site in minutes, by questions and a few small jobs: a line for each check, and what to do.

    python -m jobs.check +cluster=mysite cluster.partition=gpu teacher=llama31_8b run.root=/scratch/me/runs
    python -m jobs.check +cluster=mysite teacher=qwen25_math_72b tasks=64 sample=true
    python -m jobs.check +cluster=mysite json=true

It takes the options of jobs.generate that a site matters to. The report is check-<site>.json beside the runs;
nothing else is left. Exit codes: 0 ready, 1 not ready, 2 a mistake in the command line.
"""

from omi_core.commands.check import check
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("check", check, __doc__ or "", interrupted="interrupted; its jobs are cancelled")
