"""Make data in several steps: the runs of a recipe in order, each using what the earlier ones made.

    python -m jobs.pipeline recipe=rehearsal                          # on this machine, in a minute
    python -m jobs.pipeline recipe=rehearsal plan=true                # the steps; makes nothing
    python -m jobs.pipeline recipe=rehearsal size=60 steps.solve.samples=8 run.dir=runs/mine_pipeline
    python -m jobs.pipeline recipe=rehearsal --help                   # the parameters of a recipe

The pipeline is in runs/<recipe>-<fingerprint>, or in run.dir, with a directory for each step. Run the same
command again to continue a pipeline that was stopped or killed; it does nothing once the pipeline is done.
With +cluster=NAME it submits jobs to Slurm and returns; each step's jobs submit the steps that depend on it.
"""

from omi_core.commands.pipeline import run_pipeline

if __name__ == "__main__":
    run_pipeline(__doc__ or "")
