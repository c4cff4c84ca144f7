"""Prompts: a template becomes chat messages; LaTeX needs no escapes; a mistake in a file is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from omi_core import prompts
from omi_core.answers import Extractor
from omi_core.options import ConfigError

LATEX = r"Find $\frac{1}{2}$ of {{text}} and {style}."


def test_text_is_put_in_verbatim() -> None:
    messages = prompts.load("solutions", "concise").messages(LATEX)
    assert messages[-1]["role"] == "user"
    assert LATEX in messages[-1]["content"]


def test_examples_come_as_earlier_turns_and_can_be_fewer() -> None:
    full, some, none = (prompts.load("solutions", "concise", examples=n).messages("x") for n in (None, 2, 0))
    assert [message["role"] for message in some] == ["system", *["user", "assistant"] * 2, "user"]
    assert [message["role"] for message in none] == ["system", "user"]
    assert len(full) > len(some)


def test_every_example_ends_in_one_boxed_answer() -> None:
    extract = Extractor(("boxed",))
    for role, content in prompts.load("solutions", "concise").turns:
        if role == "assistant":
            assert extract(content).boxed_count == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("solutions: {user: 'no place'}", "has no section 'solutions' with a 'user' text"),
        ("other: {user: '{{text}}'}", "has no section 'solutions'"),
        ("- a", "not a mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_mistake_in_a_template_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        prompts.load("solutions", "x", str(tmp_path / "mine.yaml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "path", "examples", "message"),
    [
        ("concize", None, None, r"did you mean concise\?"),
        ("concise", "nowhere.yaml", None, "no such file"),
        ("concise", None, 99, "has only 4"),
    ],
)
def test_a_template_that_is_not_there_is_a_mistake(
    name: str, path: str | None, examples: int | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prompts.load("solutions", name, path, examples)
