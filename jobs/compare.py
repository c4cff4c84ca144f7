"""Compare runs, one row each: the options in which they differ, their results and their cost.

    python -m jobs.generate -m teacher=rehearsal data.size=40 samples=2,8 run.root=runs/votes
    python -m jobs.compare runs/votes                                # a sweep: all runs in a folder
    python -m jobs.compare 'votes/solutions-*' csv=votes.csv         # names and globs below runs/
    python -m jobs.compare runs/votes json=true                      # JSON instead of the table

Runs can be compared at any stage, even while they work; a dash stands for what is not known yet.
"""

from omi_core.commands.compare import Compare, main
from omi_core.commands.shell import run_on_runs

if __name__ == "__main__":
    run_on_runs("compare", Compare, main, __doc__ or "")
