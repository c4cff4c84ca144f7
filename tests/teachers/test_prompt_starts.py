"""Prompts that begin alike: their tokens are those of the whole text, and the start is encoded once."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from omi_core.teachers.chat_prompt import ChatPrompt
from omi_core.teachers.prompt_starts import MISSES, PromptStarts
from tests.teachers.test_chat_prompt import tokenizer

CONTROL = re.compile(r"<a>b|<[ab]>")
EXAMPLES = "<a>how to solve<b>a solved one" * 5
TEXTS = st.text(st.sampled_from("ab<> x"), max_size=12)


class Encoder:
    """Words between control tokens as tokens, by their hashes; `joins` makes one of a space and the next."""

    def __init__(self, joins: bool = False) -> None:
        self._pattern = re.compile(rf"{' ?' if joins else ''}(?:{CONTROL.pattern})|[^< ]+| |<")
        self.taken: list[str] = []

    def __call__(self, text: str) -> list[int]:
        self.taken.append(text)
        return [hash(found[0]) for found in self._pattern.finditer(text)]


def starts(encode: Callable[[str], list[int]]) -> PromptStarts:
    return PromptStarts(encode, CONTROL)


def test_what_all_prompts_begin_with_is_encoded_once() -> None:
    encode = Encoder()
    made = starts(encode)
    for number in range(100):
        made.tokens(f"{EXAMPLES}<a>problem {number}")
    assert [text for text in encode.taken[-90:] if not text.startswith("<a>problem ")] == []


def test_prompts_that_do_not_begin_alike_are_encoded_whole_and_no_longer_compared() -> None:
    encode = Encoder()
    made = starts(encode)
    for number in range(100):
        made.tokens(f"{number}<a>{EXAMPLES}")
    assert len(encode.taken) == 100
    assert made._missed == MISSES + 1


def test_a_tokenizer_that_does_not_split_at_a_control_token_gets_the_whole_text() -> None:
    encode = Encoder(joins=True)
    made = starts(encode)
    plain = Encoder(joins=True)
    for number in range(20):
        text = f"{EXAMPLES} <a>problem {number}"
        assert made.tokens(text) == plain(text)
    assert encode.taken[-1].startswith(EXAMPLES)


@given(st.lists(st.tuples(st.sampled_from(["", EXAMPLES, EXAMPLES[:40]]), TEXTS), max_size=30))
def test_the_tokens_are_those_of_the_whole_text(texts: list[tuple[str, str]]) -> None:
    made, plain = starts(Encoder()), Encoder()
    for begin, rest in texts:
        assert made.tokens(f"{begin}<a>{rest}") == plain(f"{begin}<a>{rest}")


def test_a_teachers_prompts_are_encoded_without_the_examples_they_begin_with() -> None:
    prompt = ChatPrompt(tokenizer())
    taken: list[str] = []
    encode = prompt._by_backend
    prompt._starts = PromptStarts(lambda text: taken.append(text) or encode(text), prompt._controls)
    examples = [{"role": "user", "content": "What is 2 + 3?"}, {"role": "assistant", "content": "It is 5."}]
    for number in range(4):
        prompt.tokens([*examples, {"role": "user", "content": f"What is {number}?"}])
    assert ["2 + 3" in text for text in taken[-2:]] == [False, False]


@given(st.sampled_from(["bytes", "words"]), st.lists(st.text(max_size=20), min_size=3, max_size=8))
def test_after_examples_the_tokens_are_those_of_transformers(kind: str, texts: list[str]) -> None:
    made = tokenizer(kind)
    prompt = ChatPrompt(made)
    examples = [{"role": "user", "content": "What is 2 + 3?"}, {"role": "assistant", "content": "It is 5. "}]
    for text in texts:
        messages = [*examples, {"role": "user", "content": text}]
        own = made.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
        assert prompt.tokens(messages) == own
