"""Gather the evaluated cells of a study: a table, a verdict for each finding, and a page with figures.

    python -m jobs.gather --config-dir omi +study=votes out=studies/votes

The file omi/study/votes.yaml names the cells, each with its evaluation, and the findings as they are claimed:

    cells:
      few-0: {run: runs/few-0, parameters: {votes: 0}, seed: 0}
      many-0: {run: runs/many-0, parameters: {votes: 8}, seed: 0}
    findings:
      votes: {first: {votes: 8}, against: {votes: 0}}

Cells that are not evaluated yet are named; gather again when they are.
"""

from omi_core.commands.shell import run_composed
from omi_core.study.gathering import gather

if __name__ == "__main__":
    run_composed("gather", gather, __doc__ or "")
