"""Thinking and answer, parted wherever models put the tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.text.reasoning import TAGS, inside, joined, part

CHANNELS = ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>")


@pytest.mark.parametrize(
    ("text", "opened", "parted"),
    [
        ("<think>\nso 5\n</think>\n\nIt is 5.", False, ("so 5", "It is 5.")),
        ("  \n<think>so 5</think>It is 5.", False, ("so 5", "It is 5.")),
        ("so 5\n</think>\n\nIt is 5.", True, ("so 5", "It is 5.")),
        (
            "so 5\n</think>\n\nIt is 5.",
            False,
            ("so 5", "It is 5."),
        ),  # the prompt opened it, and nobody says so
        ("<think>\n\n</think>\n\nIt is 5.", False, ("", "It is 5.")),
        ("It is 5.", False, (None, "It is 5.")),
        ("", False, (None, "")),
        # Never closed: however it ended, there is no answer.
        ("<think>so \\boxed{5}, but", False, ("so \\boxed{5}, but", None)),
        ("so \\boxed{5}, but", True, ("so \\boxed{5}, but", None)),
        (
            "<think>so 5</think>It is. <think>Or is it",
            False,
            ("so 5</think>It is. <think>Or is it", None),
        ),
        # Several traces, stray tags: the answer is what stands behind all of them.
        ("<think>a</think>b<think>c</think>d", False, ("a</think>b<think>c", "d")),
        ("<think>a</think>b</think>", False, ("a</think>b", "")),
    ],
)
def test_what_follows_the_last_closing_tag_is_the_answer(
    text: str, opened: bool, parted: tuple[str | None, str | None]
) -> None:
    assert part(text, TAGS, opened) == parted


def test_channels_are_tags_as_well() -> None:
    text = f"{CHANNELS[0]}so 5<|end|><|start|>assistant{CHANNELS[1]}It is 5."
    assert part(text, CHANNELS) == ("so 5", "It is 5.")
    assert part(f"{CHANNELS[0]}so", CHANNELS) == ("so", None)


@pytest.mark.parametrize(
    ("prompt", "is_inside"),
    [("user: 1+1?\nassistant: <think>\n", True), ("<think>\n\n</think>\n\n", False), ("1+1?", False)],
)
def test_a_prompt_that_ends_with_the_opening_tag_has_the_model_think_at_once(
    prompt: str, is_inside: bool
) -> None:
    assert inside(prompt) == is_inside


WORDS = st.text(alphabet="ab </>think\n", max_size=40)


@given(WORDS, WORDS)
def test_what_is_joined_is_parted_again(reasoning: str, answer: str) -> None:
    reasoning, answer = reasoning.strip(), answer.lstrip()
    if any(tag in reasoning + answer for tag in TAGS):
        return
    assert part(joined(reasoning, answer)) == (reasoning, answer)


@given(st.text(alphabet="a<>/think ", max_size=60), st.booleans())
def test_no_answer_holds_a_tag(text: str, opened: bool) -> None:
    reasoning, answer = part(text, TAGS, opened)
    assert answer is None or "<think>" not in answer and "</think>" not in answer
    assert reasoning is not None or answer == text
