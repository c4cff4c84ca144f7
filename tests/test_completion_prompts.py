"""Prompts as plain text: the examples, the record and where its answer begins; and what ends a sample."""

from __future__ import annotations

from typing import Any

import pytest

from omi_core import prompts
from omi_core.config import load_generate
from omi_core.prompts import Template
from omi_core.prompts.completion import completion, stop_strings
from omi_core.stages.planning import generate_content
from omi_core.tasks import known
from omi_core.tasks.prompting import Prompting
from omi_core.teachers.chat_prompt import ChatPrompt
from omi_core.teachers.models import model_path
from tests.test_prompts import SECTIONS

GAP = "\n" * 6


def content(**values: Any) -> dict[str, Any]:
    base = {"teacher": {"kind": "rehearsal"}, "filters": {"max_tokens": None}}
    return generate_content(load_generate(base | values))


@pytest.mark.parametrize(("task", "name"), SECTIONS)
def test_every_template_has_a_plain_form_with_all_its_texts_in_order(task: str, name: str) -> None:
    form = known()[task].form
    for template in prompts.load(form, name, styles=("all",)):
        fields = {field: f"THE {field.upper()}" for field in form.fields}
        text = completion(template, form.reply, **fields)
        assert text.endswith(f"\n\n{form.reply.capitalize()}:\n")
        place = 0
        for words in (*(words for _, words in template.turns), "THE TEXT"):
            place = text.index(words, place) + len(words)
        assert text.count(GAP) == sum(role != "assistant" for role, _ in template.turns)


@pytest.mark.parametrize(
    ("user", "stops"),
    [
        ("Problem: {{text}}\n\nSolve it.", [GAP, "\n\nProblem:"]),
        ("Here is a problem:\n\n{{text}}", [GAP, "\n\nHere is a problem:"]),
        ("{{text}}\n\nSolve it.", [GAP]),
        ("\n\nQ {{text}}", [GAP, "\n\nQ"]),
    ],
)
def test_a_sample_ends_where_the_model_goes_on_with_another_record(user: str, stops: list[str]) -> None:
    assert stop_strings(Template((), user)) == stops


def test_the_stop_strings_of_the_prompt_are_added_once_and_only_to_plain_text() -> None:
    base = {"prompt": {"format": "completion"}, "sampling": {"stop": ["END", GAP]}}
    assert content(**base)["sampling"]["stop"] == ["END", GAP, "\n\nProblem:"]
    chat = base | {"prompt": {"format": "chat"}}
    assert content(**chat)["sampling"]["stop"] == ["END", GAP]


def test_format_and_system_message_are_in_the_fingerprint_and_their_defaults_are_not() -> None:
    plain = content()["prompt"]
    assert set(plain) == {"turns", "user"}
    assert content(prompt={"format": "completion"})["prompt"] == plain | {"format": "completion"}
    without = content(prompt={"system": False})["prompt"]
    assert without == plain | {"turns": [turn for turn in plain["turns"] if turn[0] != "system"]}


@pytest.mark.parametrize("adds_end", [False, True])
def test_the_text_is_begun_by_one_token_and_not_ended(adds_end: bool) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model_path("embedded:strong"), local_files_only=True)
    begin, end = 1, tokenizer.eos_token_id
    plain = tokenizer.encode

    def encode(text: str, **options: Any) -> list[int]:
        return [begin, *plain(text, **options), *([end] if adds_end else [])]

    tokenizer.encode = encode
    tokens = ChatPrompt(tokenizer).continued("Solve: 2 + 3\n\nSolution:\n")
    assert tokens.count(begin) == 1 and tokens[0] == begin
    assert end not in tokens
    assert tokenizer.decode(tokens[1:]) == "Solve: 2 + 3\n\nSolution:\n"


def test_the_model_is_given_the_text_alone() -> None:
    config = load_generate({"prompt": {"format": "completion", "examples": 1, "system": False}})
    (messages,) = Prompting(config).probes()
    (message,) = messages
    assert message["content"].startswith("Problem: A bakery sells muffins")
    assert message["content"].endswith(f"{GAP}Problem: 1 + 1\n\nSolve it.\n\nSolution:\n")
