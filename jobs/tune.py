"""Find the settings of the engine that make most rows of a GPU hour, by trial runs on the first problems.

    python -m jobs.tune teacher=rehearsal data.size=16 teacher.rehearsal.latency=0.01
    python -m jobs.tune teacher=rehearsal data.size=16 engine.max_num_seqs=64,256 -m
    python -m jobs.tune teacher=rehearsal data.size=16 plan=true

Without -m it tries fewer and more seats, fewer and more GPUs, more memory and, with draft=MODEL, speculative
decoding, one change at a time. With -m it tries the values that you give, each with each.

A trial is a run of one task below runs/tune-<task>-<data>-<teacher>, or below run.dir. The same command shows
the table again, and goes on where a trial was stopped or killed.
"""

from omi_core.commands.shell import run_cells
from omi_core.commands.tune import tune

if __name__ == "__main__":
    run_cells("tune", tune, __doc__ or "")
