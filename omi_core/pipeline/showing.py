"""What is shown of a pipeline: its plan before it begins, its table at the end."""

from __future__ import annotations

from collections.abc import Iterator

from omi_core.config import Generate
from omi_core.inputs import Skipped
from omi_core.pipeline import step_progress
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.pipeline.jobs_of_steps import texts_of
from omi_core.pipeline.recipe import PLACE
from omi_core.pipeline.steps import generate_of, training_of
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.tasks import task_of
from omi_core.tasks.prompting import Prompting
from omi_core.terminal import plain_table, terminal
from omi_core.training.training_plan import plan_lines


def show_plan(pipeline: Pipeline, exists: bool) -> int:
    """Prints the steps, what they read, and what is done of them; returns the exit code. Makes nothing."""
    print(f"pipeline   {pipeline.root} ({'continued' if exists else 'new'})")
    print(f"recipe     {pipeline.recipe}")
    done = step_progress.done_steps(pipeline) if exists else []
    runs = {step.name: _planned(pipeline, step, done) for step in pipeline.steps if step.name not in done}
    for step in pipeline.steps:
        print(f"\n{step.number:>2}  {step.name}: jobs.{step.command}")
        print(f"    needs    {', '.join(step.needs) or 'nothing of an earlier step'}")
        if step.name in done and (made := step_progress.result(pipeline, step)):
            print(f"    done     {made.rows_out:,} rows, {made.hash[:12]}")
        elif step.trains:
            for name, words in _of_training(pipeline, step, done):
                print(f"    {name:<8} {words}")
        else:
            print(f"    makes    {_expected(pipeline, step, runs.get(step.name))}")
    for step in pipeline.steps if pipeline.on_slurm else ():
        if step.name in done:
            continue
        for stage, text in texts_of(pipeline, step, runs[step.name]):
            print(f"\n== {step.name}: {stage}\n{text}", end="")
    return 0


def _planned(pipeline: Pipeline, step: Step, done: list[str]) -> Run[Generate] | None:
    """The run that a step generates, not written down; None: there is none, or no input for it yet."""
    if not step.is_chain:
        return None
    config = generate_of(step.command, pipeline.config(step))
    of_steps = any(_is_of_step(pipeline, path) for path in (config.data.path, config.teacher.model))
    if of_steps and not all(name in done for name in step.needs):
        return None
    config.plan = True
    return plan_generate(config)


def _is_of_step(pipeline: Pipeline, path: str | None) -> bool:
    return path is not None and path.startswith(f"{pipeline.root}/")


def _expected(pipeline: Pipeline, step: Step, run: Run[Generate] | None) -> str:
    """How many samples a step is going to make, where that can be known."""
    if not step.is_chain:
        return f"{step.folder}/{step.product}"
    config = generate_of(step.command, pipeline.config(step))
    prompt_to_come = run is None and _is_of_step(pipeline, config.prompt.path)
    samples = config.samples if prompt_to_come else Prompting(config).samples
    each = f"{samples} samples by {config.teacher.name}"
    if run is not None:
        return f"{run.plan.records:,} records x {each}: {run.plan.keys:,}"
    if _is_of_step(pipeline, config.data.path):
        return f"records not known yet x {each}"
    records = sum(1 for _ in task_of(config).records(config, Skipped(config.data.on_bad_row)))
    return f"{records:,} records x {each}: {records * samples:,}"


def _of_training(pipeline: Pipeline, step: Step, done: list[str]) -> Iterator[tuple[str, str]]:
    """(name, words) of the plan of a training, as far as it is known."""
    known = all(name in done for name in step.needs)
    values = pipeline.config(step) if known else step.config
    stale = step_progress.is_stale(pipeline, step)  # what lies there is going to be moved aside
    run = training_of(values | {"run": values["run"] | {"fresh": stale}})
    if PLACE in run.config.student.model:
        yield "student", "known when the step that makes it is done"
    else:
        yield from plan_lines(run)
    yield "makes", f"{step.folder}/{step.product}"


def show_table(pipeline: Pipeline) -> None:
    """Prints step, rows in, rows out, time and hash of every step that is done."""
    numbers = ("rows in", "rows out", "seconds")
    table = plain_table(str(pipeline.root), ("step", "command", *numbers, "hash"), numbers)
    for cells in step_progress.table(pipeline):
        table.add_row(*cells)
    terminal().print(table)
