"""`plan=true` of jobs.train: what would be done with each row, in how many steps, and with how much disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omi_core.combine.sources import InputDamaged
from omi_core.options import ConfigError
from omi_core.training.examples import count_examples, read_counts
from omi_core.training.students import check_student, disk_need, parameters
from omi_core.training.training_run import StagePlan, TrainingRun


def show_training_plan(run: TrainingRun) -> int:
    """Prints the plan; nothing is written. Returns the exit code.

    Raises:
        ConfigError: the data or the student cannot be had, or no row can be trained on.
    """
    config = run.config
    new = config.run.fresh or not run.root.exists()
    _line("run", f"{run.root} ({'new' if new else 'continued'})")
    if not new and run.complete():
        _line("student", _student(run, check_student(run)))
        _line("to do", "nothing: the model is complete")
        return 0
    for name, words in plan_lines(run):
        _line(name, words)
    if config.cluster.kind != "slurm":
        _line("processes", "one, here")
        return 0
    from omi_core.slurm.script import check_cluster, check_logs, script
    from omi_core.training.launching import processes, training_job

    check_cluster(config.cluster)
    check_logs(run.layout.logs)
    _line("processes", f"{processes(run)} on {config.nodes} nodes")
    print(f"\n--- train\n{script(config.cluster, training_job(run))}")
    return 0


def plan_lines(run: TrainingRun) -> Iterator[tuple[str, str]]:
    """(name, words) of student, stages and disk; of a source without files the rows are not there yet.

    Raises:
        ConfigError: as `show_training_plan`.
    """
    config = run.config
    model = check_student(run)
    yield "student", _student(run, model)
    for stage in run.stages:
        own = stage.settings
        if stage.source.files:
            yield from _of_rows(run, stage)
        else:
            steps = f"{own.steps:,} steps" if own.steps else f"{own.epochs:g} epochs"
            yield stage.name, f"rows not known yet, {steps} of {own.batch:,} rows"
        what = "responses" if own.scores_responses else "rows"
        yield (
            "",
            f"learning rate {own.learning_rate:g}, {own.schedule}; {what} up to {own.max_length:,} tokens",
        )
        if own.average > 1:
            yield "", f"the model is the mean of {own.average} checkpoints"
    need = disk_need(parameters(model, run.scores_responses), run.stages, config.student.dtype)
    yield "disk", f"at most {need / 2**30:,.2f} GiB for checkpoints and model"


def _student(run: TrainingRun, model: Any) -> str:
    student = run.config.student
    scratch = ", from random weights" if student.scratch else ""
    count = parameters(model, run.scores_responses)
    return f"{student.name}: {student.model}, {count:,} parameters{scratch}"


def _of_rows(run: TrainingRun, stage: StagePlan) -> Iterator[tuple[str, str]]:
    try:
        found = None if run.config.run.fresh else read_counts(stage.examples)
        found = found or count_examples(stage.source, run.work_of(stage), run.config.on_bad_row)
    except InputDamaged as error:
        raise ConfigError(str(error)) from error
    batch, steps = stage.settings.batch, stage.steps(found)
    yield stage.name, f"{stage.source.name}: {found.words()}"
    yield "", f"{steps:,} steps of {batch:,} rows, {steps * batch / found.rows:.2f} epochs"


def _line(name: str, words: str) -> None:
    print(f"{name:>12}  {words}")
