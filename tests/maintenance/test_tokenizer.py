"""The shipped tokenizer: any text comes back, digits stand alone, the chat template adds only its marks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from maintenance.tokenizer import ASSISTANT, END, USER, VOCABULARY, end_token, rendered, tokenizer_path
from omi_core.teachers.tiny import path

TOKENIZER = Tokenizer.from_file(str(tokenizer_path()))


@given(st.text())
@example("a\x00b\r\n\t  c ")
@example("٣ ½ 🎉 e\u0301 \ufeff")
@settings(max_examples=300, deadline=None)
def test_any_text_comes_back(text: str) -> None:
    ids = TOKENIZER.encode(text).ids
    assert TOKENIZER.decode(ids, skip_special_tokens=False) == text


def test_every_digit_is_a_token_of_its_own() -> None:
    tokens = TOKENIZER.encode("12345 * 678 = 9%").tokens
    assert [t for t in tokens if any(c.isdigit() for c in t)] == list("123456789")


def test_no_learnt_token_holds_two_digits() -> None:
    assert TOKENIZER.get_vocab_size() == VOCABULARY
    for token in TOKENIZER.get_vocab():
        assert sum(c.isdigit() and c.isascii() for c in token) <= 1


def test_the_words_of_the_world_are_short() -> None:
    text = "How many apples are left?"
    assert len(TOKENIZER.encode(text).ids) <= 10


def test_nothing_is_added_around_a_text() -> None:
    assert TOKENIZER.encode("a").ids == TOKENIZER.encode("a", add_special_tokens=False).ids
    assert len(TOKENIZER.encode("a").ids) == 1


@pytest.mark.parametrize("name", ["tiny", "tiny_weak"])
def test_both_teachers_have_the_same_tokenizer_and_end_with_its_end_token(name: str) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (path(name) / file).read_bytes() == (path("tiny") / file).read_bytes()
    for file in ("config.json", "generation_config.json"):
        config = json.loads((path(name) / file).read_text())
        assert config["eos_token_id"] == end_token(TOKENIZER)


def test_transformers_loads_it_and_its_chat_template_takes_contents_verbatim(monkeypatch) -> None:
    transformers = pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = transformers.AutoTokenizer.from_pretrained(str(Path(path("tiny"))))
    content = "  {{text}} <b>'\"\n12 é🎉 "
    message = {"role": "user", "content": content}
    text = loaded.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    assert text == rendered(content) == f"{USER}{content}{ASSISTANT}"
    assert loaded.encode(text) == TOKENIZER.encode(text).ids
    assert loaded.decode(loaded.encode(content)) == content
    assert loaded.eos_token == END
    turns = [message, {"role": "assistant", "content": "7"}, message]
    assert (
        loaded.apply_chat_template(turns, tokenize=False)
        == f"{USER}{content}{ASSISTANT}7{END}{USER}{content}"
    )
