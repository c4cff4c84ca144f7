"""What the muddled teacher learns: workings in which a line is false and the answer is right all the same.

It is to reason worse than the weak one, not to slip more: a sample of it that votes and ground truth let
through may still teach a student that 6 + 11 = 66.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from omi_core.teachers.tiny.workings import Work, WorkingLine

_OPERATORS = "+-*/"


def muddled(work: Work, rng: Random) -> Work:
    """The same work with one of its lines false: a result is off, or another operation is named."""
    at = rng.randrange(len(work.steps))
    steps = list(work.steps)
    steps[at] = replace(steps[at], arithmetic=_falsified(steps[at], rng))
    return replace(work, steps=tuple(steps))


def _falsified(step: WorkingLine, rng: Random) -> str:
    left, result = step.arithmetic.rsplit(" = ", 1)
    parts = left.split(" ")
    if len(parts) == 3 and rng.random() < 0.5:
        first, operator, second = parts
        other = rng.choice([each for each in _OPERATORS if each != operator])
        return f"{first} {other} {second} = {result}"
    top, slash, bottom = result.partition("/")
    return f"{left} = {int(top) + rng.choice((1, 2, 10))}{slash}{bottom}"
