"""Which runs the words of a command line mean: directories, names below `root`, folders of runs, globs."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError, did_you_mean, option
from omi_core.pipeline.definition import is_pipeline
from omi_core.store.layout import Layout
from omi_core.training.training_directory import is_training


@dataclass
class Where:
    """What all these commands have: where to look for a run that is given by name."""

    root: str = option("runs", "where to look for runs that are given by name")


@dataclass
class Resume(Where):
    """The options of `jobs.resume`."""

    tasks: int | None = option(None, "array tasks for what is missing; null: as many as before", ge=1)
    reduce_tasks: int | None = option(None, "array tasks of the reduce stage; null: as many as before", ge=1)
    cluster: dict[str, Any] = option(
        {}, "options of the cluster to change from now on, cluster.time=02:00:00"
    )
    engine: dict[str, Any] = option(
        {}, "options of the engine to change from now on, engine.max_num_seqs=128"
    )
    run: dict[str, Any] = option(
        {}, "options of how the run executes to change from now on, run.min_coverage=0.99"
    )
    notify: str | None = option(None, "as notify of the first command; null: as before")
    wait: bool = option(
        False, "on Slurm: return when nothing waits or runs any more, with an exit code that says how"
    )


_HEAD_BYTES = 2048
_MOVED_ASIDE = re.compile(r"\.old-\d+$")  # by run.fresh=true


def resolve(words: Sequence[str], root: Path, pipelines: bool = False) -> list[Path]:
    """The run directories that the words mean, each once, in the order given.

    A word is a run directory, a folder that holds runs, the name of either below `root`, or a glob of them;
    with `pipelines` also a pipeline or a training, else that is a folder of runs. Runs that `run.fresh=true`
    moved aside are taken only when they are named themselves.

    Raises:
        ConfigError: a word that means no run.
    """
    found: dict[Path, Path] = {}
    for word in words:
        for run in _meant(word, root, pipelines):
            found.setdefault(run.resolve(), run)
    return list(found.values())


def _meant(word: str, root: Path, pipelines: bool) -> list[Path]:
    places = [Path(word), root / word]
    for place in places:
        if is_run(place) or (pipelines and _is_other(place)):
            return [place]
        if runs := runs_in(place, pipelines):
            return runs
    for place in places:
        matches = [Path(match) for match in sorted(glob.glob(str(place)))]
        one = [match for match in matches if is_run(match) or (pipelines and _is_other(match))]
        runs = [run for match in matches for run in ([match] if match in one else runs_in(match, pipelines))]
        if runs:
            return runs
    if any(place.is_dir() for place in places):
        raise ConfigError(f"{word}: neither a run (it has no plan.json) nor a folder that holds runs")
    names = [run.name for run in runs_in(root)]
    raise ConfigError(
        f"{word}: no such run{did_you_mean(word, names)}; give a run directory, its name below {root}, "
        "a folder of runs or a glob"
    )


def _is_other(directory: Path) -> bool:
    """Whether it is the directory of a pipeline or of a training."""
    return is_pipeline(directory) or is_training(directory)


def is_run(directory: Path) -> bool:
    return Layout(directory).plan.is_file()


def runs_in(folder: Path, pipelines: bool = False) -> list[Path]:
    """The runs (and pipelines and trainings) right below a folder, by name, without those moved aside."""
    if not folder.is_dir():
        return []
    return sorted(
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".")
        and not _MOVED_ASIDE.search(entry.name)
        and (is_run(entry) or (pipelines and _is_other(entry)))
    )


def page_to_write(out: str) -> Path:
    """The page that `out=` names. Raises ConfigError: it is not one, or cannot be written."""
    path = Path(out)
    if path.suffix not in (".html", ".htm"):
        raise ConfigError(f"out={out}: not a page; give a name that ends in .html")
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"out={out}: not a file that can be written; give one in an existing folder")
    return path


def page_there(path: Path, mark: str, command: str) -> str:
    """The beginning of the page at `path`, "" where none is. Raises ConfigError: it is another's."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    if mark not in head:
        raise ConfigError(f"out={path}: is there, and is no page of {command}; give another name")
    return head


def check_number(words: Sequence[str], runs: Sequence[Path], least: int, most: int | None) -> None:
    if len(runs) < least:
        raise ConfigError("RUN: missing; give a run directory, its name, a folder of runs or a glob")
    if most is not None and len(runs) > most:
        shown = ", ".join(run.name for run in runs[: most + 1])
        raise ConfigError(f"{' '.join(words)}: matches {len(runs)} runs ({shown}, ...), not {most}")
