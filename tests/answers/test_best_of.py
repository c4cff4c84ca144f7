"""Which solution a model picks: the forms in which models say it, and what is no pick at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.answers.best_of import read_choice

PICKED = [
    ("Best solution: 3", 3),
    ("best solution: 3.", 3),
    ("**Best solution: 3**", 3),
    ("**Best solution:** 3", 3),
    ("### Best Solution\n\n3", 3),
    ("Best solution:\n3", 3),
    ("Best solution:\n\n\\boxed{3}", 3),
    ("The best solution is\n**Solution 3**", 3),
    ("Best solution: Solution 3", 3),
    ("Best solution: #3", 3),
    ("Best solution: \\(3\\)", 3),
    ("Best solution: $\\boxed{3}$", 3),
    ("Best solution: [3]", 3),
    ("Best solution: `3`", 3),
    ("Best solution - 3", 3),
    ("Best solution: 3 (the only one without a slip)", 3),
    ("Best solution: 3. Its steps are complete.", 3),
    ("Solution 1 adds wrongly, solution 2 stops. Best solution: 3", 3),
    ("Best solution: 3, because solutions 1 and 2 are wrong", 3),
    ("\\boxed{Solution 2}", 2),
    ("$\\boxed{\\text{Solution 2}}$", 2),
    ("\\boxed{2}", 2),
    ("2", 2),
    ("**Solution 3** is correct", 3),
    ("Solution 3 is the best of the 4 solutions.", 3),
    ("Therefore, the best solution is Solution 3.", 3),
    ("So the best one is solution number 3.", 3),
    ("So the best is no. 3", 3),
    ("I choose solution 2.", 2),
    ("I would pick Solution #2", 2),
    ("My final choice: 4", 4),
    ("Judgment: 4", 4),
    ("Judgement: Solution 4", 4),
    ("Selected solution: 1", 1),
    ("Candidate 2 wins.", 2),
    ("Solution_2", 2),
    ("Solution: 2", 2),
    ("Solution 1 errs in its second step. Solution 4 is right.", 4),
    ("Both agree.\n\nBest solution: 2\n```", 2),
    ("Best solution: 2\n\n---\n***", 2),
    ("<think>Best solution: 1? No.</think>\n\nBest solution: 2", 2),
    ("<think>a</think>Best solution: 1<think>b</think> Best solution: 2", 2),
    ("Best solution: 2\r\n", 2),
    ("x " * 400 + "so the best solution is Solution 3.", 3),
    ("Best solution: 3\nBest solution: 2", 2),
]
NONE = [
    "",
    " \n\t",
    "None of the solutions is right.",
    "No solution is correct.",
    "Solution 2 is wrong.",
    "Solution 2 isn't complete.",
    "Solution 3 is not right",
    "The best solution is not 3",
    "Best solution: 0",
    "Best solution: 5",
    "Best solution: 44",
    "Best solution: 1234",
    "Best solution: -",
    "Best solution: none",
    "Best solution: 2 or 3",
    "Best solution: 2 and 3",
    "Best solution: 2/3",
    "Best solution: 2, 3",
    "Best solution: 2 and solution 3",
    "Best solutions: 2 and 3",
    "Best solution: 2.5",
    "Best solution: 3%",
    "Best solution: 3a",
    "The best 2 solutions are long.",
    "Of the best, 2 others fail.",
    "Best solution: 2. Best solution: 3",
    "Solutions 2 and 3 are right.",
    "Solution 2 and Solution 3 are both right.",
    "The answer is 3.",
    "The final answer is \\boxed{3}",
    "Therefore x = 3.",
    "Best solution: 3\nSo the answer is 12.",
    "<think>Best solution: 3",
    "Best solution: \u0663",
    "\x00\x1b[2J",
    "9" * 5000,
]


@pytest.mark.parametrize(("text", "number"), PICKED)
def test_the_pick_is_read_out_of_what_models_write(text: str, number: int | None) -> None:
    assert read_choice(text, 4) == number


@pytest.mark.parametrize("text", NONE)
def test_a_text_that_picks_no_single_solution_picks_none(text: str) -> None:
    assert read_choice(text, 4) is None


def test_a_text_that_was_cut_off_picks_none() -> None:
    assert read_choice("Best solution: 1", 4, finished=False) is None


@given(st.text(), st.integers(1, 16), st.integers(1, 16))
def test_whatever_was_said_before_the_last_line_decides(text: str, number: int, count: int) -> None:
    told = text.replace("<think>", "") + f"\nBest solution: {number}"
    assert read_choice(told, count) == (number if number <= count else None)


WORDS = st.sampled_from(
    [
        "solution ",
        "best ",
        "is ",
        "no. ",
        "3",
        "12",
        "(",
        "**",
        "\\boxed{",
        "}",
        ". ",
        "or ",
        "\n",
        "<think>",
        "</think>",
        "_",
    ]
)


@given(st.lists(WORDS, max_size=40).map("".join), st.integers(0, 16))
def test_a_pick_is_one_of_those_that_were_shown(text: str, count: int) -> None:
    number = read_choice(text, count)
    assert number is None or (1 <= number <= count and str(number) in text)


@pytest.mark.parametrize(
    "piece", ["solution ", "best ", "no. ", "_", "(", "**", "3 ", "best solution is ", "\n", "\\boxed{"]
)
def test_hostile_texts_are_read_in_linear_time(piece: str) -> None:
    assert read_choice(piece * 200_000, 4) is None or piece == "3 "
