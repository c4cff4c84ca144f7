"""The canary: what its few samples have to look like before the array may start."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path

from omi_core.config import Generate
from omi_core.finish import UNCLOSED
from omi_core.records import Sample
from omi_core.slurm.gates import end_chain
from omi_core.stages.run import Run
from omi_core.store.attempts import Attempt
from omi_core.store.journal import read_samples
from omi_core.store.keys import iter_keys
from omi_core.tasks import task_of
from omi_core.tasks.prompting import Prompting


def check_canary(run: Run[Generate], attempt: Attempt) -> None:
    """Raises ChainEnded, with the chain cancelled, when the canary's samples are not what they should be."""
    wanted = run.config.cluster.canary
    figures = canary_figures(run, attempt)
    for name, value, bound, good in (
        ("samples with an answer", figures["answers"], wanted.min_answers, operator.ge),
        ("unfinished samples", figures["unfinished"], wanted.max_unfinished, operator.le),
        ("refused samples", figures["errors"], wanted.max_errors, operator.le),
    ):
        if not good(value, bound):
            end_chain(
                run, f"the canary failed: {value:.0%} {name}, the bound is {bound:.0%}; canary=false skips it"
            )
    for name, boxes in boxes_by_prompt(run, attempt).items():
        counts = f"{sum(boxes)} of {len(boxes)} finished samples have a \\boxed{{}}"
        print(f"canary: prompt {name}: {counts}", flush=True)
    print(
        f"canary: {figures['samples']} samples, {figures['answers']:.0%} with an answer, "
        f"{figures['unfinished']:.0%} unfinished, {figures['tokens']:.0f} tokens each",
        flush=True,
    )


def canary_figures(run: Run[Generate], attempt: Attempt) -> dict[str, float]:
    """Counts and shares over the samples of the canary's attempt."""
    is_answer = task_of(run.config).is_answer(run.config)
    samples = list(_samples(run, attempt))
    whole = max(len(samples), 1)
    return {
        "samples": len(samples),
        "answers": sum(sample.error is None and is_answer(sample.text) for sample in samples) / whole,
        "unfinished": sum(sample.finish_reason in ("length", UNCLOSED) for sample in samples) / whole,
        "errors": sum(sample.error is not None for sample in samples) / whole,
        "tokens": sum(sample.completion_tokens for sample in samples) / whole,
    }


def boxes_by_prompt(run: Run[Generate], attempt: Attempt) -> dict[str, list[bool]]:
    """Of every prompt of a task that solves: whether each finished sample of the canary has a box.

    A prompt that a model does not follow shows here first: its solutions are right and have no answer.
    """
    if not task_of(run.config).solves:
        return {}
    prompting = Prompting(run.config)
    boxes: dict[str, list[bool]] = {}
    for sample in _samples(run, attempt):
        if sample.finish_reason == "stop":
            name = prompting.style(sample.index) or Path(prompting.name).name
            boxes.setdefault(name, []).append("\\boxed{" in sample.text)
    return boxes


def _samples(run: Run[Generate], attempt: Attempt) -> Iterator[Sample]:
    """The samples of the canary's attempt."""
    keys = set(iter_keys(attempt.ranges, run.plan.samples))
    for samples in read_samples(run.layout.journals(), min(keys)[0], max(keys)[0] + 1):
        yield from (sample for sample in samples if sample.drawn and (sample.ordinal, sample.index) in keys)
