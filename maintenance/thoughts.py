"""What the thinking teacher writes before it replies: workings with slips that it takes back, boxes, drafts.

They hold on purpose what a text that is published must not: a wrong step, two boxes, a problem that is
not the one asked for.
"""

from __future__ import annotations

import re
from fractions import Fraction
from random import Random

from maintenance.dialogues import speakers_of
from omi_core.teachers.tiny.workings import Work, WorkingLine
from omi_core.teachers.tiny.world import boxed_form

_OPENINGS = ("Okay, let me think.", "Hmm, let me read it again.", "Let me see.", "So, what is asked for?")
_FINDS = ("I need {finds}: {arithmetic}.", "Now {finds}: {arithmetic}.", "So {arithmetic}.", "{arithmetic}.")
_SLIPS = ("Wait, that is wrong.", "No, wait.", "Wait, I made a slip.")
_GUESSES = ("So the answer should be {box}.", "That would be {box}.", "So I think it is {box}.")
_CHECKS = ("Let me check that.", "Wait, let me do it again.", "Is that right?")
_ENDINGS = ("Yes, {box} it is.", "Good, it is {box}.", "That fits, {box}.", "I am sure now.")
_TAKEN_BACK = ("No, it is {box}.", "Wait, no. It is {box}.")
_SLIP_SHARE, _CHECK_SHARE = 0.15, 0.5


def on_work(work: Work, rng: Random) -> str:
    """The steps, some wrong at first; half of the time a box, then the steps again and the box once more."""
    said = [rng.choice(_OPENINGS), *_worked(work, rng)]
    if rng.random() < _CHECK_SHARE:
        wrong = rng.random() < _SLIP_SHARE
        guess = work.answer + rng.randint(1, 3) if wrong else work.answer
        said += [rng.choice(_GUESSES).format(box=_box(guess)), rng.choice(_CHECKS)]
        said += [f"{step.arithmetic}." for step in work.steps]
        said.append(rng.choice(_TAKEN_BACK if wrong else _ENDINGS).format(box=_box(work.answer)))
    return " ".join(said)


def on_problem(problem: str, draft: str, rng: Random) -> str:
    """The numbers to take, and in a third of the thoughts a draft that is thrown away."""
    said = ["I need a problem of the same kind."]
    if rng.random() < 1 / 3:
        said.append(f"A draft: {draft} Hmm, no, I want another one.")
    return " ".join([*said, f"I take the numbers {_listed(re.findall('[0-9]+', problem))}."])


def on_dialogue(dialogue: str, rng: Random) -> str:
    """Who speaks, and now and then what to mind."""
    said = [f"The speakers are {_listed(sorted(speakers_of(dialogue)))}."]
    if rng.random() < 0.5:
        said.append("I must keep every number.")
    return " ".join(said)


def _worked(work: Work, rng: Random) -> list[str]:
    said = []
    for step in work.steps:
        form, finds = rng.choice(_FINDS), rng.choice(step.finds)
        if (slip := _slipped(step, rng)) and rng.random() < _SLIP_SHARE:
            said += [form.format(finds=finds, arithmetic=slip), rng.choice(_SLIPS)]
        said.append(form.format(finds=finds, arithmetic=step.arithmetic))
    return said


def _slipped(step: WorkingLine, rng: Random) -> str | None:
    """The line with a wrong result; None where the result is no whole number."""
    left, result = step.arithmetic.rsplit(" = ", 1)
    if not result.isdecimal():
        return None
    return f"{left} = {int(result) + rng.choice([d for d in (-10, -1, 1, 2, 10) if int(result) + d >= 0])}"


def _box(number: Fraction) -> str:
    return f"\\boxed{{{boxed_form(number)}}}"


def _listed(words: list[str]) -> str:
    return " and ".join(words)
