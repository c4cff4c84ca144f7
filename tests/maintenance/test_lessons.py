"""Lessons: the prompts of the prompt file, filled in, with replies that are right."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import islice
from pathlib import Path

import yaml

from maintenance.dialogues import STYLES
from maintenance.lessons import (
    LINES,
    Lesson,
    Mix,
    dialogue_prompt,
    lessons,
    problem_prompt,
    prompts,
    solve_prompt,
)
from omi_core.teachers.tiny.world import answer, split_of

FILE = Path(__file__).resolve().parents[2] / "omi_core/prompts/tiny.yaml"
LESSONS = list(islice(lessons(seed=5), 600))
OF_BASE = list(islice(lessons(seed=5, mix=Mix(copies=40, lines=60)), 600))
SUMS = list(islice(lessons(seed=5, mix=Mix(sums=1)), 200))


def prefix(template: str) -> str:
    return template.split("{{")[0]


def of_job(start: str) -> list[Lesson]:
    return [lesson for lesson in LESSONS if lesson.prompt.startswith(start)]


def test_the_prompts_are_those_of_the_file() -> None:
    file = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert prompts() == file
    assert solve_prompt("A {{text}} B") == file["solutions"]["user"].replace("{{text}}", "A {{text}} B")
    assert problem_prompt("x") == file["problems"]["user"].replace("{{text}}", "x")
    assert dialogue_prompt("debate", "x") == file["dialogues"]["user"].replace(
        "{{style}}", file["dialogues"]["styles"]["debate"]
    ).replace("{{text}}", "x")


def test_the_file_names_the_styles_that_are_taught_each_in_its_own_words() -> None:
    styles = prompts()["dialogues"]["styles"]
    assert list(styles) == list(STYLES)
    assert len(set(styles.values())) == len(styles)


def test_the_three_jobs_can_be_told_apart_by_how_a_prompt_begins() -> None:
    starts = [prefix(prompts()[job]["user"]) for job in ("solutions", "problems", "dialogues")]
    assert all(starts) and len({start[0] for start in starts}) == 3
    assert sum(len(of_job(start)) for start in starts) == len(LESSONS)
    assert min(len(of_job(start)) for start in starts) > 50


def test_a_solution_lesson_ends_in_the_answer_of_its_problem() -> None:
    start = prefix(prompts()["solutions"]["user"])
    for lesson in of_job(start):
        expected = answer(lesson.prompt.removeprefix(start))
        assert expected is not None and lesson.reply.endswith(rf"\boxed{{{expected}}}")


def test_a_problem_lesson_answers_with_a_problem_of_the_world() -> None:
    for lesson in of_job(prefix(prompts()["problems"]["user"])):
        assert answer(lesson.reply) is not None
        assert lesson.reply not in lesson.prompt


def test_a_dialogue_lesson_keeps_the_numbers_of_its_text() -> None:
    for lesson in of_job(prefix(prompts()["dialogues"]["user"])):
        assert set(re.findall("[0-9]+", lesson.prompt)) <= set(re.findall("[0-9]+", lesson.reply))


def test_no_held_out_problem_is_in_a_lesson() -> None:
    starts = [prefix(prompts()[job]["user"]) for job in ("solutions", "problems")]
    for start in starts:
        for lesson in of_job(start):
            assert split_of(lesson.prompt.removeprefix(start)) == "train"
    for lesson in of_job(starts[1]):
        assert split_of(lesson.reply) == "train"


def test_the_same_seed_gives_the_same_lessons() -> None:
    assert list(islice(lessons(seed=5), 50)) == LESSONS[:50]
    assert list(islice(lessons(seed=6), 50)) != LESSONS[:50]


def of_base(start: str) -> list[Lesson]:
    return [lesson for lesson in OF_BASE if lesson.prompt.startswith(start)]


def test_a_base_model_learns_three_jobs_in_the_shares_of_its_mix() -> None:
    repeats, numbers, lines = (of_base(start) for start in ("Repeat: ", "Numbers: ", "Work out: "))
    assert len(repeats) + len(numbers) + len(lines) == len(OF_BASE)
    assert 0.52 < len(lines) / len(OF_BASE) < 0.68
    assert min(len(repeats), len(numbers)) > 80


def test_none_of_its_prompts_is_one_of_the_prompt_file_and_none_of_its_replies_has_an_answer() -> None:
    starts = {prefix(prompts()[job]["user"]) for job in ("solutions", "problems", "dialogues")}
    for lesson in OF_BASE:
        assert not any(lesson.prompt.startswith(start) for start in starts)
        assert "boxed" not in lesson.reply and lesson.thoughts is None


def test_what_is_copied_is_a_problem_of_the_training_split_or_its_numbers() -> None:
    for lesson in of_base("Repeat: "):
        problem = lesson.prompt.removeprefix("Repeat: ")
        assert lesson.reply == problem and split_of(problem) == "train" and answer(problem) is not None
    for lesson in of_base("Numbers: "):
        problem = lesson.prompt.removeprefix("Numbers: ")
        assert split_of(problem) == "train" and answer(problem) is not None
        assert lesson.reply.split() == re.findall("[0-9]+", problem)


def value(text: str) -> Fraction:
    """What `3 * 4`, `3/4 + 1/4` or a number alone comes to."""
    left, operator, right = (text.split() + ["+", "0"])[:3]
    x, y = Fraction(left), Fraction(right)
    return {"+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x / y}[operator]()


def test_lines_of_arithmetic_are_right_and_ask_for_what_they_answer() -> None:
    for lesson in [*of_base("Work out: "), *SUMS]:
        asked = lesson.prompt.removeprefix("Work out: ").split(", ")
        worked = lesson.reply.split(", ")
        assert len(asked) == len(worked) == LINES
        for question, line in zip(asked, worked, strict=True):
            begin, _, result = line.partition(" = ")
            assert begin == question and value(begin) == value(result)


def test_lessons_of_sums_hold_sums_and_differences_of_whole_numbers_alone() -> None:
    lines = [line for lesson in SUMS for line in lesson.reply.split(", ")]
    assert len(lines) == LINES * len(SUMS)
    assert all(re.fullmatch("[0-9]+ [+-] [0-9]+ = [0-9]+", line) for line in lines)
    assert min(sum(f" {sign} " in line for line in lines) for sign in "+-") > 200


def test_a_mix_without_copies_and_lines_is_as_before() -> None:
    assert list(islice(lessons(seed=5, mix=Mix(64, 16, 20, copies=0, lines=0)), 50)) == LESSONS[:50]
