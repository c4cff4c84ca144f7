"""What the rehearsal teacher writes for each task: right, wrong and malformed texts, all drawn by seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from omi_core.teachers.base import Request

Draw = Callable[[random.Random, Request], str]
_WORDS_PER_TURN = 6
_FALSE_YES = 0.05
_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class Texts:
    """How one task's texts are drawn: as asked for, of no use, and not even of the right form."""

    right: Draw
    wrong: Draw
    malformed: Draw


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


def _solution(draw: random.Random, answer: str) -> str:
    steps = "".join(_step(draw) for _ in range(draw.randint(1, 4)))
    return f"{steps}The answer is \\boxed{{{answer}}}."


def _step(draw: random.Random) -> str:
    a, b = draw.randint(2, 99), draw.randint(2, 99)
    return f"We note that {a} + {b} = {a + b}.\n"


def _unsolved(draw: random.Random, request: Request) -> str:
    number = draw.randint(0, 999)
    return draw.choice(
        (f"It is {number}.", f"\\boxed{{{number}", "", f"\\boxed{{}} or {number}", "I cannot say.")
    )


def _new_problem(draw: random.Random, request: Request) -> str:
    """The seed with other numbers, and a line that tells it from a seed without any."""
    text = _NUMBER.sub(lambda _: str(draw.randint(2, 999)), request.record.text)
    return f"{text} Call this case {draw.randint(1, 10**6)}."


def _no_problem(draw: random.Random, request: Request) -> str:
    return draw.choice(("", "## Solution\nIt is 5.", "...", f"We get \\boxed{{{draw.randint(1, 9)}}}."))


def _dialogue(draw: random.Random, request: Request) -> str:
    """The text in short turns of two speakers, with a word of their own before each."""
    words = request.record.text.split()
    pieces = [words[at : at + _WORDS_PER_TURN] for at in range(0, len(words), _WORDS_PER_TURN)]
    names = draw.sample(("Ann", "Bob", "Eve", "Tom", "Zoe"), 2)
    turns = [
        f"{names[number % 2]}: {draw.choice(('Well', 'Then', 'So', 'Next', 'Right'))}, {' '.join(piece)}"
        for number, piece in enumerate(pieces)
    ]
    return "\n".join([*turns, f"{names[len(pieces) % 2]}: That is all of it, and it is what we were given."])


def _monologue(draw: random.Random, request: Request) -> str:
    return f"It is said that {request.record.text[:200]} and there are {draw.randint(2, 99)} more to the"


def _verdict(draw: random.Random, same: bool) -> str:
    yes = ("Yes", "Yes.", "**Yes**", "Yes, both ask for the same.", "Answer: yes")
    no = ("No", "No.", "**No**", "No, the numbers differ.", "They differ.\n\nAnswer: no")
    return draw.choice(yes if same else no)


def _wrong_verdict(draw: random.Random, request: Request) -> str:
    """No of two that are the same; of two that are not, yes only now and then.

    Since one yes of ten is enough, hardly a problem would be clean if each of these were one.
    """
    return _verdict(draw, not _are_same(request) and draw.random() < _FALSE_YES)


def _are_same(request: Request) -> bool:
    """Have a problem and the question that it is compared with the same numbers, and half of the words?"""
    prompt = request.messages[-1]["content"]
    texts = [question["test_text"] for question in request.record.extra["questions"]]
    question = next((text for text in texts if text in prompt), texts[0])
    one, other = (re.findall(r"\d+|[^\W\d_]+", text.casefold()) for text in (request.record.text, question))
    if sorted(filter(str.isdecimal, one)) != sorted(filter(str.isdecimal, other)):
        return False
    return len(set(one) & set(other)) > min(len(set(one)), len(set(other))) / 2


TEXTS: dict[str, Texts] = {
    "solutions": Texts(
        right=lambda draw, request: _solution(draw, right_answer(request)),
        wrong=lambda draw, request: _solution(draw, wrong_answer(draw, right_answer(request))),
        malformed=_unsolved,
    ),
    "problems": Texts(
        right=_new_problem,
        wrong=lambda draw, request: request.record.text,
        malformed=_no_problem,
    ),
    "dialogues": Texts(
        right=_dialogue,
        wrong=lambda draw, request: f"Ann: {request.record.text}\nBob: {request.record.text}",
        malformed=_monologue,
    ),
    "verdicts": Texts(
        right=lambda draw, request: _verdict(draw, _are_same(request)),
        wrong=_wrong_verdict,
        malformed=lambda draw, request: draw.choice(("", "Perhaps.", "Yes or no?", "<think>Yes? No?")),
    ),
}
