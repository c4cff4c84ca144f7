"""Composing the config of a command from its words, by Hydra, as `python -m jobs.<command> WORDS` does."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from omi_core.composing.command_line import CommandLine
from omi_core.composing.grammar import in_grammar
from omi_core.composing.hydra_errors import one_line
from omi_core.options import ConfigError

Values = dict[str, Any]


@dataclass(frozen=True)
class Root:
    """The config of a command: its schema, and how composed values become a checked instance of it.

    `typed` are words of the command line for options of another name, where a group has the word. A command
    that composes a config besides, `composes`, is told where the user's own groups lie.
    """

    schema: type
    load: Callable[..., Any]
    typed: Mapping[str, str] = field(default_factory=dict)
    composes: bool = False

    def checked(self, values: Mapping[str, Any], folder: Path | None = None) -> Any:
        """The config of composed values; groups of the user's own may lie in `folder`. Raises ConfigError."""
        return self.load(values, folder) if self.composes else self.load(values)

    def in_grammar(self, word: str, sweep: bool = False) -> str:
        """A word as Hydra has to be given it."""
        name, equals, value = word.partition("=")
        return in_grammar(f"{self.typed.get(name, name)}{equals}{value}", self.schema, sweep)


COMMANDS = (
    "generate",
    "tune",
    "evaluate",
    "score",
    "reduce",
    "decontaminate",
    "combine",
    "mix",
    "preferences",
    "train",
    "gather",
    "check",
)


@cache
def command_root(name: str) -> Root:
    """The root of a command of `COMMANDS`; only its own modules are imported."""
    if name in ("generate", "reduce"):
        from omi_core.config import Generate, Reduce, load_generate, load_reduce

        schema, load = (Generate, load_generate) if name == "generate" else (Reduce, load_reduce)
    elif name == "tune":
        from omi_core.tune_options import Tune as schema
        from omi_core.tune_options import load_tune as load
    elif name == "evaluate":
        from omi_core.protocol import Evaluate as schema
        from omi_core.protocol import load_evaluate as load
    elif name == "score":
        from omi_core.score_options import Score as schema
        from omi_core.score_options import load_score as load
    elif name == "check":
        from omi_core.checks.check_options import SiteCheck as schema
        from omi_core.checks.check_options import load_check as load
    elif name == "decontaminate":
        from omi_core.decontaminate.decontaminate_options import Decontaminate as schema
        from omi_core.decontaminate.decontaminate_options import load_decontaminate as load
    elif name == "preferences":
        from omi_core.preferences.preference_options import Preferences as schema
        from omi_core.preferences.preference_options import load_preferences as load
    elif name == "gather":
        from omi_core.study.study_options import Gather as schema
        from omi_core.study.study_options import load_gather as load
    elif name == "train":
        from omi_core.training.train_options import Train as schema
        from omi_core.training.train_options import load_train as load
    else:
        from omi_core.combine.combine_options import Combine, Mix, load_combine, load_mix

        schema, load = (Combine, load_combine) if name == "combine" else (Mix, load_mix)
    typed = {"data": "training_data"} if name in ("evaluate", "train") else {}
    return Root(schema, load, typed, composes=name == "evaluate")


def compose_values(name: str, words: Sequence[str], folder: Path | None = None) -> Values:
    """The values that `python -m jobs.<name> WORDS` composes, before they are checked.

    Groups of the user's own may lie in `folder`, as of `--config-dir`.

    Raises:
        ConfigError: a word that the command would refuse.
    """
    root = command_root(name)
    with _hydra(name, folder) as compose:
        return compose([root.in_grammar(word) for word in words])


def compose_cells(name: str, line: CommandLine) -> list[Values]:
    """The values of a command line: of one config, or with -m of one for each cell of the sweep.

    Raises:
        ConfigError: as `compose_values`.
    """
    root = command_root(name)
    words = [root.in_grammar(word, line.sweep) for word in line.options]
    with _hydra(name, line.folder) as compose:
        return [compose(cell) for cell in (_cells(words) if line.sweep else [words])]


def _cells(words: Sequence[str]) -> Iterator[list[str]]:
    """The words of every cell: all values of the first option that has several with all of the next."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    overrides = OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(list(words))
    choices: list[list[str]] = []
    for word, override in zip(words, overrides, strict=True):
        if not override.is_sweep_override():
            choices.append([word])
        elif override.is_discrete_sweep():
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            raise ConfigError(f"{word}: not one value after the other; give them with commas")
    return (list(cell) for cell in itertools.product(*choices))


@contextmanager
def _hydra(name: str, folder: Path | None) -> Iterator[Callable[[Sequence[str]], Values]]:
    """Gives `compose(words)`, ready for many. Raises ConfigError."""
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    schema = command_root(name).schema
    store_schema(name)
    places = ["pkg://cluster_profiles", *([f"file://{folder.absolute()}"] if folder else [])]

    def composed(words: Sequence[str]) -> Values:
        config = compose(name, [*words, f"hydra.searchpath=[{','.join(places)}]"])
        values = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
        assert isinstance(values, dict)
        return {str(key): value for key, value in values.items()}

    with _in_one_line(schema), initialize_config_module("hydra_conf", version_base="1.3"):
        yield composed


@contextmanager
def _in_one_line(schema: type) -> Iterator[None]:
    """Hydra's errors become ConfigErrors."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if (line := one_line(error, schema)) is None:
            raise
        raise ConfigError(line) from error


def show_views(name: str, line: CommandLine) -> None:
    """Prints what Hydra shows of a config: --cfg job, --info defaults and the like.

    Raises:
        ConfigError: a word that the command would refuse.
    """
    import hydra

    schema = command_root(name).schema
    store_schema(name)
    folder = [] if line.folder is None else ["--config-dir", str(line.folder.absolute())]
    words = [command_root(name).in_grammar(word) for word in line.options]
    before, sys.argv = sys.argv, [name, *line.views, *folder, *words]
    try:
        main = hydra.main(version_base="1.3", config_path="pkg://hydra_conf", config_name=name)
        with _in_one_line(schema):
            main(lambda config: None)()
    finally:
        sys.argv = before


@cache
def store_schema(name: str) -> None:
    """Gives Hydra the schema of `hydra_conf/NAME.yaml`; once, for that is slow.

    Raises:
        ConfigError: a package that adds options is broken.
    """
    from hydra.core.config_store import ConfigStore

    from omi_core.config import added_choices, check_packages

    check_packages()
    store = ConfigStore.instance()
    store.store(name=f"{name}_schema", node=command_root(name).schema)
    for group, choices in added_choices().items():
        for choice, (_, values) in choices.items():
            store.store(group=group, name=choice, package="_global_", node=values)
