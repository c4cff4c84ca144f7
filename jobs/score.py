"""Score the samples of a run, an evaluation or files by a reward model.

    python -m jobs.score input=samples.jsonl teacher=rehearsal               # no model: drawn scores
    python -m jobs.score input=samples.jsonl teacher=rehearsal tasks=8 plan=true
    python -m jobs.score input='out/*.parquet' data.problem=question solution=[responses] teacher=rehearsal

input=RUN scores the samples of a run of solutions or of an evaluation. model=HUB_ID or model=DIRECTORY is
the reward model, or teacher=NAME one with all its options.

The run is in runs/scores-<input>-<teacher>-<fingerprint>, or in run.dir; its dataset has a row for each
sample. It is continued, watched and cancelled as any run. jobs.reduce and jobs.evaluate take it.
"""

from omi_core.commands.making import generate
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("score", generate, __doc__ or "")
