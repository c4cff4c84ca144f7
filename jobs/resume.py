"""Continue a run or a pipeline: submit what is missing of it, or finish it here if it was made here.

    python -m jobs.resume runs/mine
    python -m jobs.resume runs/mine tasks=4     # spread what is missing over 4 tasks

On Slurm, cluster.time=02:00:00 or another option of the cluster applies from then on. Nothing is repeated. A
run whose jobs still wait or run is left alone, but what is held is released, and what can never start is
submitted anew; a complete one says so. With more tasks than before, the work that a few slow tasks have left
is shared out anew. In a pipeline every step that can continues.
"""

from __future__ import annotations

from omi_core.commands.finding import Resume
from omi_core.commands.resume import main
from omi_core.commands.shell import run_on_runs

if __name__ == "__main__":
    run_on_runs("resume", Resume, main, __doc__ or "", most=1, pipelines=True)
