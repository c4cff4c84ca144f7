"""The grammar of every command line: flags, options NAME=VALUE and, where a command takes them, words.

Commands differ in what they take, not in how it is written or refused:

    NAME=VALUE                  an option; `+NAME=VALUE` and `~NAME` as Hydra has them
    --help, --help=all          the page of the command, and that with every option
    -m, --config-dir DIR        of commands that compose a config, as are Hydra's own views (--cfg job, …)
    WORD, -- WORD               of commands that look at runs
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omi_core.options import ConfigError, did_you_mean

HELP = ("-h", "--help")
_SWEEP = ("-m", "--multirun")
_FOLDER = ("--config-dir", "-cd")
# Hydra's own views; those that a word follows, with the words there are, or None for any.
_VIEWS: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("--hydra-help", "--version", "--resolve", "--run", "-r"), ()),
    **dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")),
    **dict.fromkeys(
        ("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
    ),
    **dict.fromkeys(("--package", "-p", "--config-path", "-cp", "--config-name", "-cn"), None),
}
_OPTION = re.compile(r"[+~]*[A-Za-z_][\w./@:-]*=.*", re.S)
_PLAIN_OPTION = re.compile(r"[A-Za-z_][\w.]*=.*", re.S)  # beside words, which may be paths


@dataclass(frozen=True)
class Takes:
    """What a command takes beside its options.

    `known` are the options that win over a file of that name, where there are words.
    """

    sweep: bool = False
    folder: bool = False
    views: bool = False
    words: bool = False
    known: Collection[str] = ()


@dataclass
class CommandLine:
    """What was typed, sorted: options as they stand, words, `views` = Hydra's flags with their words."""

    options: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    sweep: bool = False
    folder: Path | None = None


def wants_help(arguments: Iterable[str]) -> str | None:
    """'short' or 'all' where a page of help is asked for. Raises ConfigError for another word than all."""
    for argument in arguments:
        name, equals, word = argument.partition("=")
        if name in HELP:
            if equals and word != "all":
                raise ConfigError(f"{argument}: no such page; --help is short, --help=all lists every option")
            return word or "short"
    return None


def read(command: str, arguments: Sequence[str], takes: Takes) -> CommandLine:
    """Sorts the arguments of `python -m jobs.COMMAND`.

    Raises:
        ConfigError: a flag that there is not, or that this command does not take; a word that is no option.
    """
    line = CommandLine()
    rest = iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if argument == "--" and takes.words:
            line.words += rest
        elif not argument.startswith("-"):
            _sort(line, argument, takes)
        elif argument in _SWEEP:
            _refuse(command, argument, takes.sweep, "takes one value for each option")
            line.sweep = True
        elif name in _FOLDER:
            _refuse(command, name, takes.folder, "composes no config")
            line.folder = _folder(value or next(rest, ""))
        elif name in _VIEWS and (argument == name or _VIEWS[name] != ()):
            _refuse(command, name, takes.views, "composes no config that could be shown")
            line.views += _view(name, value, rest)
        else:
            raise ConfigError(f"{argument}: no such flag; options are NAME=VALUE, --help lists them")
    return line


def _sort(line: CommandLine, argument: str, takes: Takes) -> None:
    if takes.words:
        exists = argument.partition("=")[0] not in takes.known and Path(argument).exists()
        is_option = _PLAIN_OPTION.fullmatch(argument) and not exists
    else:
        is_option = _OPTION.fullmatch(argument) or argument.startswith("~")
    if is_option:
        line.options.append(argument)
    elif takes.words:
        line.words.append(argument)
    else:
        raise ConfigError(f"{argument}: not an option; options are NAME=VALUE, --help lists them")


def _refuse(command: str, flag: str, taken: bool, why: str) -> None:
    if not taken:
        raise ConfigError(f"{flag}: jobs.{command} {why}; omit it")


def _folder(given: str) -> Path:
    if not given:
        raise ConfigError("--config-dir: names no directory; give --config-dir DIR")
    if not Path(given).is_dir():
        raise ConfigError(f"--config-dir {given}: no such directory")
    return Path(given)


def _view(name: str, value: str, rest: Iterable[str]) -> list[str]:
    choices = _VIEWS[name]
    if choices == ():
        return [name]
    value = value or next(iter(rest), "")
    if not value or (choices and value not in choices):
        raise ConfigError(f"{name}: takes {'one of ' + ', '.join(choices) if choices else 'a word'}")
    return [name, value]


def no_such_option(key: str, known: Sequence[str]) -> ConfigError:
    """What every command says of an option that it does not have."""
    return ConfigError(f"{key}: no such option{did_you_mean(key, list(known))}; --help=all lists them all")
