"""Measures what a base model has learnt: how many lessons of another seed it answers as they do.

    python -m maintenance.evaluate_base tiny_base

It always takes the likeliest next token. Lines of arithmetic count one by one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import islice
from typing import Any

from maintenance.lessons import Lesson, Mix, lessons
from maintenance.tokenizer import rendered
from omi_core.teachers.tiny import path

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


def replies_of(name: str, asked: list[Lesson]) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(path(name), dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(path(name), padding_side="left")
    prompts = [rendered(lesson.prompt) for lesson in asked]
    batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    made = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=LONGEST_REPLY, do_sample=False)
    return tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a base model.")
    parser.add_argument("model", help="the name of an embedded model, such as tiny_base")
    parser.add_argument("--lessons", type=int, default=200)
    arguments = parser.parse_args()
    asked = list(islice(lessons(SEED, MIX), arguments.lessons))
    of, right = counts(asked, replies_of(arguments.model, asked))
    for job in sorted(of):
        print(f"{job}  {right[job]} of {of[job]}")


if __name__ == "__main__":
    main()
