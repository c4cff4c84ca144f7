"""Draw runs as one HTML page of charts, to view in a browser, to print or to pass on.

    python -m jobs.generate teacher=rehearsal data.size=40 samples=8 run.dir=runs/drawn
    python -m jobs.report runs/drawn                                 # writes runs/drawn/report.html
    python -m jobs.report drawn 'runs/*' out=both.html     # side by side, then each of them

The page needs no network and has no scripts. Runs can be drawn at any stage, even while they work; charts
without data are left out. Times come from tasks that ended on their own.
"""

from omi_core.commands.report import Report, main
from omi_core.commands.shell import run_on_runs

if __name__ == "__main__":
    run_on_runs("report", Report, main, __doc__ or "")
