"""Thinking as servers give it, and as vLLM's parsers find it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from omi_core.options import ConfigError
from omi_core.teachers.chat_api import Again, read_completion
from omi_core.teachers.teacher_options import Sampling, TeacherOptions

# Warnings are errors in our own code; those of torch and vllm are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")


def answer(message: dict[str, Any], **usage: Any) -> bytes:
    return orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})


@pytest.mark.parametrize(
    ("message", "reasoning", "text"),
    [
        ({"content": "5"}, None, "5"),
        ({"content": "5", "reasoning_content": "so 5"}, "so 5", "5"),
        ({"content": "5", "reasoning": "so 5"}, "so 5", "5"),
        ({"content": "5", "reasoning": None, "reasoning_content": ""}, None, "5"),
        ({"content": None, "reasoning_content": "so 5, or"}, "so 5, or", ""),
        ({"content": [{"type": "text", "text": "It is "}, {"type": "text", "text": "5"}]}, None, "It is 5"),
        ({"content": []}, None, ""),
        ({"content": [{"type": "reasoning", "text": "so"}, {"type": "text", "text": "5"}]}, None, "5"),
    ],
)
def test_a_server_may_give_thinking_apart_and_text_in_pieces(
    message: dict[str, Any], reasoning: str | None, text: str
) -> None:
    found = read_completion(answer(message), str)
    assert (found.reasoning, found.text) == (reasoning, text)


@pytest.mark.parametrize("content", [7, {"text": "5"}, [7]])
def test_content_that_is_no_text_is_not_a_sample(content: Any) -> None:
    with pytest.raises(Again, match="BadAnswer"):
        read_completion(answer({"content": content}), str)


def test_a_server_counts_the_tokens_of_thinking() -> None:
    usage = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 6}}
    assert read_completion(answer({"content": "5"}, **usage), str).reasoning_tokens == 6
    assert (
        read_completion(answer({"content": "5"}, completion_tokens_details=None), str).reasoning_tokens == 0
    )


VOCABULARY = {"<think>": 1, "</think>": 2, "so": 3, "5": 4, "<seed:think>": 5, "</seed:think>": 6}


def thinking(reasoning: str, *special: str) -> Any:
    from omi_core.teachers.thinking import Thinking

    tokenizer = SimpleNamespace(
        get_vocab=lambda: VOCABULARY,
        encode=lambda text, **_: text.split(),
        decode=lambda ids: " ".join(word for number in ids for word, n in VOCABULARY.items() if n == number),
        added_tokens_decoder={
            n: SimpleNamespace(content=text, special=True) for n, text in enumerate(special)
        },
    )
    return Thinking(TeacherOptions(reasoning=reasoning), tokenizer)


@pytest.mark.parametrize(
    ("reasoning", "tags"), [("tags", ("<think>", "</think>")), ("deepseek_r1", ("<think>", "</think>"))]
)
def test_thinking_and_its_tokens_are_those_before_the_closing_tag(
    reasoning: str, tags: tuple[str, str]
) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    parts = thinking(reasoning)
    assert tuple(parts.tags) == tags
    assert parts.part(f"{tags[0]}so{tags[1]} 5", [1, 3, 2, 4], False) == ("so", "5", 3)
    assert parts.part("5", [4], False) == (None, "5", 0)
    assert parts.part(f"{tags[0]}so so", [1, 3, 3], False) == ("so so", None, 3)
    assert parts.part("so so", [3, 3], True) == ("so so", None, 2)
    assert parts.opened([4, 1]) and not parts.opened([1, 2]) and not parts.opened([4])


def test_without_parting_the_text_is_as_it_was_written() -> None:
    parts = thinking("none")
    assert parts.part("<think>so</think>5", [1, 3, 2, 4], False) == (None, "<think>so</think>5", 0)
    assert not parts.opened([1])


def test_tags_that_are_control_tokens_are_kept_in_the_text() -> None:
    assert thinking("tags", "</think>").in_controls
    assert not thinking("tags", "<|end|>").in_controls and not thinking("none", "</think>").in_controls
    channels = thinking("openai_gptoss", "<|channel|>", "<|message|>")
    said = "<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>final<|message|>It is 5"
    assert channels.in_controls and channels.part(said, range(9), False) == ("so", "It is 5", 6)


def test_a_parser_that_vllm_does_not_have_or_that_does_not_fit_is_told_in_a_line() -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    with pytest.raises(ConfigError, match=r"^teacher.reasoning=qwen9: vLLM has no such parser; one of tags"):
        thinking("qwen9")
    VOCABULARY.pop("</think>")
    try:
        with pytest.raises(ConfigError, match=r"^teacher.reasoning=deepseek_r1: does not fit this model: "):
            thinking("deepseek_r1")
    finally:
        VOCABULARY["</think>"] = 2


def test_a_text_that_a_parser_of_vllm_does_not_take_is_told_and_does_not_end_the_task() -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from omi_core.teachers.thinking import ParserFailed

    def fails(text: str, request: object) -> None:
        raise RecursionError(f"too deep\nin {text}")

    parts = thinking("tags")
    parts._parser = SimpleNamespace(extract_reasoning=fails)
    with pytest.raises(ParserFailed, match=r"^RecursionError: too deep in it$"):
        parts.part("it", [1], False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"nodes": 2}, "sampling.thinking_tokens: not possible over several nodes"),
        ({"reasoning": "qwen9"}, "teacher.reasoning=qwen9: vLLM has no such parser"),
    ],
)
def test_what_cannot_be_parted_is_told_before_anything_is_loaded(options: dict[str, Any], said: str) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from omi_core.teachers.thinking import check_reasoning

    with pytest.raises(ConfigError, match=f"^{said}"):
        check_reasoning(TeacherOptions(**options), Sampling(thinking_tokens=9))
    check_reasoning(TeacherOptions(reasoning="deepseek_r1"), Sampling(thinking_tokens=9))
