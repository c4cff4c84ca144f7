"""What a rehearsal writes in place of solutions: right ones, wrong ones, and some that are no solutions."""

from __future__ import annotations

import random
import re

from omi_core.teachers.teacher import Request


def right_answer(request: Request) -> str:
    """The ground truth, or a number that the record's content decides where there is none."""
    if request.record.expected_answer is not None:
        return request.record.expected_answer
    return str(int(request.record.id[:8], 16) % 1000)


def wrong_answer(draw: random.Random, right: str) -> str:
    """Like the right one but not equal: a number off by a little, or another letter."""
    number = re.fullmatch(r"-?\d{1,15}", right)
    if number:
        return str(int(right) + draw.choice((-10, -2, -1, 1, 2, 5, 10)))
    return f"{draw.randint(1000, 9999)}/{draw.choice((7, 11, 13))}"


def solution_text(draw: random.Random, answer: str) -> str:
    """Some right steps that end in the answer."""
    steps = "".join(_step(draw) for _ in range(draw.randint(1, 4)))
    return f"{steps}The answer is \\boxed{{{answer}}}."


def _step(draw: random.Random) -> str:
    a, b = draw.randint(2, 99), draw.randint(2, 99)
    return f"We note that {a} + {b} = {a + b}.\n"


def unsolved_text(draw: random.Random, request: Request) -> str:
    """A text without an answer, or with a broken one."""
    number = draw.randint(0, 999)
    return draw.choice(
        (f"It is {number}.", f"\\boxed{{{number}", "", f"\\boxed{{}} or {number}", "I cannot say.")
    )
