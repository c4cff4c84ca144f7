"""Evaluate a model on benchmarks: every answer is graded, and the figures come with their error bars.

    python -m jobs.evaluate model=Qwen/Qwen2.5-1.5B-Instruct benchmarks=[gsm8k,math,amc23] +cluster=selene
    python -m jobs.evaluate teacher=qwen25_math_72b benchmarks=[aime24] samples=16 tasks=4 +cluster=selene
    python -m jobs.evaluate teacher=tiny benchmarks=[gsm8k=test.jsonl] limit=20 min.gsm8k=0.5
    python -m jobs.evaluate model=models/mine benchmarks=[my_set.yaml] samples=8 plan=true

The run is in runs/evaluations-<benchmarks>-<teacher>-<fingerprint>, or in run.dir; what it comes to is in
evaluation/ below. It is continued, watched and cancelled as any run. The exit code is 0 whatever the score.
"""

from omi_core.commands.evaluate import evaluate
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("evaluate", evaluate, __doc__ or "")
