r"""A small closed world of word problems with an exact oracle.

`draw` makes problems with their answers and a worked solution; `answer` reads any text and answers it
exactly when it is a problem of this world, else says None. Both rest on the wordings and the workings of
`kinds`, but `answer` never looks a text up: it parses the text against the wordings, reads the numbers and
works them out in exact fractions. What makes no sense (two thirds of a marble, a share below zero) is not of
the world: see `kinds` for the rule.

    >>> draw(seed=0, count=1)[0].kind in {kind.name for kind in KINDS}
    True
    >>> answer("Ada has 12 keys. She buys 30 more. How many keys does Ada have now?")
    '42'
    >>> answer("Ada has 12 keys. He buys 30 more. How many keys does Ada have now?") is None
    True

The split of a problem is decided by a hash of its text alone, so no held-out problem is ever in training,
whatever the seeds.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from random import Random
from typing import Literal

from omi_core.teachers.tiny.kinds import KINDS, Kind
from omi_core.teachers.tiny.vocabulary import DERIVED, NUMBERS, free_words, pronouns, slot_pattern
from omi_core.teachers.tiny.workings import Work, plain

Split = Literal["train", "test"]
# The longest problem of the world is well below this; longer texts are refused unread.
MAX_CHARACTERS = 400
# One problem in this many is held out.
HELD_OUT_ONE_IN = 8

_OPENINGS = ("", "", "Let us work it out. ", "We go step by step. ")
_ENDINGS = ("The answer is ", "So the answer is ", "This gives ", "Hence we get ")


@dataclass(frozen=True, slots=True)
class Problem:
    r"""A problem of the world; `answer` as one writes it in \boxed{}, `solution` ends in that box."""

    text: str
    answer: str
    solution: str
    kind: str


def draw(seed: int, count: int, split: Split = "train") -> list[Problem]:
    """`count` problems with pairwise distinct texts, the kinds in turn at random.

    The same seed gives the same problems, and a larger count only adds to them. Raises ValueError for a
    negative count, an unknown split, or a count so large that distinct texts run out.
    """
    if count < 0:
        raise ValueError(f"count of problems must be at least 0, not {count}")
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', not {split!r}")
    rng = Random(f"tiny world, {split}, {seed}")
    problems: list[Problem] = []
    seen: set[str] = set()
    tries = 0
    while len(problems) < count:
        tries += 1
        if tries > 1000 + 50 * HELD_OUT_ONE_IN * count:
            raise ValueError(f"the world has too few distinct problems for a count of {count}")
        kind = rng.choice(KINDS)
        text, numbers = question(kind, rng)
        if split_of(text) != split or text in seen:
            continue
        work = kind.work(*numbers)
        if work is None:
            raise AssertionError(f"kind {kind.name} drew numbers without an answer: {numbers}")
        seen.add(text)
        problems.append(Problem(text, boxed_form(work.answer), solution(work, rng), kind.name))
    return problems


def question(kind: Kind, rng: Random) -> tuple[str, tuple[int, ...]]:
    """A text of a kind, of either split, and its numbers."""
    wording = rng.choice(kind.wordings)
    slots = {slot: rng.choice(free_words(slot)) for slot in _free_slots(wording)}
    while "other" in slots and slots["other"] == slots["name"]:
        slots["other"] = rng.choice(free_words("other"))
    numbers = kind.numbers(rng)
    return _render(wording, slots, numbers), numbers


def split_of(text: str) -> Split:
    """Where a problem belongs, by its text."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return "test" if int.from_bytes(digest, "little") % HELD_OUT_ONE_IN == 0 else "train"


def answer(text: str) -> str | None:
    """The exact answer of a problem of the world, or None when the text is not one.

    White space around the text is ignored, everything else counts: names and pronouns agree, things stay
    the same things, numbers have no leading zero and at most six digits. Time is linear in the text.
    """
    read = parse(text)
    return None if read is None else boxed_form(read[1].answer)


def parse(text: str) -> tuple[Kind, Work] | None:
    """The kind of a problem and its working, or None when the text is not of the world."""
    if len(text) > MAX_CHARACTERS:
        return None
    text = text.strip()
    for kind, wording, pattern in _patterns():
        match = pattern.fullmatch(text)
        if match is None:
            continue
        slots = match.groupdict()
        if slots.get("other") is not None and slots["other"] == slots["name"]:
            continue
        numbers = tuple(int(slots.pop(slot)) for slot in NUMBERS if slot in slots)
        # Rendering back checks what a regular expression does not: pronouns and repeated words agree.
        if _render(wording, slots, numbers) == text:
            work = kind.work(*numbers)
            return None if work is None else (kind, work)
    return None


def boxed_form(value: Fraction) -> str:
    r"""A number as one writes it in \boxed{}: `12` or `\frac{3}{4}`."""
    if value.denominator == 1:
        return str(value.numerator)
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def said(work: Work, rng: Random) -> list[str]:
    """The steps as sentences, one of several wordings each."""
    sentences = []
    for i, step in enumerate(work.steps):
        finds = rng.choice(step.finds)
        form = "{lead}, {finds} is {arithmetic}." if rng.random() < 0.3 else "{Finds} is {arithmetic}."
        sentences.append(
            form.format(
                lead="Then" if i else "To begin",
                finds=finds,
                Finds=finds[0].upper() + finds[1:],
                arithmetic=step.arithmetic,
            )
        )
    return sentences


def solution(work: Work, rng: Random) -> str:
    r"""A worked solution: the steps with their arithmetic, then the answer in \boxed{}."""
    steps = " ".join(said(work, rng))
    return f"{rng.choice(_OPENINGS)}{steps} {rng.choice(_ENDINGS)}\\boxed{{{boxed_form(work.answer)}}}"


def passage(problem: Problem, rng: Random) -> str:
    """A problem and its working as a text of its own."""
    read = parse(problem.text)
    if read is None:
        raise ValueError(f"not a problem of the tiny world: {problem.text!r}")
    work = read[1]
    return f"{problem.text} {' '.join(said(work, rng))} The answer is {plain(work.answer)}."


def _slots(wording: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", wording)


@cache
def _free_slots(wording: str) -> tuple[str, ...]:
    """The slots a drawer fills with words, each once, in the order of the text."""
    return tuple(s for s in dict.fromkeys(_slots(wording)) if s not in NUMBERS and s not in DERIVED)


def _render(wording: str, slots: dict[str, str], numbers: tuple[int, ...]) -> str:
    values: dict[str, object] = {**slots, **dict(zip(NUMBERS, numbers, strict=False))}
    if "name" in slots:
        values.update(pronouns(slots["name"]))
    return wording.format(**values)


def _pattern(wording: str) -> re.Pattern[str]:
    """The wording as a regular expression: each slot captured at its first place."""
    seen: set[str] = set()
    parts: list[str] = []
    for literal, slot in re.findall(r"([^{]*)(?:\{(\w+)\})?", wording):
        parts.append(re.escape(literal))
        if slot:
            parts.append(f"(?:{slot_pattern(slot)})" if slot in seen else f"(?P<{slot}>{slot_pattern(slot)})")
            seen.add(slot)
    return re.compile("".join(parts))


@cache
def _patterns() -> tuple[tuple[Kind, str, re.Pattern[str]], ...]:
    return tuple((kind, wording, _pattern(wording)) for kind in KINDS for wording in kind.wordings)
