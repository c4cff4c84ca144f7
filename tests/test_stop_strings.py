"""Stop strings as they are typed: what would never be found is refused, with the spelling that is meant."""

from __future__ import annotations

import subprocess
from pathlib import Path

import orjson
import pytest

from omi_core.config import load_generate
from omi_core.options import ConfigError
from tests.conftest import Here

PLAN = ("teacher=rehearsal", "data.size=5", "samples=2", "cluster.workers=1")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (r"\n", "n, not a line break"),
        (r"\n\nQ:", "n, not a line break"),
        (r"a\tb", "t, not a tab"),
        (r"\r\n", "r, not a carriage return"),
        (r"\nQuestion", "n, not a line break"),
        (r"\nquestion", "n, not a line break"),
        (r"x\\n", "n, not a line break"),
    ],
)
def test_a_backslash_and_a_letter_are_refused_with_the_right_spelling(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_generate({"sampling": {"stop": ["ok", text]}})
    line = str(refused.value)
    assert line.startswith(f"sampling.stop: '{text}' holds a backslash and the letter {what}; type ")
    assert f"sampling.stop=[$'\"{text}\"']" in line


@pytest.mark.parametrize(
    "text", ["\n\nQ:", "\t", r"\end{solution}", r"\text{", r"\neq", r"\boxed", r"\\", "Q:", r"\{", r"\rangle"]
)
def test_line_breaks_and_latex_are_taken_as_they_are(text: str) -> None:
    assert load_generate({"sampling": {"stop": [text]}}).sampling.stop == [text]


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^sampling\.stop: holds an empty text"):
        load_generate({"sampling": {"stop": [""]}})


@pytest.mark.parametrize("stop", [r"\n", ["Q:", r"\n"]])
def test_those_of_a_servers_own_fields_are_checked_too(stop: str | list[str]) -> None:
    with pytest.raises(ConfigError, match=r"^teacher\.endpoint\.extra\.stop: "):
        load_generate({"teacher": {"endpoint": {"extra": {"stop": stop}}}})


def test_what_the_error_says_to_type_is_what_was_meant(here: Here, tmp_path: Path) -> None:
    code, _, err = here("generate", *PLAN, r"sampling.stop=['\n\nQ:']", "run.dir=run")
    assert code == 2 and len(err.splitlines()) == 1 and not (tmp_path / "run").exists()
    spelling = err.partition("; type ")[2].partition(" in bash")[0]
    typed = subprocess.run(
        ["bash", "-c", f"printf %s {spelling}"], capture_output=True, text=True, check=True
    )
    assert here("generate", *PLAN, typed.stdout, "run.dir=run")[0] == 0
    assert orjson.loads((tmp_path / "run/config.json").read_bytes())["sampling"]["stop"] == ["\n\nQ:"]
