"""Explanations: longer than solutions, in other words, with the same arithmetic and the same answer."""

from __future__ import annotations

import re
from itertools import islice
from random import Random

from maintenance.explanations import explanation
from maintenance.lessons import Mix, lessons
from omi_core.filters.wrong_arithmetic import WrongArithmetic
from omi_core.teachers.tiny.world import answer, draw, parse, split_of

LINE = re.compile(r"[0-9/]+(?: [-+*/] [0-9/]+)? = [0-9/]+")


def test_an_explanation_has_the_lines_of_the_solution_in_other_and_more_words() -> None:
    rng, said, told, longer = Random(1), set[str](), set[str](), 0
    for problem in draw(3, 300):
        read = parse(problem.text)
        assert read is not None
        long = explanation(read[1], rng)
        assert LINE.findall(long) == LINE.findall(problem.solution)
        longer += len(long) - 1.3 * len(problem.solution)
        # The sentences of both without their numbers; none is common to them.
        said |= {re.sub("[0-9/]+", "0", each) for each in re.split(r"[.:,] ", problem.solution)}
        told |= {re.sub("[0-9/]+", "0", each) for each in re.split(r"[.:,] ", long)}
    assert not said & told and longer > 0


def test_an_explanation_answers_its_problem_and_every_step_holds() -> None:
    for lesson in islice(lessons(5, Mix(explanations=1)), 200):
        text = lesson.prompt.removeprefix("Explain: ")
        assert split_of(text) == "train"
        assert lesson.reply.endswith(rf"\boxed{{{answer(text)}}}")
        assert WrongArithmetic().first_wrong(lesson.reply) is None
