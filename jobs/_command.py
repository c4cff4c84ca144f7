"""The shell around every command: compose the config with Hydra, check it, run, and exit truthfully.

Exit codes: 0 done, 1 a failure (with its traceback), 2 a user's mistake (one line), 130 interrupted.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from omi_core.config import check_packages
from omi_core.options import ConfigError, did_you_mean, first_line, leaves

Config = TypeVar("Config")


def run(
    name: str,
    schema: type[Config],
    load: Callable[[Mapping[str, Any]], Config],
    main: Callable[[Config], int],
    doc: str,
) -> None:
    """Runs `main` on the config composed from `hydra_conf/<name>.yaml` and the command line, then exits.

    `load` turns the composed values into the checked config. With `-m` Hydra composes several configs and
    `main` runs once for each.
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        from jobs._help import help_text

        _print_page(help_text(name, schema, doc))
        sys.exit(0)
    # Hydra would print its own several lines and exit with 1; with this set it raises, and we speak.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        # Every cell of a sweep is checked before the first one runs.
        configs = [load(values) for values in _compose(name, schema)]
        # None at all where Hydra was only to show something, as with --cfg.
        sys.exit(max((main(config) for config in configs), default=0))
    except ConfigError as error:
        _mistake(str(error))
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        line = _hydra_line(error, schema)
        if line is None:
            raise
        _mistake(line)


def _print_page(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader has seen enough (a pager, head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# Hydra's own flags; those that a word follows, with the words there are, or None for any.
_FLAGS = ("-m", "--multirun", "--hydra-help", "--version", "--resolve", "--run", "-r")
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_FLAGS_OF_WORDS: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")),
    **dict.fromkeys(("--info", "-i"), _INFO),
    **dict.fromkeys(("--package", "-p", "--config-path", "-cp")),
    **dict.fromkeys(("--config-name", "-cn", "--config-dir", "-cd")),
}
_QUOTES = "a value with spaces, commas, brackets or the like takes two pairs of quotes, \"a.b='(x) y'\""


def _mistake(line: str) -> None:
    print(f"error: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(2)


@cache
def store_schema(name: str, schema: type) -> None:
    """Gives Hydra the schema of `hydra_conf/NAME.yaml`; once, for that is slow.

    Raises:
        ConfigError: a package that adds options is broken.
    """
    check_packages()
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name=f"{name}_schema", node=schema)


def _compose(name: str, schema: type) -> list[dict[str, Any]]:
    """The composed values: one config, or one for each cell of a sweep (-m)."""
    import hydra
    from omegaconf import DictConfig, OmegaConf

    store_schema(name, schema)
    composed: list[dict[str, Any]] = []

    def collect(config: DictConfig) -> None:
        values = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
        assert isinstance(values, dict)
        composed.append({str(key): value for key, value in values.items()})

    sys.argv[1:] = _flags_first(sys.argv[1:])
    sweep = bool({"-m", "--multirun"} & set(sys.argv[1:]))
    sys.argv[1:] = [in_grammar(argument, schema, sweep) for argument in sys.argv[1:]]
    with TemporaryDirectory() as scratch:  # where Hydra's sweeper leaves a file nobody needs
        sys.argv.append(f"hydra.sweep.dir={scratch}")
        hydra.main(version_base="1.3", config_path="pkg://hydra_conf", config_name=name)(collect)()
    return composed


def _flags_first(arguments: list[str]) -> list[str]:
    """The arguments with the flags in front, the only place where Hydra is sure to take them.

    Raises:
        ConfigError: a flag that Hydra does not know, or without its word; it would answer with all it knows.
    """
    flags: list[str] = []
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if not argument.startswith("-"):
            words.append(argument)
        elif name in _FLAGS_OF_WORDS:
            value = value or next(rest, "")
            choices = _FLAGS_OF_WORDS[name]
            if not value or (choices and value not in choices):
                raise ConfigError(f"{name}: takes {'one of ' + ', '.join(choices) if choices else 'a word'}")
            flags += [name, value]
        elif argument in _FLAGS:
            flags.append(argument)
        else:
            raise ConfigError(f"{argument}: no such flag; options are NAME=VALUE, --help lists them")
    return flags + words


def in_grammar(argument: str, schema: type, sweep: bool = False) -> str:
    """An argument as Hydra has to be given it, so that it means what it says."""
    return _with_quotes(_with_brackets(_with_plus(argument, schema), schema, sweep), schema, sweep)


# What Hydra would read as something other than text: 2026_11 as 202611, 1e3 as 1000.0, true as True.
_NO_TEXT = re.compile(
    r"[+-]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)(e[+-]?\d[\d_]*)?|[+-]?(inf|nan)|true|false",
    re.IGNORECASE | re.ASCII,
)


def _with_quotes(argument: str, schema: type, sweep: bool) -> str:
    """Options that are texts keep every letter of a value that looks like a number."""
    key, equals, value = argument.partition("=")
    words = value.split(",") if sweep else [value]
    if not equals or not any(map(_NO_TEXT.fullmatch, words)):
        return argument
    texts = {name for name, _, field in leaves(schema()) if field.type in ("str", "str | None")}
    if key.lstrip("+") not in texts:
        return argument
    return f"{key}={','.join(repr(word) if _NO_TEXT.fullmatch(word) else word for word in words)}"


def _with_plus(argument: str, schema: type) -> str:
    """Options that are mappings take any key; Hydra would want a plus before those it does not know yet."""
    mappings = "|".join(re.escape(key) for key, value, _ in leaves(schema()) if isinstance(value, dict))
    return f"++{argument}" if re.match(rf"({mappings})(\.[^=]+)?=", argument) else argument


def _with_brackets(argument: str, schema: type, sweep: bool) -> str:
    """Lists of plain words need no brackets; in a sweep a comma still stands between its cells."""
    lists = "|".join(re.escape(key) for key, value, _ in leaves(schema()) if isinstance(value, list))
    found = re.fullmatch(rf"({lists})=((?!null\b)[A-Za-z][\w.]*(?:,[A-Za-z][\w.]*)*)", argument, re.ASCII)
    if not found:
        return argument
    words = ",".join(f"[{word}]" for word in found[2].split(",")) if sweep else f"[{found[2]}]"
    return f"{found[1]}={words}"


def _hydra_line(error: Exception, schema: type) -> str | None:
    """One line for an error of the command line, or None when it is not one."""
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

    if str(error).startswith("Config group override must be a string"):  # a plain ValueError
        return "null: no choice of a group; give the name of one"
    if not isinstance(error, (HydraException, OmegaConfBaseException)):
        return None
    text, cause = str(error), error.__cause__ or error.__context__
    if found := re.match(r"Could not override '([^']+)'. No match in the defaults list", text):
        if found[1] == "cluster":
            return "cluster: choose it with a plus, +cluster=NAME"
        return f"{found[1]}: no choices here; set its options one by one, as --help lists them"
    if found := re.match(r"Could not override '([^']+)'", text):
        known = [key for key, _, _ in leaves(schema())]
        return f"{found[1]}: no such option{did_you_mean(found[1], known)}; --help lists them all"
    if found := re.match(r"Error merging override \+*(\S+)", text):
        if cause and "ListConfig" in str(cause):
            key, _, value = found[1].partition("=")
            return f"{found[1]}: a list is expected, {key}=[{value}]"
        return f"{found[1]}: {first_line(cause) if cause else 'not a value of the right type'}"
    if found := re.match(r"In '([^']+)': \w+ raised while composing config", text):
        key = getattr(cause, "full_key", None)
        if cause is None or key is None:
            return f"{found[1]}.yaml: {first_line(cause or error)}"
        if isinstance(cause, ConfigKeyError):
            known = [key for key, _, _ in leaves(schema())]
            return f"{key} in {found[1]}.yaml: no such option{did_you_mean(str(key), known)}"
        return f"{key} in {found[1]}.yaml: {first_line(cause)}"
    if found := re.match(r"(?:In '[^']+': )?Could not find '([^']+)/([^'/]+)'", text):
        choices = re.findall(r"^\t([\w.-]+)$", text, flags=re.M)
        return f"{found[1]}={found[2]}: no such choice; one of {', '.join(choices)}"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: not of the form OPTION=VALUE; {_QUOTES}"
    return first_line(error)
