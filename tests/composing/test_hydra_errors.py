"""What is relied on of Hydra's errors: their types, and the patterns of `hydra_errors`, an example each."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import (
    ConfigCompositionException,
    MissingConfigException,
    OverrideParseException,
)

from omi_core.composing import hydra_errors
from omi_core.composing.compose import compose_values, store_schema
from omi_core.options import ConfigError


def raised(*words: str) -> Exception:
    """What Hydra itself raises of these words for the config of jobs.generate."""
    store_schema("generate")
    with initialize_config_module("hydra_conf", version_base="1.3"):
        with pytest.raises(Exception) as info:  # noqa: B017 - which one is asked by the caller
            compose("generate", list(words))
    return info.value


Matches = Callable[[str], object]


@pytest.mark.parametrize(
    ("word", "kind", "matches"),
    [
        ("cluster=local", ConfigCompositionException, hydra_errors.NO_DEFAULT.match),
        ("colour=blue", ConfigCompositionException, hydra_errors.NO_KEY.match),
        ("samples=x", ConfigCompositionException, hydra_errors.MERGING.match),
        ("prompt=null", ValueError, lambda text: text.startswith(hydra_errors.NO_TEXT)),
        ("samples=(3", OverrideParseException, bool),
        ("teacher=gpt9", MissingConfigException, bool),
    ],
)
def test_hydra_tells_a_mistake_in_these_words(word: str, kind: type[Exception], matches: Matches) -> None:
    error = raised(word)
    assert isinstance(error, kind) and matches(str(error)), error


def test_hydra_names_the_choices_that_there_are_and_the_word_that_it_cannot_read() -> None:
    missing = raised("teacher=gpt9")
    assert isinstance(missing, MissingConfigException)
    assert missing.missing_cfg_file == "teacher/gpt9" and "tiny" in (missing.options or ())
    unread = raised("samples=(3")
    assert isinstance(unread, OverrideParseException) and unread.override == "samples=(3"


def test_hydra_names_the_file_of_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster/mine.yaml").write_text("cpus: many\n")
    error = raised("+cluster=mine", f"hydra.searchpath=[file://{tmp_path}]")
    found = hydra_errors.IN_FILE.match(str(error))
    assert found and found[1] == "cluster/mine"
    with pytest.raises(ConfigError, match=r"^cluster\.cpus in cluster/mine\.yaml: Value 'many'"):
        compose_values("generate", ["+cluster=mine"], tmp_path)


def test_another_hydra_than_the_one_that_is_known_is_not_installed() -> None:
    (requirement,) = [line for line in requires("open-math-instruct-hpc") or () if line.startswith("hydra")]
    assert "<1.4" in requirement
