"""What jobs.train does: plan, prepare, train here or submit, and show what came of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from omi_core.combine.sources import InputDamaged
from omi_core.options import ConfigError
from omi_core.stages.progress import LINE_SECONDS
from omi_core.stages.stopping import Stop, handling
from omi_core.store.files import disk_failed, write_json
from omi_core.training.examples import count_examples, tokenizer_of
from omi_core.training.train_options import Train
from omi_core.training.training_directory import PROGRESS, is_made
from omi_core.training.training_run import TrainingRun, plan_training, prepare_examples, working_on
from omi_core.training.training_status import words_of_step

_NEEDED = ("torch", "transformers", "accelerate", "trl")
_FIRST_ROWS = 1000  # that are looked at before a job is submitted
_LOOK_S, _DRAW_S = 2.0, 30.0  # between two writes of the progress, and of the page


def train(config: Train) -> int:
    """Trains here, or submits that to Slurm. Returns the exit code.

    Raises:
        ConfigError: the data or the student cannot be had, or the directory is another's.
    """
    check_installed()
    run = plan_training(config)
    if config.plan:
        from omi_core.training.training_plan import show_training_plan

        return show_training_plan(run)
    if config.cluster.kind == "slurm":
        from omi_core.training.launching import submit_training

        return submit_training(run)
    try:
        return train_here(run)
    except (InputDamaged, OSError) as error:
        if isinstance(error, OSError) and not disk_failed(error):
            raise
        print(f"failed: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def check_installed() -> None:
    """Raises ConfigError where a package that trains is missing."""
    if missing := next((name for name in _NEEDED if find_spec(name) is None), None):
        raise ConfigError(
            f"jobs.train: the package {missing} is missing; install the extra: pip install '.[train]', "
            "see docs/install.md"
        )


def check_first_rows(run: TrainingRun) -> None:
    """Raises ConfigError where of the first rows of a stage none can be trained on."""
    for stage in run.stages:
        count_examples(stage.source, run.work_of(stage), run.config.on_bad_row, limit=_FIRST_ROWS)


def train_here(run: TrainingRun) -> int:
    """Brings a training to its end in this process; the exit code."""
    with working_on(run):
        if run.complete():
            print(f"complete, nothing to do: {run.model}")
            return 0
        from omi_core.training.students import check_student

        check_student(run)
        prepare_examples(run)
        stop = Stop()

        def asked(number: int, frame: Any) -> None:
            if stop.asked():
                raise KeyboardInterrupt
            stop.ask(number)
            print("stopping after this step, with a checkpoint (again: at once)", file=sys.stderr, flush=True)

        with handling(asked):
            done = carry_out_stages(run, stop.asked)
    if not done:
        print("stopped; the same command continues", file=sys.stderr)
        return 130
    show_model(run)
    return 0


def show_model(run: TrainingRun) -> None:
    """Prints where the model lies and what to do with it."""
    print(f"model: {run.model}\ncurves: {run.root / 'training.html'}")
    print(f"{'score' if run.scores_responses else 'evaluate'}: {run.use_of(len(run.stages))}")


def carry_out_stages(run: TrainingRun, stopping: Callable[[], bool]) -> bool:
    """Trains every stage that is not done, in each of the processes; False when it was stopped.

    The examples are there. Raises ValueError where a batch does not divide over the processes.
    """
    from omi_core.training.model_card import model_card, write_training_page
    from omi_core.training.stage_trainer import StageWork, barrier
    from omi_core.training.stage_training import run_stage
    from omi_core.training.students import open_student, write_stage_model

    first = os.environ.get("RANK", "0") == "0"
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(run.root / "tensorboard")
    counts = prepare_examples(run)
    _quiet()
    for number, (stage, counted) in enumerate(zip(run.stages, counts, strict=True), 1):
        begun_with = run.model_of(number - 1) if number > 1 else None
        if is_made(run.model_of(number), run.fingerprint):
            continue
        tokenizer = tokenizer_of(run.config.student, stage.settings)
        steps = stage.steps(counted)
        work = StageWork(
            stage.folder,
            stage.settings,
            stage.examples,
            counted.rows,
            steps,
            run.config.student.dtype,
            stopping,
            _Teller(run, number),
        )
        model = open_student(run.config.student, stage.settings, begun_with, tokenizer)
        done = run_stage(work, model, tokenizer)
        if first:
            write_training_page(run)
        if not done:
            return False
        if first:
            rows = sum(each.rows for each in counts[:number])
            write_stage_model(run, number, steps, rows, model_card(run, counts, number))
        barrier()
    return True


def _quiet() -> None:
    """Leaves out what the libraries say of themselves."""
    import logging

    from transformers.utils import logging as of_transformers

    of_transformers.set_verbosity_error()
    of_transformers.disable_progress_bar()
    for name in ("accelerate", "trl", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)


class _Teller:
    """Tells of the steps of a stage: on the terminal now and then, in a file and on the page."""

    def __init__(self, run: TrainingRun, number: int) -> None:
        self._run, self._number = run, number
        self._written = self._said = self._drawn = 0.0

    def __call__(self, step: dict[str, float]) -> None:
        from omi_core.training.model_card import write_training_page

        now, last = time.monotonic(), step["step"] == step["steps"]
        if last or now - self._written >= _LOOK_S:
            self._written = now
            stage = {"stage": self._run.stages[self._number - 1].name, "number": self._number}
            more = {"stages": len(self._run.stages), "time": time.time()}
            write_json(self._run.root / PROGRESS, stage | more | step)
        if not last and now - self._drawn >= _DRAW_S:  # the last one is drawn when all of it is there
            self._drawn = now
            write_training_page(self._run)
        if last or now - self._said >= LINE_SECONDS:
            self._said = now
            name = self._run.stages[self._number - 1].name
            print(f"{name}: step {words_of_step(step)}", file=sys.stderr, flush=True)
