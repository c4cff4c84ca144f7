"""What is shown of a pipeline: its plan before it begins, its table at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omi_core.config import Generate
from omi_core.pipeline import step_progress
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.pipeline.jobs_of_steps import texts_of
from omi_core.pipeline.recipe import PLACE
from omi_core.pipeline.step_costs import StepCosts, cost_words, total
from omi_core.pipeline.steps import training_of
from omi_core.stages.run import Run
from omi_core.terminal import plain_table, terminal
from omi_core.training.training_plan import plan_lines


def show_plan(pipeline: Pipeline, exists: bool) -> int:
    """Prints the steps, what they read, and what is done of them; returns the exit code. Makes nothing.

    Of a step that is made for several cells the first one that is to be made is shown, with what all come to.
    """
    print(f"pipeline   {pipeline.root} ({'continued' if exists else 'new'})")
    print(f"recipe     {pipeline.recipe}")
    look = step_progress.Look(pipeline)
    done = look.done() if exists else []
    costs = StepCosts(pipeline, done)
    same: dict[int, list[Step]] = {}
    for step in pipeline.steps:
        same.setdefault(step.number, []).append(step)
    texts: list[tuple[str, str, str]] = []
    for steps in same.values():
        left = [step for step in steps if step.name not in done]
        run = costs.planned(left[0]) if left else None
        print(f"\n{steps[0].number:>2}  {_heading(steps)}")
        print(f"    needs    {', '.join(_needs(pipeline, steps)) or 'nothing of an earlier step'}")
        for name, words in _made_or_to_make(look, steps, left, costs, run):
            print(f"    {name:<8} {words}")
        if left and pipeline.on_slurm:
            texts += [(left[0].name, stage, text) for stage, text in texts_of(pipeline, left[0], run)]
    if any(step.cell for step in pipeline.steps):
        _show_cells(list(same.values()), done, costs)
    for name, stage, text in texts:
        print(f"\n== {name}: {stage}\n{text}", end="")
    return 0


def _heading(steps: Sequence[Step]) -> str:
    first = steps[0]
    if not first.cell:
        return f"{first.name}: jobs.{first.command}"
    *others, last = first.cell
    names = f"{', '.join(others)} and {last}" if others else last
    return f"{first.of}: jobs.{first.command}, {len(steps)} x: once for each {names}"


def _needs(pipeline: Pipeline, steps: Sequence[Step]) -> list[str]:
    """The steps of the recipe that are needed, each once."""
    of = {step.name: step.of for step in pipeline.steps}
    return list(dict.fromkeys(of[name] for step in steps for name in step.needs))


def _made_or_to_make(
    look: step_progress.Look,
    steps: Sequence[Step],
    left: Sequence[Step],
    costs: StepCosts,
    run: Run[Generate] | None,
) -> Iterator[tuple[str, str]]:
    several = len(steps) > 1
    if several and len(left) < len(steps):
        yield "done", f"{len(steps) - len(left)} of {len(steps)}"
    elif not left and (made := look.result(steps[0])):
        yield "done", f"{made.rows_out:,} rows, {made.hash[:12]}"
    if not left:
        return
    if several:
        yield "such as", left[0].name
    if left[0].trains:
        yield from _of_training(look, left[0], costs.known(left[0]))
    else:
        yield "makes", costs.words(left[0], run)
    if several and (words := cost_words(total(map(costs.cost, left)))):
        yield "in all", words


def _show_cells(same: Sequence[Sequence[Step]], done: Sequence[str], costs: StepCosts) -> None:
    """What the cells of a recipe share, and what all of it comes to."""
    shared = [steps[0] for steps in same if not steps[0].cell]
    own = [step for steps in same for step in steps if step.cell]
    print(f"\ncells      {max(map(len, same))}: {len(own)} steps for them, {len(shared)} that all share")
    left = [step for step in [*shared, *own] if step.name not in done]
    if words := cost_words(total(map(costs.cost, left))):
        print(f"to do      {words}")


def _of_training(look: step_progress.Look, step: Step, known: bool) -> Iterator[tuple[str, str]]:
    """(name, words) of the plan of a training, as far as it is known; `known` says whether its data is."""
    values = look.pipeline.config(step) if known else step.config
    stale = look.is_stale(step)  # what lies there is going to be moved aside
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
