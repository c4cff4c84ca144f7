"""The shell around commands that look at runs: `python -m jobs.<command> RUN... OPTION=VALUE...`.

Nothing is composed here, so Hydra takes no part: positional arguments name runs, the others are the typed
options of a small schema. Errors, exit codes and `--help` are those of every command (`jobs._command`).

A schema is a dataclass of `omi_core.options.option` leaves that extends `Where`:

    @dataclass
    class Options(Where):
        watch: bool = option(False, "refresh until the run ends")

    if __name__ == "__main__":
        runs_command("status", Options, main, __doc__ or "", least=0)
"""

from __future__ import annotations

import glob
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from omi_core import options
from omi_core.commands import help, shell
from omi_core.options import ConfigError, did_you_mean, option
from omi_core.pipeline.plan import is_pipeline
from omi_core.store.layout import Layout


@dataclass
class Where:
    """What all these commands have: where a run is looked for that is given by its name."""

    root: str = option("runs", "where runs lie that are given by their name")


@dataclass
class Resume(Where):
    """The options of `jobs.resume`."""

    tasks: int | None = option(None, "array tasks for what is missing; null: as many as before", ge=1)
    cluster: dict[str, Any] = option(
        {}, "options of the cluster that are to be others from now on, cluster.time=02:00:00"
    )


Options = TypeVar("Options", bound=Where)
Anything = TypeVar("Anything")

_OPTION = re.compile(r"([A-Za-z_][\w.]*)=(.*)", re.S)
_MOVED_ASIDE = re.compile(r"\.old-\d+$")  # by run.fresh=true


def runs_command(
    name: str,
    schema: type[Options],
    main: Callable[[Options, list[Path]], int],
    doc: str,
    *,
    least: int = 1,
    most: int | None = None,
    pipelines: bool = False,
) -> None:
    """Runs `main(options, run directories)` on the command line, then exits.

    At least `least` and at most `most` (None: any number of) runs must be meant. With `least=0` and no RUN
    the list is empty. With `pipelines` the directory of a pipeline is taken as one, else its runs are. Exits
    as `jobs._command.run` does; an OSError of `main` is a failure told in one line.
    """

    def run(arguments: list[str]) -> int:
        values, words = parse(schema, arguments)
        config = options.load(schema, values)
        runs = resolve(words, Path(config.root), pipelines)
        _check_number(words, runs, least, most)
        return main(config, runs)

    _shell(run, lambda: help_text(name, schema, doc))


def words_command(schema: type[Anything], main: Callable[[Anything, list[str]], int], doc: str) -> None:
    """Like `runs_command` for a command whose words need not name runs: `main(options, words)`."""

    def run(arguments: list[str]) -> int:
        values, words = parse(schema, arguments)
        return main(options.load(schema, values), words)

    _shell(run, lambda: "\n".join([doc.strip(), "", *_option_lines(schema)]))


def options_command(schema: type[Anything], main: Callable[[Anything], int], doc: str) -> None:
    """Like `runs_command` for a command that takes options alone."""

    def checked(config: Anything, words: list[str]) -> int:
        if words:
            raise ConfigError(f"{words[0]}: not an option; options are NAME=VALUE, --help lists them")
        return main(config)

    words_command(schema, checked, doc)


def _shell(run: Callable[[list[str]], int], page: Callable[[], str]) -> None:
    """Exits with what `run(arguments)` returns or what its exception means."""
    arguments = sys.argv[1:]
    if {"--help", "-h"} & set(arguments):
        shell._print_page(page())
        sys.exit(0)
    try:
        sys.exit(run(arguments))
    except ConfigError as error:
        shell._mistake(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has seen enough
        shell._print_page("")
        sys.exit(0)
    except OSError as error:
        print(f"failed: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


def parse(schema: type, arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """(option values, words that name runs), as they stand on the command line.

    `NAME=VALUE` is an option unless a file of that name exists and no option does, as is `NAME.KEY=VALUE`
    where the option NAME has keys; after `--` every word names a run.

    Raises:
        ConfigError: an option that the schema does not have, or a word that begins with a dash.
    """
    known = {field.name: field for field in fields(schema)}
    values: dict[str, Any] = {}
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        found = _OPTION.fullmatch(argument)
        name, _, key = found[1].partition(".") if found else ("", "", "")
        if argument == "--":
            words += rest
        elif found and key and isinstance(getattr(schema(), name, None), dict):
            values.setdefault(name, {})[key] = _value(found[2], None)
        elif found and found[1] in known:
            values[found[1]] = _value(found[2], getattr(schema(), found[1]))
        elif found and not Path(argument).exists():
            raise ConfigError(
                f"{found[1]}: no such option{did_you_mean(found[1], list(known))}; --help lists them all"
            )
        elif argument.startswith("-"):
            raise ConfigError(f"{argument}: no such option; options are NAME=VALUE, --help lists them")
        else:
            words.append(argument)
    return values, words


def _value(text: str, default: Any) -> Any:
    """null and [a,b] as everywhere in this suite; numbers and truth values are the schema's business."""
    if text == "null":
        return None
    if isinstance(default, list):
        inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        return [item.strip() for item in inner.split(",") if item.strip()]
    return text


def resolve(words: Sequence[str], root: Path, pipelines: bool = False) -> list[Path]:
    """The run directories that the words mean, each once, in the order given.

    A word is a run directory, a folder that holds runs, the name of either below `root`, or a glob of them;
    with `pipelines` also a pipeline, else that is a folder of runs. Runs that `run.fresh=true` moved aside
    are taken only when they are named themselves.

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
        if is_run(place) or (pipelines and is_pipeline(place)):
            return [place]
        if runs := runs_in(place, pipelines):
            return runs
    for place in places:
        matches = [Path(match) for match in sorted(glob.glob(str(place)))]
        one = [match for match in matches if is_run(match) or (pipelines and is_pipeline(match))]
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


def is_run(directory: Path) -> bool:
    return Layout(directory).plan.is_file()


def runs_in(folder: Path, pipelines: bool = False) -> list[Path]:
    """The runs (and pipelines) right below a folder, by name; those planned or moved aside are left out."""
    if not folder.is_dir():
        return []
    return sorted(
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".")
        and not _MOVED_ASIDE.search(entry.name)
        and (is_run(entry) or (pipelines and is_pipeline(entry)))
    )


def page_to_write(out: str) -> Path:
    """The page that `out=` names. Raises ConfigError: it is none, or cannot be written."""
    path = Path(out)
    if path.suffix not in (".html", ".htm"):
        raise ConfigError(f"out={out}: not a page; give a name that ends in .html")
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"out={out}: not a file that can be written; give one in an existing folder")
    return path


def _check_number(words: Sequence[str], runs: Sequence[Path], least: int, most: int | None) -> None:
    if len(runs) < least:
        raise ConfigError("RUN: missing; give a run directory, its name, a folder of runs or a glob")
    if most is not None and len(runs) > most:
        shown = ", ".join(run.name for run in runs[: most + 1])
        raise ConfigError(f"{' '.join(words)}: means {len(runs)} runs ({shown}, ...), not {most}")


def help_text(name: str, schema: type, doc: str) -> str:
    """The whole help page as plain text."""
    parts = [doc.strip(), "", "RUN", ""]
    parts.append("  a run directory, a folder that holds runs, the name of either below root=, or a glob")
    return "\n".join([*parts, "", *_option_lines(schema)])


def _option_lines(schema: type) -> list[str]:
    lines = ["Options (OPTION=VALUE)", ""]
    for key, value, field in options.leaves(schema()):
        lines.append(f"  {key}={help._shown(value)}")
        lines.append(f"      {field.metadata['help']}{help._bounds(field)}")
    return lines
