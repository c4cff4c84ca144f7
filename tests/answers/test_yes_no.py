"""A judge's yes or no: the forms in which models give it, and what is no answer at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.answers.yes_no import NO, YES, read_yes_no

READ = [
    ("yes", YES),
    ("No", NO),
    ("  YES!\n", YES),
    ("**No.**", NO),
    ("> `yes`", YES),
    ('"No"', NO),
    ("- Yes", YES),
    ("(no)", NO),
    ("True", YES),
    ("False.", NO),
    ("Answer: yes", YES),
    ("**Answer:** No", NO),
    ("### Final answer\n\nYes", YES),
    ("The answer is no.", NO),
    ("Verdict - Yes, both ask for the same sum.", YES),
    ("\\boxed{yes}", YES),
    ("$\\boxed{\\text{No}}$", NO),
    ("Yes, they are the same problem.\nBoth ask how many eggs there are.", YES),
    ("Yes they are", YES),
    ("No, the numbers differ.", NO),
    ("No\n\nThe first asks for a sum, the second for a product.", NO),
    ("The first is about ducks.\nThe second, too.\nAnswer: yes", YES),
    ("Both are about ducks, but one asks for money. So the final answer is: **No**.", NO),
    ("They ask different things.\n\nTherefore, the answer is no", NO),
    ("They ask different things.\n\nNo.", NO),
    ("<think>Yes? No, wait. Yes.</think>\n\nNo.", NO),
    ("<think>a</think>no<think>b</think> yes", YES),
    # Two answers: the safe one.
    ("No.\nOn second thoughts, they are the same.\nAnswer: yes", YES),
    ("Yes.\nAnswer: no", YES),
]
NONE = [
    "",
    " \n\t",
    "Perhaps.",
    "Not the same.",
    "Nothing in common",
    "Yesterday I saw both.",
    "None",
    "No doubt they are the same",
    "Yes or no?",
    "yes/no",
    "No and yes",
    "True or false: they are the same.",
    "The answer is unclear.",
    "They are not the same; no.",
    "I cannot say whether yes or no",
    "<think>They are the same. Yes.",
    "\x00\x1b[2J",
    "noyes",
    "no_",
    "{" * 500 + "yes",
]


@pytest.mark.parametrize(("text", "said"), READ)
def test_an_answer_is_read_in_the_forms_models_give_it(text: str, said: str) -> None:
    assert read_yes_no(text) == said


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_answer_is_none(text: str) -> None:
    assert read_yes_no(text) is None


@pytest.mark.parametrize(
    ("text", "said"), [("Yes, since both", YES), ("Both ask for the\nanswer: no", None), ("No", NO)]
)
def test_of_a_text_that_was_cut_off_only_the_beginning_is_read(text: str, said: str) -> None:
    assert read_yes_no(text, finished=False) == said


@given(st.text())
def test_any_text_gives_one_of_three(text: str) -> None:
    assert read_yes_no(text) in (YES, NO, None)


@pytest.mark.parametrize(
    "part", ["the final ", "(", "yes/", "\\text{", "answer: ", "no\n", "<think>", "\u202e", " "]
)
def test_a_text_of_a_megabyte_is_read_in_one_go(part: str) -> None:
    # One that backtracks would not come back before the tests' time limit.
    assert read_yes_no(part * (1_000_000 // len(part))) in (NO, None)
