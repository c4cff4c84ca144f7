"""The shell around every command: read the command line, check it, run, and exit truthfully.

Exit codes: 0 done, 1 a failure, 2 a user's mistake (one line), 130 interrupted. What a command cannot do
anything about, such as a full disk, is a failure told in one line; a fault shows its traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from omi_core import options
from omi_core.commands.finding import Where, check_number, resolve
from omi_core.composing.command_line import Takes, no_such_option, read, wants_help
from omi_core.composing.grammar import typed
from omi_core.options import ConfigError, leaves

Options = TypeVar("Options")
OfRuns = TypeVar("OfRuns", bound=Where)

_CONTINUES = "interrupted; the same command continues"
# What every command with a config takes: several values at once, groups of one's own, Hydra's own views.
_COMPOSES = Takes(sweep=True, folder=True, views=True)


def run_composed(
    name: str,
    main: Callable[[Any], int],
    doc: str,
    together: Callable[[Sequence[Any]], None] = lambda configs: None,
    interrupted: str = _CONTINUES,
) -> None:
    """Runs `main` on the config composed from `hydra_conf/<name>.yaml` and the command line, then exits.

    With `-m` several configs are composed and checked, alone and by `together`, before `main` runs on the
    first of them. `interrupted` is said on Ctrl-C.
    """

    def each(configs: Sequence[Any]) -> int:
        together(configs)
        return main(configs[0]) if len(configs) == 1 else _all_of(main, configs)

    run_cells(name, each, doc, interrupted)


def run_cells(
    name: str, main: Callable[[Sequence[Any]], int], doc: str, interrupted: str = _CONTINUES
) -> None:
    """As `run_composed`; `main` gets all configs at once, of which there are several with `-m`."""
    from omi_core.composing.compose import command_root, compose_cells, show_views

    def run(arguments: list[str]) -> int:
        line = read(name, arguments, _COMPOSES)
        if line.views:
            show_views(name, line)
            return 0
        return main([command_root(name).checked(each, line.folder) for each in compose_cells(name, line)])

    def page(arguments: list[str], whole: bool) -> str:
        from omi_core.commands.help import composed_page

        return composed_page(name, command_root(name).schema, doc, whole)

    leave(run, page, interrupted)


def _all_of(main: Callable[[Any], int], configs: Sequence[Any]) -> int:
    """Runs `main` on each. With `wait` all are submitted before the first is waited for."""
    runs = [getattr(config, "generate", config) for config in configs]  # of an evaluation
    waited = [
        run for run in runs if getattr(run, "wait", False) and run.cluster.kind == "slurm" and not run.plan
    ]
    for run in waited:
        run.wait = False
    code = max(main(config) for config in configs)
    if code or not waited:
        return code
    from omi_core.commands.waiting import wait_for

    codes = [wait_for(Path(run.run.dir)) for run in waited]
    # What is asked of an evaluation besides is asked now that it is there.
    ended = [config for config, run in zip(configs, runs, strict=True) if run is not config and run in waited]
    return max(codes) or max((main(config) for config in ended), default=0)


def run_on_runs(
    name: str,
    schema: type[OfRuns],
    main: Callable[[OfRuns, list[Path]], int],
    doc: str,
    *,
    least: int = 1,
    most: int | None = None,
    pipelines: bool = False,
) -> None:
    """Runs `main(options, run directories)` on a command line RUN... NAME=VALUE..., then exits.

    At least `least` and at most `most` (None: any number of) runs must be meant. With `least=0` and no RUN
    the list is empty. With `pipelines` the directory of a pipeline is taken as one, else its runs are.
    """

    def on_runs(config: OfRuns, words: list[str]) -> int:
        runs = resolve(words, Path(config.root), pipelines)
        check_number(words, runs, least, most)
        return main(config, runs)

    run_on_words(name, schema, on_runs, doc, "RUN")


def run_on_words(
    name: str,
    schema: type[Options],
    main: Callable[[Options, list[str]], int],
    doc: str,
    words: str = "",
) -> None:
    """As `run_on_runs` for a command whose words need not name runs: `main(options, words)`."""

    def run(arguments: list[str]) -> int:
        values, given = parse(name, schema, arguments)
        return main(options.load(schema, values), given)

    def page(arguments: list[str], whole: bool) -> str:
        from omi_core.commands.help import words_page

        return words_page(schema, doc, words)

    leave(run, page)


def parse(name: str, schema: type, arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """(option values, other words) of a command that composes no config.

    Raises:
        ConfigError: a flag or an option that it does not have.
    """
    defaults = {key: value for key, value, _ in leaves(schema())}
    line = read(name, arguments, Takes(words=True, known=defaults))
    values: dict[str, Any] = {}
    for option in line.options:
        key, _, text = option.partition("=")
        head, _, inner = key.partition(".")
        if inner and isinstance(defaults.get(head), dict):
            values.setdefault(head, {})[inner] = typed(text, None)
        elif key in defaults:
            values[key] = typed(text, defaults[key])
        else:
            raise no_such_option(key, list(defaults))
    return values, line.words


def leave(
    run: Callable[[list[str]], int], page: Callable[[list[str], bool], str], interrupted: str = ""
) -> None:
    """Exits with what `run(arguments)` returns or what its exception means, or shows the page of help.

    `interrupted` is said on Ctrl-C.
    """
    arguments = sys.argv[1:]
    try:
        if wanted := wants_help(arguments):
            print(page(arguments, wanted == "all"), flush=True)
            sys.exit(0)
        sys.exit(run(arguments))
    except ConfigError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        if interrupted:
            print(interrupted, file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has seen enough (a pager, head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        print(f"failed: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
