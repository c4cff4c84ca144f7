"""Train a student on a dataset.

    python -m jobs.generate teacher=rehearsal data.size=40 samples=2 run.dir=runs/lessons
    python -m jobs.train data=runs/lessons plan=true                            # the tiny student, on a CPU
    python -m jobs.train data=runs/lessons training.steps=4 run.dir=runs/student
    python -m jobs.train data=math_chat.jsonl nodes=2 +cluster=slurm cluster.partition=gpu plan=true

data= is a run, a combined dataset, a mixture, or files with chat messages; of several stages one for each.
The model is in run.dir/model: teacher=model teacher.model=DIR and jobs.evaluate model=DIR load it.

Run the same command again to continue after a kill; it does nothing once the model is complete. With
+cluster=SITE it submits one job. student= and training= choose the model and published settings.
"""

from omi_core.commands.shell import run_composed
from omi_core.training.teaching import train

if __name__ == "__main__":
    run_composed("train", train, __doc__ or "")
