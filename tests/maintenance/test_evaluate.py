r"""Measuring: boxed numbers, votes, tables, and the shipped teacher itself in a real vLLM engine."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maintenance import evaluate
from maintenance.dialogues import STYLES, speakers_of
from maintenance.evaluate import passages
from maintenance.lessons import dialogue_prompt, problem_prompt, solve_prompt
from maintenance.tokenizer import CLOSE, OPEN, rendered
from omi_core.teachers.tiny import path
from omi_core.teachers.tiny.world import answer, draw

HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{12}", Fraction(12)),
        (r"\boxed{1} no, \boxed{-7} yes", Fraction(-7)),
        (r"\boxed{\frac{2}{4}}", HALF),
        (r"\boxed{\frac{2}{0}}", None),
        (r"\boxed{x}", None),
        (r"\boxed{12", None),
        (r"\boxed{" + "9" * 1000 + "}", None),
        ("12", None),
        ("", None),
    ],
)
def test_the_boxed_number_is_read(text: str, expected: Fraction | None) -> None:
    assert evaluate.boxed_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "a"),
        ("", ""),
        ("<think>\nthoughts \\boxed{1}\n</think>\n\na", "a"),
        ("<think>\nthoughts \\boxed{1}", ""),
        ("thoughts\n</think>\n\na", "a"),
        ("<think>\n</think>\nb</think>\na", "a"),
    ],
)
def test_a_reply_begins_where_the_thoughts_end(text: str, expected: str) -> None:
    assert evaluate.reply_of(text) == expected


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([], None),
        ([None, None], None),
        ([Fraction(3), None, Fraction(3), HALF], Fraction(3)),
        ([HALF, Fraction(3), Fraction(3), HALF], HALF),
        ([None, None, Fraction(3)], Fraction(3)),
    ],
)
def test_the_most_frequent_number_is_elected_and_the_earliest_on_a_tie(votes, expected) -> None:
    assert evaluate.majority(votes) == expected


@given(st.lists(st.integers(0, 3).map(Fraction), min_size=1, max_size=20))
def test_no_number_has_more_votes_than_the_elected(votes: list[Fraction]) -> None:
    elected = evaluate.majority(votes)
    assert elected is not None and all(votes.count(elected) >= votes.count(v) for v in votes)


def figures(value: float) -> evaluate.Figures:
    kinds = {"gain": value}
    return evaluate.Figures(10, value, value, value, kinds, value, value, value, value, value, value)


def test_the_table_has_a_column_for_each_teacher() -> None:
    lines = evaluate.table({"tiny": figures(0.812), "tiny_weak": figures(0.25)}).splitlines()
    assert lines[0] == "| on 10 held-out problems | tiny | tiny_weak |"
    assert "| accuracy, greedy | 81.2 % | 25.0 % |" in lines
    assert "| one sample, kind `gain` | 81.2 % | 25.0 % |" in lines


def test_the_table_goes_between_the_marks_of_the_card(tmp_path: Path, monkeypatch) -> None:
    card = tmp_path / "CARD.md"
    card.write_text(f"before\n{evaluate._BEGIN}\nold\n{evaluate._END}\nafter\n")
    monkeypatch.setattr(evaluate, "_CARD", card)
    evaluate.write_card("| new |")
    evaluate.write_card("| newer |")
    assert card.read_text() == f"before\n{evaluate._BEGIN}\n| newer |\n{evaluate._END}\nafter\n"


@pytest.fixture(scope="module")
def teacher() -> Iterator:
    pytest.importorskip("vllm")
    yield evaluate.engine(path("tiny"))


# The warnings of vLLM and what it imports are not ours to mend.
foreign_warnings = pytest.mark.filterwarnings("ignore")


@pytest.mark.slow
@pytest.mark.vllm
@foreign_warnings
def test_the_strong_teacher_solves_most_held_out_problems(teacher) -> None:
    problems = draw(seed=7, count=48, split="test")
    texts = evaluate.replies(teacher, [solve_prompt(p.text) for p in problems], 0.7, 160, 1)
    right = [
        evaluate.boxed_number(t[0]) == evaluate.boxed_number(p.solution)
        for t, p in zip(texts, problems, strict=True)
    ]
    assert sum(right) / len(right) >= 0.5


@pytest.mark.slow
@pytest.mark.vllm
@foreign_warnings
def test_the_strong_teacher_writes_problems_of_the_world(teacher) -> None:
    seeds = [p.text for p in draw(seed=8, count=24, split="test")]
    texts = [t[0] for t in evaluate.replies(teacher, [problem_prompt(s) for s in seeds], 0.7, 100, 1)]
    assert sum(answer(t) is not None and t not in seeds for t in texts) / len(texts) >= 0.3


@pytest.mark.slow
@pytest.mark.vllm
@foreign_warnings
def test_the_strong_teacher_retells_with_the_speakers_of_the_style(teacher) -> None:
    styles = list(STYLES)
    texts = passages(seed=9, count=len(styles), split="test")
    prompts = [dialogue_prompt(styles[i], text) for i, text in enumerate(texts)]
    replies = [r[0] for r in evaluate.replies(teacher, prompts, 0.7, 400, 1)]
    right = [
        len(speakers_of(reply)) >= 2 and speakers_of(reply) <= set(STYLES[styles[i]].speakers)
        for i, reply in enumerate(replies)
    ]
    assert sum(right) / len(right) >= 0.7


@pytest.mark.slow
@pytest.mark.vllm
@foreign_warnings
def test_a_long_foreign_prompt_is_survived(teacher) -> None:
    replies = evaluate.replies(teacher, ["Let $x^2 - 7x + 3 = 0$; é 🎉 " * 20], 0.7, 40, 2)
    assert len(replies[0]) == 2


@pytest.fixture(scope="module")
def thinking() -> Iterator:
    pytest.importorskip("vllm")
    yield evaluate.engine(path("tiny_thinking"))


def share_right(texts: list[str]) -> float:
    problems = draw(seed=7, count=len(texts), split="test")
    answers = [evaluate.boxed_number(problem.solution) for problem in problems]
    return sum(evaluate.boxed_number(t) == a for t, a in zip(texts, answers, strict=True)) / len(texts)


@pytest.mark.slow
@pytest.mark.vllm
@foreign_warnings
@pytest.mark.parametrize("at_once", [False, True])
def test_the_thinking_teacher_solves_most_held_out_problems_with_thoughts_and_without(
    thinking, at_once: bool
) -> None:
    prompts = [solve_prompt(p.text) for p in draw(seed=7, count=48, split="test")]
    texts = [t[0] for t in evaluate.replies(thinking, prompts, 0.7, 160, 1, at_once)]
    assert share_right(texts) >= 0.5
    assert not any("think>" in text for text in texts)


@pytest.mark.slow
@pytest.mark.vllm
@foreign_warnings
@pytest.mark.parametrize(("opened", "tags"), [("", [1, 1]), (f"{OPEN}\n", [0, 1])])
def test_the_tags_of_a_thought_are_in_the_text_but_for_one_that_is_in_the_prompt(
    thinking, opened: str, tags: list[int]
) -> None:
    from vllm import SamplingParams, TokensPrompt

    tokenizer = thinking.get_tokenizer()
    problems = [p.text for p in draw(seed=7, count=24, split="test")]
    inputs = [
        TokensPrompt(prompt_token_ids=tokenizer.encode(rendered(solve_prompt(text)) + opened))
        for text in problems
    ]
    settings = SamplingParams(temperature=0.7, max_tokens=480, seed=1)
    texts = [made.outputs[0].text for made in thinking.generate(inputs, settings, use_tqdm=False)]
    whole = [text for text in texts if [text.count(OPEN), text.count(CLOSE)] == tags]
    assert len(whole) >= 22
    assert share_right([evaluate.reply_of(text) for text in texts]) >= 0.5
