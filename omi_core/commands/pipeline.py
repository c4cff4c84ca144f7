"""`jobs.pipeline`: from its command line to a pipeline that is made or submitted, and its page of help."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from omi_core.commands.help import option_lines, summary
from omi_core.commands.shell import leave
from omi_core.options import leaves
from omi_core.pipeline import composing


def run_pipeline(doc: str) -> None:
    """Runs the command, then exits."""
    leave(_main, lambda arguments, whole: _page(arguments, doc, whole))


def _main(arguments: list[str]) -> int:
    """Carries out the pipeline of a command line, or submits it. Returns the exit code."""
    from omi_core.pipeline import start
    from omi_core.pipeline.definition import is_pipeline
    from omi_core.pipeline.showing import show_plan

    pipeline = composing.compose(*composing.read_words(arguments))
    start.check(pipeline)
    if pipeline.plan:
        return show_plan(pipeline, is_pipeline(pipeline.root) and not pipeline.fresh)
    start.write(pipeline)
    print(f"{pipeline.root}: {len(pipeline.steps)} steps of recipe {pipeline.recipe}", file=sys.stderr)
    code = start.go_on(pipeline, by="pipeline")
    if code or not (pipeline.wait and pipeline.on_slurm):
        return code
    from omi_core.commands.waiting import wait_for

    return wait_for(pipeline.root)


# What few people set; `--help=all` has it.
_RARE = ("notify", "run.root", "run.fresh")
_DEMO = "_demo"
_MORE = """
  steps.NAME.OPTION=VALUE
      an option of one step; --help of its command lists them
  steps.NAME=DIRECTORY
      a step that is not made, since its result is in that directory, such as a finished run
  OPTION=VALUE
      any other: an option of every step of jobs.generate, such as tasks=8
  +cluster=NAME, cluster.OPTION=VALUE
      where the steps are carried out"""


def _page(arguments: list[str], doc: str, whole: bool) -> str:
    """The page of help: options, recipes, and the parameters of the recipe that is named."""
    named = [word.removeprefix("recipe=") for word in arguments if word.startswith("recipe=")]
    lines = [doc.strip()] if whole or not named else [doc.partition("\n")[0]]
    if whole or not named:
        lines += ["", "Recipes (recipe=NAME, or a file of your own)", ""]
        lines += _recipes(whole)
    for name in named:
        lines += _parameters(name)
    if whole or not named:
        lines += ["", "Options (OPTION=VALUE)", ""]
        options = [each for each in leaves(composing.Options()) if whole or each[0] not in _RARE]
        lines += [line for option in options for line in option_lines(*option)]
        lines.append(
            _MORE if whole else f"{_MORE}\n\n--help=all has the other options, and each demo by itself."
        )
    else:
        lines += ["", "--help=all has the other recipes and the options of the command, too."]
    return "\n".join(lines)


def _recipes(whole: bool) -> Iterator[str]:
    """A line for each recipe; on the short page one for it and its demo."""
    files = composing.recipe_files(None)
    for name, path in files.items():
        if whole:
            yield f"  {name:<22} {summary(path)}"
        elif name.removesuffix(_DEMO) == name or name.removesuffix(_DEMO) not in files:
            both = f"{name}, {_DEMO}" if name + _DEMO in files else name
            yield f"  {both:<24} {summary(path)}"


def _parameters(name: str) -> Iterator[str]:
    recipe = composing.find_recipe(name, None)
    yield from ("", f"Parameters of {recipe.name} (NAME=VALUE), as its file has them", "")
    inside = False
    for line in recipe.path.read_text(encoding="utf-8").splitlines():
        inside = line.startswith("parameters:") or (inside and (line.startswith(" ") or not line.strip()))
        if inside and line.startswith(" "):
            yield line
