"""Tokens per second of a shard beside `LLM.generate`, on one engine: what prompts, seeds and journal cost.

    python -m tests.bench.generate                               # the embedded teacher, on a CPU
    python -m tests.bench.generate --rounds 7 data.size=1024 samples=4
    python -m tests.bench.generate --rounds 3 teacher=llama31_8b data=math data.path=train.jsonl

Takes the options of `python -m jobs.generate`, so with another teacher it runs on a GPU. The engine is
started once, by the suite. A shard (plan on disk; prompts, seeds, journal and fsync included) and
`LLM.generate`, which gets the same prompts as tokens and the same parameters, all at once, take turns on it;
its prefix cache is emptied in between. Prints a table and a line of JSON: medians over the rounds, and
ratios round by round. `tail` is the share of time after the last sample was admitted, `idle seats` the share
of seat time (seconds x `engine.max_num_seqs`) in which there was no sample for a seat, `outside` the CPU time
of a sample outside the engine's calls. Both sides take the same steps of the engine, so on a busy machine the
ratio to look at is that with the engine's time taken as equal.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from omi_core.composing.compose import compose_values
from omi_core.config import Generate, load_generate
from omi_core.records import sample_seed
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.store.attempts import new_attempt
from omi_core.store.journal import read_samples
from omi_core.store.plan import Records
from omi_core.tasks.prompting import Prompting
from omi_core.teachers import open_teacher
from omi_core.teachers.vllm_engine import seats

Texts = dict[tuple[int, int], str]
DEFAULTS = ["data.size=512", "samples=8"]


def compose(overrides: list[str], folder: str) -> Generate:
    """The config that `python -m jobs.generate` would have, with its run in `folder`."""
    words = [*DEFAULTS, *overrides, f"run.dir={folder}/run"]
    return load_generate(compose_values("generate", words))


class Watched:
    """An engine's calls, timed: what they take, when the first tokens came, how many seats were taken."""

    def __init__(self, engine: Any, seats: int) -> None:
        self._engine, self._seats = engine, seats
        self._add, self._step = engine.add_request, engine.step
        engine.add_request, engine.step = self.add_request, self.step
        self.start()

    def start(self) -> None:
        self.began, self._cpu = time.perf_counter(), time.process_time()
        self.first_token = self.inside = self.taken = 0.0
        self.steps = 0

    def add_request(self, *arguments: Any, **named: Any) -> Any:
        cpu = time.process_time()
        try:
            return self._add(*arguments, **named)
        finally:
            self.inside += time.process_time() - cpu

    def step(self) -> Any:
        seats = min(self._engine.get_num_unfinished_requests(), self._seats)
        began, cpu = time.perf_counter(), time.process_time()
        outputs = self._step()
        self.inside += time.process_time() - cpu
        now = time.perf_counter()
        self.first_token = self.first_token or now - self.began
        self.taken += seats * (now - began)
        self.steps += 1
        return outputs

    def result(self, samples: int, tokens: int) -> dict[str, float]:
        """Figures since `start`: seconds, tokens/s, and CPU milliseconds per sample outside these calls."""
        seconds, cpu = time.perf_counter() - self.began, time.process_time() - self._cpu
        return {
            "seconds": seconds,
            "cpu": cpu,
            "samples": samples,
            "tokens": tokens,
            "steps": self.steps,
            "tokens_per_s": tokens / seconds,
            "outside_ms": 1e3 * (cpu - self.inside) / samples,
            "first_token_s": self.first_token,
            "idle_seats": 1 - self.taken / (self._seats * seconds),
        }


def shard_round(run: Run[Generate], teacher: Any, watched: Watched) -> tuple[dict[str, float], Texts]:
    """All keys of the plan by a shard of a new attempt; that is made before, as for an array task."""
    attempt = new_attempt(run.layout, np.array([[0, run.plan.keys]]), 1)
    watched.start()
    report = run_shard(run, attempt, 0, teacher, Stop(), lambda sample: None)
    figures = watched.result(report.samples, report.completion_tokens)
    figures["tail"] = 1 - report.last_admitted / figures["seconds"]
    journal = run.layout.journal(attempt.number, 0)
    records = read_samples([journal], 0, run.plan.records)
    return figures, {(each.ordinal, each.index): each.text for record in records for each in record}


def plain_round(llm: Any, asked: list[Any], watched: Watched) -> tuple[dict[str, float], Texts]:
    """The same by one call; its prompts and parameters are made before."""
    prompts, parameters = [prompt for _, prompt, _ in asked], [params for _, _, params in asked]
    watched.start()
    outputs = llm.generate(prompts, parameters, use_tqdm=False)
    figures = watched.result(len(outputs), sum(len(output.outputs[0].token_ids) for output in outputs))
    return figures, {key: output.outputs[0].text for (key, _, _), output in zip(asked, outputs, strict=True)}


def same_requests(run: Run[Generate], teacher: Any) -> list[Any]:
    """(key, prompt tokens, sampling parameters) of every sample, as the shard's teacher makes them."""
    from omi_core.teachers.chat_prompt import ChatPrompt

    prompting, chat = Prompting(run.config), ChatPrompt(teacher._engine.get_tokenizer())
    asked = []
    for record in Records(run.layout.records).slice(0, run.plan.records):
        for index in range(run.plan.samples):
            tokens = chat.tokens(prompting.messages(record, index))
            seed = sample_seed(run.config.seed, record.id, index)
            prompt = {"prompt_token_ids": tokens}
            asked.append(((record.ordinal, index), prompt, teacher._params(seed)))
    return asked


def plain_llm(engine: Any, model: str) -> Any:
    """vLLM's offline interface around an engine that runs already."""
    from vllm import LLM
    from vllm.v1.engine.llm_engine import LLMEngine

    made = LLMEngine.__dict__["from_engine_args"]
    LLMEngine.from_engine_args = classmethod(lambda cls, *_, **__: engine)  # type: ignore[assignment]
    try:
        return LLM(model=model)
    finally:
        LLMEngine.from_engine_args = made


def take_turns(sides: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, list[Any]], int]:
    """Figures of each side round by round, and texts that differed; who is first changes every round.

    A round before the first warms up kernels and caches, and is not counted.
    """
    figures: dict[str, list[Any]] = {name: [] for name in sides}
    differing = 0
    for number in range(rounds + 1):
        texts: list[Texts] = []
        for name in list(sides)[:: 1 if number % 2 else -1]:
            found, made = sides[name]()
            texts.append(made)
            if number:
                figures[name].append(found)
        differing += sum(texts[0][key] != texts[1].get(key) for key in texts[0])
    return figures, differing


def with_engine_alike(ours: dict[str, float], plain: dict[str, float]) -> float:
    """tokens/s of the first against the second by CPU time, had the engine taken the same for both.

    It does the same for both, so where its time differs, that is other work on the machine.
    """
    assert ours["samples"] == plain["samples"]
    inside = [row["cpu"] / row["samples"] - row["outside_ms"] / 1e3 for row in (ours, plain)]
    engine = sum(inside) / 2
    return (engine + plain["outside_ms"] / 1e3) / (engine + ours["outside_ms"] / 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the run")
    options, overrides = parser.parse_known_args()
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-generate-") as folder:
        config = compose(overrides, folder)
        run = plan_generate(config)
        began = time.perf_counter()
        with open_teacher(config.teacher, config.engine, config.sampling) as teacher:
            start_up = time.perf_counter() - began
            engine: Any = teacher._engine  # type: ignore[attr-defined]
            llm = plain_llm(engine, engine.model_config.model)
            watched = Watched(engine, seats(config.teacher, config.engine))
            asked = same_requests(run, teacher)

            def shard() -> tuple[dict[str, float], Texts]:
                engine.reset_prefix_cache()
                return shard_round(run, teacher, watched)

            def plain() -> tuple[dict[str, float], Texts]:
                engine.reset_prefix_cache()
                return plain_round(llm, asked, watched)

            figures, differing = take_turns({"shard": shard, "LLM.generate": plain}, options.rounds)
    pairs = list(zip(figures["shard"], figures["LLM.generate"], strict=True))
    by_wall = sorted(ours["tokens_per_s"] / plain["tokens_per_s"] for ours, plain in pairs)
    by_cpu = sorted(plain["cpu"] / ours["cpu"] * ours["tokens"] / plain["tokens"] for ours, plain in pairs)
    results = {
        name: {key: median(found.get(key, 0.0) for found in rounds) for key in figures["shard"][0]}
        for name, rounds in figures.items()
    }
    alike = with_engine_alike(results["shard"], results["LLM.generate"])
    print(
        f"{run.plan.records} records x {run.plan.samples} samples, {options.rounds} rounds; "
        f"engine start-up {start_up:.1f} s, left out\n"
    )
    print(
        f"{'':14}{'tokens/s':>10}{'s':>8}{'CPU s':>8}{'first token s':>15}{'tail':>7}{'idle seats':>12}",
        end="",
    )
    print(f"{'CPU ms outside':>16}")
    for name, row in results.items():
        print(
            f"{name:14}{row['tokens_per_s']:10.0f}{row['seconds']:8.2f}{row['cpu']:8.2f}"
            f"{row['first_token_s']:15.3f}{row['tail']:7.1%}{row['idle_seats']:12.1%}{row['outside_ms']:16.3f}"
        )
    ratios: dict[str, Any] = {
        "engine alike": alike,
        "wall": [round(each, 4) for each in by_wall],
        "cpu": [round(each, 4) for each in by_cpu],
    }
    print(
        f"\ntokens/s against LLM.generate: {median(by_wall):.3f} by wall time "
        f"({by_wall[0]:.3f} to {by_wall[-1]:.3f}), {median(by_cpu):.3f} by CPU time "
        f"({by_cpu[0]:.3f} to {by_cpu[-1]:.3f}), {alike:.3f} with the engine's CPU time taken as equal; "
        f"{differing} texts differed"
    )
    print(json.dumps({"options": overrides, "start_up": start_up, "ratios": ratios, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
