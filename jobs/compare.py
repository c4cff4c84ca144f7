"""Compare runs: a row for each, with the options in which they differ, what came out and what it cost.

    python -m jobs.generate -m teacher=rehearsal data.size=40 samples=2,8 run.root=runs/votes
    python -m jobs.compare runs/votes                                # a sweep: all runs in a folder
    python -m jobs.compare 'votes/solutions-*' csv=votes.csv         # names and globs below runs/
    python -m jobs.compare runs/votes json=true                      # JSON instead of the table

Runs at any stage can be compared, also while they work; what is not known yet is a dash.
"""

from __future__ import annotations

from omi_core.commands.compare import Compare, main
from omi_core.commands.shell import run_on_runs

if __name__ == "__main__":
    run_on_runs("compare", Compare, main, __doc__ or "")
