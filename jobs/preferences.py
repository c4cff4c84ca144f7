"""Make data for a reward model: of several responses to each problem, right and wrong ones.

    python -m jobs.generate teacher=rehearsal data.size=40 samples=8 run.dir=runs/a
    python -m jobs.generate teacher=rehearsal data.size=40 samples=8 seed=1 run.dir=runs/b
    python -m jobs.preferences inputs=[runs/a,runs/b] run.dir=runs/lists
    python -m jobs.preferences inputs=[runs/a,runs/b] form=pairs run.dir=runs/pairs

The inputs are finished runs of solutions of the same problems, by any teachers. With scores=[…], a run of
jobs.score for each, the best right and the worst wrong responses are drawn. Run the same command again to
continue after a kill; it does nothing once the dataset is complete.
"""

from omi_core.commands.shell import run_composed
from omi_core.preferences.preferring import make_preferences

if __name__ == "__main__":
    run_composed("preferences", make_preferences, __doc__ or "")
