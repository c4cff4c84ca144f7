"""Train a student on a dataset.

    python -m jobs.train data=runs/demo run.dir=runs/student        # the tiny student, on a CPU
    python -m jobs.train data=runs/demo student=llama31_8b training=openmath2 plan=true
    python -m jobs.train data=[a.jsonl,b.jsonl,runs/math] student=qwen25_math_7b training=acemath_sft

data= is a run, a combined dataset, a mixture, or files with chat messages; of several stages one for each.
The model is in run.dir/model: teacher=model teacher.model=DIR and jobs.evaluate model=DIR load it.

Run the same command again to continue after a kill; it does nothing once the model is complete. With
+cluster=SITE it submits one job.
"""

from omi_core.commands.shell import run_composed
from omi_core.training.teaching import train

if __name__ == "__main__":
    run_composed("train", train, __doc__ or "")
