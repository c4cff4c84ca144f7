"""Combine datasets into one: their rows one after another, without duplicates, with splits and chat messages.

    python -m jobs.generate teacher=rehearsal data.size=40 run.dir=runs/a
    python -m jobs.generate teacher=rehearsal data.size=40 data.seed=1 run.dir=runs/b
    python -m jobs.combine inputs=[runs/a,runs/b] publish.chat=answer publish.splits.small=50 run.dir=runs/all
    python -m jobs.combine inputs=[runs/all] keep_problems_of=runs/a run.dir=runs/part

An input is a run, a published dataset, or a .jsonl, .jsonl.zst or .parquet file (or a glob of them). Run the
same command again to continue after a kill; it does nothing once the dataset is complete.
"""

from omi_core.combine.finishing import combine_datasets
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("combine", combine_datasets, __doc__ or "")
