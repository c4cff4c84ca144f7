"""Make a dataset: plan, generate, reduce and publish.

    python -m jobs.generate                                          # the demo, on this machine's CPU
    python -m jobs.generate data=gsm8k data.path=train.jsonl data.limit=100
    python -m jobs.generate teacher=rehearsal data=math data.path=train.jsonl samples=32 tasks=8
    python -m jobs.generate data=file data.path=my.parquet data.problem=question samples=16 run.dir=runs/mine

The run is in runs/<task>-<data>-<teacher>-<fingerprint>, or in run.dir; its dataset is in dataset/ below.
Run the same command again to continue a run that was stopped or killed; it does nothing once the run is done.
"""

from omi_core.commands.making import generate
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("generate", generate, __doc__ or "")
