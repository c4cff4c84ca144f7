"""The shipped tokenizer: any text comes back, digits stand alone, the chat template adds only its marks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from maintenance.lessons import Lesson
from maintenance.tokenizer import (
    ASSISTANT,
    CLOSE,
    END,
    NO_THOUGHTS,
    OPEN,
    USER,
    VOCABULARY,
    end_token,
    rendered,
    taught,
    thinking_tokenizer,
    tokenizer_path,
)
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


THINKING = path("tiny_thinking")


def test_the_thinking_teacher_has_two_tags_more() -> None:
    shipped = Tokenizer.from_file(str(THINKING / "tokenizer.json"))
    assert shipped.get_vocab() == TOKENIZER.get_vocab() | {OPEN: VOCABULARY, CLOSE: VOCABULARY + 1}
    assert shipped.to_str() == thinking_tokenizer().to_str()
    config = json.loads((THINKING / "config.json").read_text())
    assert (config["vocab_size"], config["eos_token_id"]) == (VOCABULARY + 2, end_token(TOKENIZER))


@pytest.fixture
def thinking(monkeypatch: pytest.MonkeyPatch):
    transformers = pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return transformers.AutoTokenizer.from_pretrained(str(THINKING))


def test_decoding_keeps_the_tags_when_it_drops_special_tokens(thinking) -> None:
    text = f"{OPEN}\na\n{CLOSE}\n\nb"
    ids = thinking.encode(text + END)
    assert thinking.decode(ids, skip_special_tokens=True) == text
    assert [ids.count(thinking.convert_tokens_to_ids(tag)) for tag in (OPEN, CLOSE, END)] == [1, 1, 1]


ASKED = [{"role": "user", "content": "Q"}]


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({}, ""),
        ({"enable_thinking": True}, ""),
        ({"enable_thinking": False}, f"{OPEN}\n\n{CLOSE}\n\n"),
        ({"open_thinking": True}, f"{OPEN}\n"),
        ({"open_thinking": True, "enable_thinking": False}, f"{OPEN}\n\n{CLOSE}\n\n"),
    ],
)
def test_the_generation_prompt_leaves_closes_or_opens_the_block(thinking, options, ends: str) -> None:
    text = thinking.apply_chat_template(ASKED, tokenize=False, add_generation_prompt=True, **options)
    assert text == rendered("Q") + ends


@pytest.mark.parametrize(
    ("turn", "shown"),
    [
        ({"content": "7", "reasoning_content": "r"}, f"{OPEN}\nr\n{CLOSE}\n\n7"),
        ({"content": f"{OPEN}\nr\n{CLOSE}\n\n7"}, f"{OPEN}\nr\n{CLOSE}\n\n7"),
        ({"content": f"r\n{CLOSE}\n\n7"}, f"{OPEN}\nr\n{CLOSE}\n\n7"),
        ({"content": "7"}, f"{OPEN}\n\n{CLOSE}\n\n7"),
    ],
)
def test_a_turn_shows_its_thoughts_until_the_next_question(thinking, turn, shown: str) -> None:
    said = [*ASKED, {"role": "assistant"} | turn]
    assert thinking.apply_chat_template(said, tokenize=False) == f"{rendered('Q')}{shown}{END}"
    after = thinking.apply_chat_template([*said, *ASKED], tokenize=False)
    assert after == f"{rendered('Q')}7{END}{USER}Q"


@pytest.mark.parametrize(
    ("thoughts", "before", "after"),
    [
        (None, "", "7"),
        ("", NO_THOUGHTS, "7"),
        ("r", "", f"{OPEN}\nr\n{CLOSE}\n\n7"),
    ],
)
def test_a_lesson_is_written_as_the_template_writes_it(thinking, thoughts, before: str, after: str) -> None:
    lesson = Lesson("Q", "7", thoughts)
    assert taught(lesson) == (rendered("Q") + before, after)
    if thoughts is not None:
        turn = {"role": "assistant", "content": "7", "reasoning_content": thoughts}
        assert thinking.apply_chat_template([*ASKED, turn], tokenize=False) == "".join(taught(lesson)) + END
