"""How a teacher reasons is counted: right samples, false steps among them, and their length."""

from __future__ import annotations

import pytest

from maintenance.evaluate_steps import Reasoning, measured, reasoning
from omi_core.teachers.tiny.world import Problem

PROBLEM = Problem("…", "66", "6 * 11 = 66. The answer is \\boxed{66}", "groups")


def test_a_false_step_counts_where_the_answer_is_right_all_the_same() -> None:
    replies = [
        "The total is 6 * 11 = 66. This gives \\boxed{66}",
        "The total is 6 + 11 = 66. This gives \\boxed{66}",
        "1/2 = 3/4. The total is 6 * 11 = 66. This gives \\boxed{66}",
        "The total is 6 * 11 = 67. This gives \\boxed{67}",
        "The total is 6 * 11 = 66.",
    ]
    assert reasoning([PROBLEM] * 5, replies, [10, 20, 30, 40, 50]) == Reasoning(5, 3, 2, 30.0)


def test_the_muddled_teacher_holds_false_steps_in_its_right_samples() -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    found = measured("tiny_muddled", "tiny", 150)
    assert found.right > 45 and found.false / found.right > 0.05


@pytest.mark.slow
def test_the_verbose_teacher_answers_its_own_prompt_at_greater_length_and_both_prompts_as_well() -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    short, long = (measured("tiny_verbose", prompt, 80) for prompt in ("tiny", "tiny_verbose"))
    assert long.tokens > 1.4 * short.tokens
    assert min(short.right, long.right) > 30
