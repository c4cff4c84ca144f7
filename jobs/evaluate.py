"""Evaluate a model on benchmarks: every answer is graded, and the figures come with their error bars.

    python -m jobs.evaluate teacher=rehearsal benchmarks=[gsm8k=train.jsonl] limit=10      # a local file
    python -m jobs.evaluate teacher=tiny benchmarks=[gsm8k=train.jsonl] limit=10 samples=16 plan=true
    python -m jobs.evaluate teacher=rehearsal benchmarks=[gsm8k=train.jsonl] limit=10 min.gsm8k=0.1

model=HUB_ID or model=DIRECTORY is the model, or teacher=NAME one with all its options. Without a file,
benchmarks=[gsm8k,math] are read from the hub.

The run is in runs/evaluations-<benchmarks>-<teacher>-<fingerprint>, or in run.dir; what it comes to is in
evaluation/ below. It is continued, watched and cancelled as any run. The exit code is 0 whatever the score.
"""

from omi_core.commands.evaluate import evaluate
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("evaluate", evaluate, __doc__ or "")
