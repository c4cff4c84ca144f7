"""Solutions at length, in words of their own: what the verbose teacher writes when it is asked to explain.

Nothing here is a rewriting of the concise solution; the two have only the lines of arithmetic in common.
"""

from __future__ import annotations

from random import Random

from omi_core.teachers.tiny.workings import Work
from omi_core.teachers.tiny.world import boxed_form

_OPENINGS = ("Let me think.", "I read it again.", "Let us see.")
_FIRST = ("We need {finds}.", "I begin with {finds}.", "Let us find {finds}.")
_NEXT = ("Now we need {finds}.", "I go on with {finds}.", "And then {finds}.")
_REASONS = {
    "+": ("We add {b} to {a}", "We take {a} and {b}"),
    "-": ("We take {b} from {a}", "From {a} we take {b}"),
    "*": ("We take {a} times {b}", "We need {a} times {b}"),
    "/": ("We share {a} by {b}", "We take {a} by {b}"),
    "": ("We write {a} in new parts", "We need {a} in other parts"),
}
_RESULTS = (", that is {arithmetic}.", ", so {arithmetic}.")
_ENDINGS = ("So the result is {box}", "It is {box}")


def explanation(work: Work, rng: Random) -> str:
    r"""For each step what is sought and how it is found, then the answer in \boxed{}."""
    said = [rng.choice(_OPENINGS)]
    for number, step in enumerate(work.steps):
        need = rng.choice(_NEXT if number else _FIRST).format(finds=rng.choice(step.finds))
        said += [need, _spelled_out(step.arithmetic, rng)]
    said.append(rng.choice(_ENDINGS).format(box=rf"\boxed{{{boxed_form(work.answer)}}}"))
    return " ".join(said)


def _spelled_out(arithmetic: str, rng: Random) -> str:
    left = arithmetic.rpartition(" = ")[0]
    a, operator, b = (left.split(" ") + ["", ""])[:3]
    reason = rng.choice(_REASONS[operator]).format(a=a, b=b)
    return reason + rng.choice(_RESULTS).format(arithmetic=arithmetic)
