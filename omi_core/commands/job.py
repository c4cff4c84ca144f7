"""What a job of the chain runs: `python -m jobs._task RUN STAGE …`; users never type it.

    RUN canary ATTEMPT OFFSET      a few samples; fails unless they look as they should
    RUN generate ATTEMPT OFFSET    this task's shard, found by SLURM_ARRAY_TASK_ID and SLURM_PROCID
    RUN gate ATTEMPT               are all keys on disk? else the next attempt, or the end of the chain
    RUN reduce PARTS JOBS          this task's parts, of an array of JOBS tasks
    RUN publish PARTS              the dataset
    RUN advance                    of a run that is a step of a pipeline: submits the steps that wait for it
    RUN rescue                     when the job before it failed: sends it again, or ends the chain
    DIR train                      a training, on each of its nodes
    PIPELINE train NAME            a step that trains, on each of its nodes
    PIPELINE step NAME             a step that is no chain of jobs, or any on one machine; then as advance
    PIPELINE rescue NAME           when the job of such a step failed: sends it again, or says why not
    DIR probe NAME                 of jobs.check: looks around and leaves a report

Exit codes: 0 done, 1 a failure, 74 one that could not be written down either, 75 work handed back before the
time limit, 76 on SIGTERM. A job's script ends with 78 when a line of `cluster.setup` fails.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys

from omi_core.stages.stopping import Stop, Stopped, listening


def main(arguments: list[str]) -> int:
    """Runs one stage of one task; returns its exit code."""
    faulthandler.enable()  # what crashes outright says on its log where it was
    # Handlers first: the signal before the time limit ends a process that has none, and imports take long.
    words = "stopping after this step, with a checkpoint" if arguments[1:2] == ["train"] else None
    with listening(Stop(), words) as stop:
        from omi_core.slurm import array_task
        from omi_core.slurm.links import ChainEnded
        from omi_core.store.files import disk_failed

        root, stage, *rest = arguments
        if stage == "probe":
            from omi_core.checks import node_side

            return node_side.main(root, rest[0], stop)
        try:
            with array_task.leaving_word(root, stage):
                if stage in ("advance", "rescue", "step"):
                    from omi_core.pipeline import advance

                    return advance.STAGES[stage](root, *rest)
                if stage == "train" and rest:
                    from omi_core.pipeline.training_step import train_step

                    return train_step(root, rest[0], stop)
                if stage == "train":
                    from omi_core.training.launching import train_job

                    return train_job(root, stop)
                return array_task.STAGES[stage](root, [int(value) for value in rest], stop)
        except Stopped:
            return array_task.HANDED_BACK if stop.signal == signal.SIGUSR2 else array_task.TERMINATED
        except (*array_task.FAILURES, OSError) as error:
            if not isinstance(error, array_task.FAILURES) and not disk_failed(error):
                raise
            _say(f"failed: {' '.join(str(error).split())}")
            if stage in ("gate", "reduce", "publish", "advance") and isinstance(error, ChainEnded):
                _others_go_on(root)
            return 1
        except array_task.Unwritable as error:
            _say(f"failed: {error}")
            return array_task.UNWRITABLE


def _others_go_on(root: str) -> None:
    """Of a run that is a step of a pipeline: what could not be sent so far does not wait for it in vain."""
    from omi_core.pipeline import advance
    from omi_core.slurm import array_task

    try:
        advance.others_go_on(root)
    except (*array_task.FAILURES, OSError) as error:
        _say(f"failed: {' '.join(str(error).split())}")


def _say(line: str) -> None:
    """Prints a last line, where the log takes one: on a full disk the exit code has to say it all."""
    try:
        print(line, file=sys.stderr, flush=True)
        sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):  # else what is buffered fails again as Python ends, with exit code 120
            os.dup2(null, stream)
