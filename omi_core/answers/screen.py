r"""Refusals before a worker is asked: strings whose evaluation would explode, by rules that do not run them.

A worker has a deadline and a memory limit anyway; refusing here makes the verdict (UNKNOWN) independent of
how fast the machine is, and saves the deadline.
"""

from __future__ import annotations

import re

from omi_core.answers.tokens import FORBIDDEN

MAX_LENGTH = 512
MAX_DEPTH = 24
MAX_DIGITS = 60
MAX_POWERS = 12

_LONG_NUMBER = re.compile(rf"[0-9]{{{MAX_DIGITS + 1}}}")
_HEAVY = re.compile(
    r"\\(?:sum|prod|int|iint|oint|lim|limsup|liminf|det|bigcup|bigcap|xrightarrow|cases|begin\{cases)"
)
_FACTORIAL = re.compile(r"(?:[)\]}|]|(?<![0-9])[0-9]{4,}+)\s*+(?:\\!\s*+)?!")
_EXPONENT = re.compile(r"\^\s*+[{(]?+\s*+[-+]?+\s*+([0-9]++)")
_TOWER = re.compile(r"\^[^+\-*/=,]{0,60}\^|\^\s*+[({][^)}({!^]*+[({!^]")
_BINOMIAL = re.compile(r"\\[dt]?binom|\\choose|\\operatorname|\\mod|\\pmod|\\bmod")


def refusal(answer: str) -> str | None:
    """Why `answer` must not be evaluated, in a few words; None where a worker may try it. Linear time."""
    if len(answer) > MAX_LENGTH:
        return "too long"
    if FORBIDDEN.search(answer):
        return "control characters"
    depth = deepest = 0
    for character in answer:
        if character in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "})]":
            depth -= 1
    if deepest > MAX_DEPTH:
        return "nested too deep"
    if _LONG_NUMBER.search(answer):
        return "too many digits"
    if _HEAVY.search(answer) or _BINOMIAL.search(answer):
        return "a command that may be costly"
    if _FACTORIAL.search(answer):
        return "a large factorial"
    if answer.count("^") > MAX_POWERS or _TOWER.search(answer):
        return "a tower of powers"
    if any(len(digits) > 3 or int(digits) > 200 for digits in _EXPONENT.findall(answer)):
        return "a large exponent"
    return None
