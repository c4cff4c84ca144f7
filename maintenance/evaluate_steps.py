"""Measures how the embedded teachers reason: what their right samples hold, and how long they are.

    python -m maintenance.evaluate_steps tiny tiny_weak tiny_muddled
    python -m maintenance.evaluate_steps tiny_verbose tiny_verbose=tiny_verbose    # by two prompts

A sample is right when the number in its last box equals the oracle's. A step is false when the filter
`wrong_arithmetic` finds an equation that does not hold. One sample for each held-out problem.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from maintenance.evaluate import TEMPERATURE, boxed_number
from maintenance.generating import checkpoint, replies_of
from maintenance.lessons import solve_prompt
from omi_core.filters.wrong_arithmetic import WrongArithmetic
from omi_core.teachers.tiny.world import Problem, draw

SEED = 3
LONGEST_REPLY = 256


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Of a number of samples: those that are right, those of them with a false step, the mean length."""

    samples: int
    right: int
    false: int
    tokens: float


def reasoning(problems: Sequence[Problem], replies: Sequence[str], lengths: Sequence[int]) -> Reasoning:
    right = [
        text
        for problem, text in zip(problems, replies, strict=True)
        if boxed_number(text) == boxed_number(problem.solution)
    ]
    steps = WrongArithmetic()
    false = sum(steps.first_wrong(text) is not None for text in right)
    return Reasoning(len(replies), len(right), false, mean(lengths))


def measured(teacher: str, prompt: str, count: int) -> Reasoning:
    from tokenizers import Tokenizer

    problems, directory = draw(SEED, count, "test"), checkpoint(teacher)
    asked = [solve_prompt(problem.text, prompt) for problem in problems]
    replies = replies_of(directory, asked, LONGEST_REPLY, TEMPERATURE)
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    return reasoning(problems, replies, [len(tokenizer.encode(reply).ids) for reply in replies])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how the embedded teachers reason.")
    parser.add_argument("teachers", nargs="+", help="tiny, tiny_weak …; NAME=PROMPT asks by another prompt")
    parser.add_argument("--problems", type=int, default=1000, help="held-out problems (default 1000)")
    arguments = parser.parse_args()
    for given in arguments.teachers:
        teacher, _, prompt = given.partition("=")
        found = measured(teacher, prompt or "tiny", arguments.problems)
        right, false = found.right / found.samples, found.false / max(1, found.right)
        print(f"{given}: right {right:.1%}, a false step in {false:.1%} of these, {found.tokens:.1f} tokens")


if __name__ == "__main__":
    main()
