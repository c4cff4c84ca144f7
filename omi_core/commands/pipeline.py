"""`jobs.pipeline`: from its command line to a pipeline that is made or submitted, and its help page."""

from __future__ import annotations

import sys
from pathlib import Path

from omi_core import options
from omi_core.commands import help
from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.pipeline import composing
from omi_core.pipeline.here import run_here, show_plan, show_table
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
    recipe, words = composing.read_words(arguments)
    pipeline = composing.compose(recipe, words)
    check_root(pipeline.root)
    if pipeline.on_slurm:
        check_logs(pipeline.layout.logs)
    fresh = words.own.run.fresh
    if not fresh:
        refuse_other(pipeline)
    exists = is_pipeline(pipeline.root) and not fresh
    composing.check_inputs(pipeline)
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
        from omi_core.pipeline.advance import submit

        return submit(pipeline, by)
    return run_here(pipeline)


def _refuse_while_running(root: Path) -> None:
    """Raises ConfigError where run.fresh would take the directory away under jobs that write to it."""
    from omi_core.pipeline.advance import active_jobs
    from omi_core.pipeline.plan import read_pipeline

    old = read_pipeline(root)
    if old.on_slurm and (active := [job for step in old.steps for job in active_jobs(old, step)]):
        raise ConfigError(
            f"run.fresh=true: jobs of {root} wait or run ({', '.join(active)}); {hint('cancel', root)} first"
        )


def page(arguments: list[str], doc: str) -> str:
    """The help page: options, recipes, and the parameters of the recipe that is named."""
    lines = [doc.strip(), "", "Recipes (recipe=NAME, or a file of your own)", ""]
    for name, path in composing.recipe_files(None).items():
        lines.append(f"  {name:<22} {help._summary(path)}")
    named = [word.removeprefix("recipe=") for word in arguments if word.startswith("recipe=")]
    for name in named:
        recipe = composing.find_recipe(name, None)
        text = recipe.path.read_text(encoding="utf-8")
        lines += ["", f"Parameters of {recipe.name} (NAME=VALUE), as its file has them", ""]
        inside = False
        for line in text.splitlines():
            inside = line.startswith("parameters:") or (inside and (line.startswith(" ") or not line.strip()))
            if inside and line.startswith(" "):
                lines.append(line)
    lines += ["", "Options (OPTION=VALUE)", ""]
    for key, value, field in options.leaves(composing.Options()):
        lines += [f"  {key}={help._shown(value)}", f"      {field.metadata['help']}"]
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
