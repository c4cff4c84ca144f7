"""Show what the tasks of a run printed: the last lines of each log, or one task's whole log.

python -m jobs.logs runs/mine
python -m jobs.logs runs/mine task=17        # the generate task 17, whole
python -m jobs.logs runs/mine stage=reduce lines=50
python -m jobs.logs runs/mine failed=true
python -m jobs.logs runs/mine follow=true    # until nothing waits or runs
"""

from omi_core.commands.logs import Options, main
from omi_core.commands.shell import run_on_runs

if __name__ == "__main__":
    run_on_runs("logs", Options, main, __doc__ or "", most=1, pipelines=True)
