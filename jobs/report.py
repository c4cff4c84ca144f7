"""Draw runs: one HTML page with charts, to look at in a browser, to print and to pass on.

    python -m jobs.generate teacher=rehearsal data.size=40 samples=8 run.dir=runs/drawn
    python -m jobs.report runs/drawn                                 # writes report.html
    python -m jobs.report drawn 'runs/*' out=both.html     # side by side, then each of them

The page needs no network and holds no scripts. Runs at any stage can be drawn, also while they work; a
chart for which there is nothing yet is left out. Times come from the tasks that ended by themselves.
"""

from __future__ import annotations

from omi_core.commands.report import Report, main
from omi_core.commands.shell import run_on_runs

if __name__ == "__main__":
    run_on_runs("report", Report, main, __doc__ or "")
