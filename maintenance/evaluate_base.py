"""Measures what a base model has learnt: how many lessons of another seed it answers as they do.

    python -m maintenance.evaluate_base tiny_base

It always takes the likeliest next token. Lines of arithmetic count one by one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import islice

from maintenance.generating import checkpoint, replies_of
from maintenance.lessons import Lesson, Mix, lessons

SEED = 99
MIX = Mix(copies=40, lines=60)
LONGEST_REPLY = 120


def counts(asked: list[Lesson], replies: list[str]) -> tuple[Counter[str], Counter[str]]:
    """How many there are of each job, and of lines by their operator; and how many of them are right."""
    of, right = Counter[str](), Counter[str]()
    for lesson, reply in zip(asked, replies, strict=True):
        job = lesson.prompt.partition(":")[0]
        if job != "Work out":
            of[job] += 1
            right[job] += reply == lesson.reply
            continue
        said = dict(enumerate(reply.split(", ")))
        for number, line in enumerate(lesson.reply.split(", ")):
            operator = line.split()[1]
            of[f"{job} {operator}"] += 1
            right[f"{job} {operator}"] += said.get(number) == line
    return of, right


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a base model.")
    parser.add_argument("model", help="the name of an embedded model, such as tiny_base, or a directory")
    parser.add_argument("--lessons", type=int, default=200)
    arguments = parser.parse_args()
    asked = list(islice(lessons(SEED, MIX), arguments.lessons))
    prompts = [lesson.prompt for lesson in asked]
    of, right = counts(asked, replies_of(checkpoint(arguments.model), prompts, LONGEST_REPLY))
    for job in sorted(of):
        print(f"{job}  {right[job]} of {of[job]}")


if __name__ == "__main__":
    main()
