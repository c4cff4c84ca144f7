"""Continue a run or a pipeline: submit what is missing of it, or finish it here if it was made here.

    python -m jobs.resume runs/mine
    python -m jobs.resume runs/mine tasks=4     # spread what is missing over 4 tasks

On Slurm, cluster.time=02:00:00, engine.max_num_seqs=64 or any other option of cluster, engine or run applies
from then on. Nothing is repeated. Jobs that still wait or run are left alone, except that held jobs are
released, and jobs that can never start are submitted again. With more tasks than before, work left over by a
few slow tasks is spread again. In a pipeline, every step that can continue does.
"""

from omi_core.commands.finding import Resume
from omi_core.commands.resume import main
from omi_core.commands.shell import run_on_runs

if __name__ == "__main__":
    run_on_runs("resume", Resume, main, __doc__ or "", most=1, pipelines=True)
