"""Thoughts: they hold slips, several boxes and drafts, and end with what is right."""

from __future__ import annotations

import re
from itertools import islice
from random import Random

import pytest

from maintenance import thoughts
from maintenance.lessons import THINKING_SHARE, Lesson, Mix, lessons
from omi_core.teachers.tiny.world import answer, boxed_form, draw, parse

LESSONS = list(islice(lessons(5, Mix(64, 16, 20), thinking=True), 900))


def of_job(start: str) -> list[Lesson]:
    return [lesson for lesson in LESSONS if lesson.prompt.startswith(start)]


def boxes(text: str) -> list[str]:
    return re.findall(r"\\boxed\{((?:[^{}]|\{[0-9]*\})*)\}", text)


def wrong_sums(text: str) -> list[str]:
    """The equations of whole numbers in a text whose two sides differ."""
    found = re.findall(r"(?<![0-9/])([0-9]+) ([-+*]) ([0-9]+) = ([0-9]+)(?![0-9/])", text)
    worked = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    return [f"{a} {o} {b} = {c}" for a, o, b, c in found if worked[o](int(a), int(b)) != int(c)]


def test_three_of_four_lessons_think_and_the_jobs_are_those_of_teachers_that_do_not() -> None:
    thinking = [lesson for lesson in LESSONS if lesson.thoughts]
    assert all(lesson.thoughts is not None for lesson in LESSONS)
    assert len(thinking) / len(LESSONS) == pytest.approx(THINKING_SHARE, abs=0.05)
    assert all(of_job(start) for start in ("Solve: ", "Write ", "Retell "))


def test_a_wrong_step_of_a_thought_is_taken_back_at_once_and_no_reply_has_one() -> None:
    slips = 0
    for lesson in of_job("Solve: "):
        assert not wrong_sums(lesson.reply)
        for wrong in wrong_sums(lesson.thoughts or ""):
            slips += 1
            after = (lesson.thoughts or "").split(f"{wrong}.", 1)[1]
            assert re.match(r" (Wait|No, wait)[^0-9]*", after)
            assert wrong.split(" = ")[0] in after
    assert slips > 30


def test_thoughts_name_boxes_the_last_of_which_is_the_answer() -> None:
    several = others = 0
    for lesson in of_job("Solve: "):
        expected = answer(lesson.prompt.removeprefix("Solve: "))
        named = boxes(lesson.thoughts or "")
        several += len(named) > 1
        others += any(box != expected for box in named)
        assert not named or expected in named
        assert boxes(lesson.reply) == [expected]
    assert several > 50 and others > 10


def test_thoughts_on_a_new_problem_hold_its_numbers_and_often_another_problem() -> None:
    drafts = 0
    for lesson in of_job("Write "):
        if not lesson.thoughts:
            continue
        assert lesson.thoughts.endswith(f"{' and '.join(re.findall('[0-9]+', lesson.reply))}.")
        drafts += "A draft: " in lesson.thoughts
    assert drafts > 10


def test_thoughts_on_a_dialogue_name_its_speakers() -> None:
    for lesson in of_job("Retell "):
        if lesson.thoughts:
            named = lesson.thoughts.removeprefix("The speakers are ").split(".")[0].split(" and ")
            assert len(named) >= 2 and all(f"{name}:" in lesson.reply for name in named)


def test_no_thought_says_nothing_wrong_in_the_end() -> None:
    rng = Random(3)
    for problem in draw(3, 200):
        read = parse(problem.text)
        assert read is not None
        named = boxes(thoughts.on_work(read[1], rng))
        assert not named or boxed_form(read[1].answer) in named[-2:]
