"""Make data in several steps: the runs of a recipe in order, each with what the ones before it have made.

    python -m jobs.pipeline recipe=rehearsal                          # on this machine, in a minute
    python -m jobs.pipeline recipe=rehearsal plan=true                # the steps; makes nothing
    python -m jobs.pipeline recipe=rehearsal size=60 steps.solve.samples=8 run.dir=runs/mine_pipeline
    python -m jobs.pipeline recipe=rehearsal --help                   # the parameters of a recipe

The pipeline lies in runs/<recipe>-<fingerprint>, or where run.dir says, with a directory for each step. The
same command again continues a pipeline that was stopped or killed, and does nothing when it is done. With
+cluster=NAME it submits jobs to Slurm and returns; each step's jobs submit the steps that wait for it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jobs import _help, _recipes, _runs
from jobs._pipeline import run_here, show_plan, show_table
from omi_core import options
from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.pipeline.plan import (
    Pipeline,
    is_pipeline,
    make_directory,
    move_aside,
    refuse_other,
    write_pipeline,
)
from omi_core.pipeline.progress import done_steps
from omi_core.slurm.script import check_logs
from omi_core.store.files import LockTaken, lock
from omi_core.store.layout import check_root


def main(arguments: list[str]) -> int:
    """Carries out the pipeline of a command line, or submits it. Returns the exit code."""
    recipe, words = _recipes.read_words(arguments)
    pipeline = _recipes.compose(recipe, words)
    check_root(pipeline.root)
    if pipeline.on_slurm:
        check_logs(pipeline.layout.logs)
    fresh = words.own.run.fresh
    if not fresh:
        refuse_other(pipeline)
    exists = is_pipeline(pipeline.root) and not fresh
    _recipes.check_inputs(pipeline)
    if words.own.plan:
        return show_plan(pipeline, exists)
    try:
        if fresh and is_pipeline(pipeline.root):
            _refuse_while_running(pipeline.root)
            move_aside(pipeline.root)
        make_directory(pipeline.root)
        with lock(pipeline.layout.lock):
            write_pipeline(pipeline)
    except LockTaken as error:
        raise ConfigError(str(error)) from error
    print(f"{pipeline.root}: {len(pipeline.steps)} steps of recipe {pipeline.recipe}", file=sys.stderr)
    return go_on(pipeline, by="pipeline")


def go_on(pipeline: Pipeline, by: str) -> int:
    """Does, or submits, what is missing of a pipeline that is on disk; returns the exit code."""
    if len(done_steps(pipeline)) == len(pipeline.steps):
        print("complete, nothing to do", file=sys.stderr)
        show_table(pipeline)
        return 0
    if pipeline.on_slurm:
        from jobs._advance import submit

        return submit(pipeline, by)
    return run_here(pipeline)


def _refuse_while_running(root: Path) -> None:
    """Raises ConfigError where run.fresh would take the directory away under jobs that write to it."""
    from jobs._advance import active_jobs
    from omi_core.pipeline.plan import read_pipeline

    old = read_pipeline(root)
    if old.on_slurm and (active := [job for step in old.steps for job in active_jobs(old, step)]):
        raise ConfigError(
            f"run.fresh=true: jobs of {root} wait or run ({', '.join(active)}); {hint('cancel', root)} first"
        )


def page(arguments: list[str]) -> str:
    """The help page: options, recipes, and the parameters of the recipe that is named."""
    lines = [(__doc__ or "").strip(), "", "Recipes (recipe=NAME, or a file of your own)", ""]
    for name, path in _recipes.recipe_files(None).items():
        lines.append(f"  {name:<22} {_help._summary(path)}")
    named = [word.removeprefix("recipe=") for word in arguments if word.startswith("recipe=")]
    for name in named:
        recipe = _recipes.find_recipe(name, None)
        text = recipe.path.read_text(encoding="utf-8")
        lines += ["", f"Parameters of {recipe.name} (NAME=VALUE), as its file has them", ""]
        inside = False
        for line in text.splitlines():
            inside = line.startswith("parameters:") or (inside and (line.startswith(" ") or not line.strip()))
            if inside and line.startswith(" "):
                lines.append(line)
    lines += ["", "Options (OPTION=VALUE)", ""]
    for key, value, field in options.leaves(_recipes.Options()):
        lines += [f"  {key}={_help._shown(value)}", f"      {field.metadata['help']}"]
    lines += [
        "",
        "  steps.NAME.OPTION=VALUE",
        "      an option of one step; --help of its command lists them",
    ]
    lines += [
        "",
        "  OPTION=VALUE",
        "      any other: an option of every step of jobs.generate, such as tasks=8",
    ]
    lines += ["", "  +cluster=NAME, cluster.OPTION=VALUE", "      where the steps are carried out"]
    return "\n".join(lines)


if __name__ == "__main__":
    _runs._shell(main, lambda: page(sys.argv[1:]))
