"""Gather the evaluated cells of a study: a table, a verdict for each finding, and a page with figures.

    python -m jobs.evaluate teacher=rehearsal benchmarks=[gsm8k=train.jsonl] limit=10 run.dir=runs/a
    python -m jobs.evaluate teacher=rehearsal benchmarks=[gsm8k=train.jsonl] limit=10 seed=1 run.dir=runs/b
    python -m jobs.gather 'cells={a: {run: runs/a, seed: 0}, b: {run: runs/b, seed: 1}}' out=studies/first

A cell is a run of jobs.evaluate with the parameters of its setting and its seed; findings say which settings
are compared, and what is claimed. A file such as omi/study/noise.yaml holds them for --config-dir omi
+study=noise. Cells that are not evaluated yet are named; gather again when they are.
"""

from omi_core.commands.shell import run_composed
from omi_core.study.gathering import gather

if __name__ == "__main__":
    run_composed("gather", gather, __doc__ or "")
