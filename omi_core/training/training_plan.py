"""`plan=true` of jobs.train: what would be done with each row, in how many steps, and with how much disk."""

from __future__ import annotations

from omi_core.combine.sources import InputDamaged
from omi_core.options import ConfigError
from omi_core.training.examples import count_examples, read_counts
from omi_core.training.students import check_student, disk_need, parameters
from omi_core.training.training_run import TrainingRun


def show_training_plan(run: TrainingRun) -> int:
    """Prints the plan; nothing is written. Returns the exit code.

    Raises:
        ConfigError: the data or the student cannot be had, or no row can be trained on.
    """
    config = run.config
    new = config.run.fresh or not run.root.exists()
    _line("run", f"{run.root} ({'new' if new else 'continued'})")
    model = check_student(run)
    count = parameters(model, run.scores_responses)
    scratch = ", from random weights" if config.student.scratch else ""
    _line("student", f"{config.student.name}: {config.student.model}, {count:,} parameters{scratch}")
    if not new and run.complete():
        _line("to do", "nothing: the model is complete")
        return 0
    for stage in run.stages:
        try:
            found = read_counts(stage.examples) or count_examples(
                stage.source, run.work_of(stage), config.on_bad_row
            )
        except InputDamaged as error:
            raise ConfigError(str(error)) from error
        own, steps = stage.settings, stage.steps(found)
        what = "responses" if own.scores_responses else "rows"
        _line(stage.name, f"{stage.source.name}: {found.words()}")
        _line("", f"{steps:,} steps of {own.batch:,} rows, {steps * own.batch / found.rows:.2f} epochs")
        _line(
            "", f"learning rate {own.learning_rate:g}, {own.schedule}; {what} up to {own.max_length:,} tokens"
        )
        if own.average > 1:
            _line("", f"the model is the mean of {own.average} checkpoints")
    need = disk_need(count, run.stages, config.student.dtype)
    _line("disk", f"at most {need / 2**30:,.2f} GiB for checkpoints and model")
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


def _line(name: str, words: str) -> None:
    print(f"{name:>12}  {words}")
