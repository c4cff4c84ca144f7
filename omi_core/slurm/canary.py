"""The canary: what its few samples have to look like before the array may start."""

from __future__ import annotations

import operator

from omi_core.config import Generate
from omi_core.finish import UNCLOSED
from omi_core.slurm.gates import end_chain
from omi_core.stages.run import Run
from omi_core.store.attempts import Attempt
from omi_core.store.journal import read_samples
from omi_core.store.keys import iter_keys
from omi_core.tasks import task_of


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
    print(
        f"canary: {figures['samples']} samples, {figures['answers']:.0%} with an answer, "
        f"{figures['unfinished']:.0%} unfinished, {figures['tokens']:.0f} tokens each",
        flush=True,
    )


def canary_figures(run: Run[Generate], attempt: Attempt) -> dict[str, float]:
    """Counts and shares over the samples of the canary's attempt."""
    is_answer = task_of(run.config).is_answer(run.config)
    keys = set(iter_keys(attempt.ranges, run.plan.samples))
    records = read_samples(run.layout.journals(), min(keys)[0], max(keys)[0] + 1)
    samples = [sample for record in records for sample in record if (sample.ordinal, sample.index) in keys]
    whole = max(len(samples), 1)
    return {
        "samples": len(samples),
        "answers": sum(sample.error is None and is_answer(sample.text) for sample in samples) / whole,
        "unfinished": sum(sample.finish_reason in ("length", UNCLOSED) for sample in samples) / whole,
        "errors": sum(sample.error is not None for sample in samples) / whole,
        "tokens": sum(sample.completion_tokens for sample in samples) / whole,
    }
