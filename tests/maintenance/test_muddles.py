"""Muddled solutions: one line is false, and the answer is right."""

from __future__ import annotations

from itertools import islice
from random import Random

from maintenance.lessons import Mix, lessons
from maintenance.muddles import muddled
from omi_core.filters.wrong_arithmetic import WrongArithmetic
from omi_core.teachers.tiny.world import answer, draw, parse, split_of

MUDDLES = list(islice(lessons(5, Mix(muddles=1)), 200))


def test_a_muddled_work_has_one_false_line_by_its_result_or_its_operator() -> None:
    rng, by_result, by_operator = Random(1), 0, 0
    for problem in draw(3, 200):
        read = parse(problem.text)
        assert read is not None
        work = read[1]
        found = muddled(work, rng)
        assert found.answer == work.answer
        (changed,) = (
            (old.arithmetic, new.arithmetic)
            for old, new in zip(work.steps, found.steps, strict=True)
            if old != new
        )
        (old_left, old_result), (new_left, new_result) = (line.rsplit(" = ", 1) for line in changed)
        assert (old_left == new_left) != (old_result == new_result)
        by_result += old_left == new_left
        by_operator += old_result == new_result
    assert by_result > 60 and by_operator > 60


def test_a_muddled_lesson_answers_its_problem_by_a_false_step() -> None:
    false = 0
    for lesson in MUDDLES:
        text = lesson.prompt.removeprefix("Solve: ")
        assert split_of(text) == "train"
        assert lesson.reply.endswith(rf"\boxed{{{answer(text)}}}")
        false += WrongArithmetic().first_wrong(lesson.reply) is not None
    # 2 + 2 = 4 and 2 * 2 = 4: another operator may hold by chance.
    assert false / len(MUDDLES) > 0.95
