"""Cancel all jobs of a run or a pipeline, in order; what is on disk stays, and jobs.resume continues it.

python -m jobs.cancel runs/mine
"""

from omi_core.commands.cancel import main
from omi_core.commands.finding import Where
from omi_core.commands.shell import run_on_runs

if __name__ == "__main__":
    run_on_runs("cancel", Where, main, __doc__ or "", most=1, pipelines=True)
