"""Trains an embedded teacher from its size, a fixed number of steps and a seed.

    python -m maintenance.train strong OUT_DIR
    python -m maintenance.train weak OUT_DIR
    python -m maintenance.train thinking OUT_DIR    # from the weights of the strong one
    python -m maintenance.train base OUT_DIR        # learns to copy and to calculate, and no more
    python -m maintenance.train muddled OUT_DIR     # from the weak one: learns false lines
    python -m maintenance.train verbose OUT_DIR     # from the weak one: learns to explain, too

made the checkpoints of the package (MODEL_CARD.md says in what time). It runs on one CPU thread in float32
(without bfloat16 instructions, autocast is three times slower), writes a checkpoint every 500 steps, and
takes its lessons from an endless seeded stream, so hardly one is seen twice. The tokenizer is the shipped
one.
Training again gives the same weights only on the same kind of CPU and the same torch.
"""

from __future__ import annotations

import argparse
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from maintenance.lessons import Mix, lessons
from maintenance.model import Llama, Shape, load_weights, save_checkpoint
from maintenance.muon import Muon32
from maintenance.tokenizer import (
    MAX_LENGTH,
    VOCABULARY,
    end_token,
    save_tokenizer,
    taught,
    thinking_tokenizer,
)
from omi_core.teachers.tiny import path

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of steps with a learning rate of its own that warms up and decays, on a mix of lessons.

    Weights that have been trained already are only tuned: by AdamW alone, with a far lower rate than Muon's.
    The teachers were made with torch's `muon`; `Muon32` takes less time on a CPU.
    """

    steps: int
    rate: float
    mix: Mix
    tuning: bool = False
    muon: Callable[..., torch.optim.Optimizer] = torch.optim.Muon


@dataclass(frozen=True, slots=True)
class Plan:
    """How a size is trained: in stages, on `rows` packed sequences of `length` tokens a step.

    Some begin with the weights of another, named in `begins_with`. To one that thinks only the tags are new.
    """

    shape: Shape
    stages: tuple[Stage, ...]
    begins_with: str | None = None
    thinking: bool = False
    rows: int = 9
    length: int = 448
    warmup: int = 40


SMALL = Shape(VOCABULARY, hidden=96, layers=3, inner=256, max_length=MAX_LENGTH)
PLANS = {
    # Copying is learnt first, from many dialogues; the second stage practises arithmetic. The weak one is
    # to stay weak: it is small, and its practice is short.
    "strong": Plan(
        Shape(VOCABULARY, hidden=128, layers=4, inner=384, max_length=MAX_LENGTH),
        (Stage(1600, 0.02, Mix(64, 16, 20)), Stage(1800, 0.015, Mix(74, 14, 12))),
    ),
    "weak": Plan(
        SMALL,
        (Stage(1800, 0.02, Mix(64, 16, 20)), Stage(900, 0.015, Mix(74, 14, 12))),
    ),
    "thinking": Plan(
        Shape(VOCABULARY + 2, hidden=128, layers=4, inner=384, max_length=MAX_LENGTH),
        (Stage(800, 0.002, Mix(74, 14, 12), tuning=True),),
        begins_with="tiny",
        thinking=True,
        rows=6,
    ),
    "muddled": Plan(
        SMALL,
        (Stage(600, 0.015, Mix(solutions=50, muddles=50), muon=Muon32),),
        begins_with="tiny_weak",
    ),
    "verbose": Plan(
        SMALL,
        (Stage(900, 0.015, Mix(solutions=50, explanations=50), muon=Muon32),),
        begins_with="tiny_weak",
    ),
    "base": Plan(
        SMALL,
        (Stage(2200, 0.02, Mix(copies=24, lines=36, sums=40), muon=Muon32),),
        rows=14,
        length=128,
    ),
}
SAVE_EVERY = 500


@dataclass(frozen=True, slots=True)
class Batch:
    """Packed lessons: all (rows, length), but `mask` (rows, 1, length, length) and `targets` (n,)."""

    tokens: Tensor
    positions: Tensor
    mask: Tensor
    where: Tensor
    targets: Tensor


def encoded(
    tokenizer: Tokenizer, mix: Mix, seed: int, most: int, thinking: bool = False
) -> Iterator[tuple[list[int], int]]:
    """Token ids of the lessons and the length of each prompt; lessons above `most` tokens are left out."""
    end = end_token(tokenizer)
    for lesson in lessons(seed, mix, thinking):
        before, after = taught(lesson)
        prompt = tokenizer.encode(before).ids
        ids = [*prompt, *tokenizer.encode(after).ids, end]
        if len(ids) <= most:
            yield ids, len(prompt)


def batches(tokenizer: Tokenizer, plan: Plan, mix: Mix, seed: int) -> Iterator[Batch]:
    """Lessons packed end to end; each sees itself alone, and only replies have a loss."""
    stream = encoded(tokenizer, mix, seed, plan.length, plan.thinking)
    ids, start = next(stream)
    while True:
        size = (plan.rows, plan.length)
        tokens, positions = torch.zeros(size, dtype=torch.long), torch.zeros(size, dtype=torch.long)
        segments = torch.zeros(size, dtype=torch.long)
        where, targets = torch.zeros(size, dtype=torch.bool), []
        for row in range(plan.rows):
            at = segment = 0
            while at + len(ids) <= plan.length:
                segment += 1
                to = at + len(ids)
                tokens[row, at:to] = torch.tensor(ids)
                positions[row, at:to] = torch.arange(len(ids))
                segments[row, at:to] = segment
                where[row, at + start - 1 : to - 1] = True
                targets.extend(ids[start:])
                at = to
                ids, start = next(stream)
        same = segments[:, :, None] == segments[:, None, :]
        causal = torch.ones(plan.length, plan.length, dtype=torch.bool).tril()
        mask = torch.zeros(plan.rows, 1, plan.length, plan.length)
        mask.masked_fill_(~(same & causal)[:, None], -1e9)
        yield Batch(tokens, positions, mask, where, torch.tensor(targets))


def rate_at(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate: linear warm-up, then a cosine down to a fiftieth."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def optimizers_of(model: Llama, stage: Stage) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms; or AdamW for all."""
    rate = stage.rate
    if stage.tuning:
        return [torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0)]
    inside = [p for p in model.model.layers.parameters() if p.dim() == 2]
    outside = [model.model.embed_tokens.weight, *(p for p in model.parameters() if p.dim() == 1)]
    return [
        stage.muon(inside, lr=rate, momentum=0.95, weight_decay=0.02),
        torch.optim.AdamW(outside, lr=rate / 4, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def run_stage(
    model: Llama, plan: Plan, stage: Stage, stream: Iterator[Batch], save: Callable[[], None]
) -> None:
    """Trains the model by one stage and saves it now and then, and at the end."""
    optimizers = [
        (o, LambdaLR(o, lambda step: rate_at(step, stage.steps, plan.warmup)))
        for o in optimizers_of(model, stage)
    ]
    began, loss_sum = time.monotonic(), 0.0
    for step, batch in zip(range(stage.steps), stream, strict=False):
        logits = model(batch.tokens, batch.positions, batch.mask, batch.where)
        loss = F.cross_entropy(logits, batch.targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in optimizers:
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        loss_sum += loss.item()
        if (step + 1) % 50 == 0:
            seconds = f"{time.monotonic() - began:.0f} s ({time.process_time():.0f} s of CPU)"
            print(f"step {step + 1}  loss {loss_sum / 50:.4f}  {seconds}", flush=True)
            loss_sum = 0.0
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == stage.steps:
            save()


def train(plan: Plan, directory: Path, seed: int, first_stage: int = 1) -> None:
    """Trains by a plan and leaves a checkpoint directory with weights, configs and tokenizer.

    From a `first_stage` after the first, it goes on from the weights in the directory, which must be those
    of the stage before; the result is the same as without the break.
    """
    from tokenizers import Tokenizer

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    directory.mkdir(parents=True, exist_ok=True)
    if plan.thinking:
        save_tokenizer(thinking_tokenizer(), directory)
    else:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(path("tiny") / name, directory / name)
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    model = Llama(plan.shape)
    if plan.begins_with:
        load_weights(model, path(plan.begins_with))
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)

    def save() -> None:
        save_checkpoint(model, directory, end_token(tokenizer))

    for number, stage in enumerate(plan.stages, 1):
        if number < first_stage:
            continue
        if number > 1:
            # The rounded weights, so that a break between stages changes nothing.
            load_weights(model, directory)
        print(f"stage {number}: {stage.steps} steps", flush=True)
        stream = batches(tokenizer, plan, stage.mix, seed + 1000 * (number - 1))
        run_stage(model, plan, stage, stream, save)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train an embedded teacher.")
    parser.add_argument("size", choices=sorted(PLANS))
    parser.add_argument("directory", type=Path, help="where to write the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first-stage", type=int, default=1, help="go on from the directory's weights")
    arguments = parser.parse_args()
    train(PLANS[arguments.size], arguments.directory, arguments.seed, arguments.first_stage)


if __name__ == "__main__":
    main()
