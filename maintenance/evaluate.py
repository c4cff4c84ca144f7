"""Measures the embedded teachers on held-out problems with a real vLLM engine, and keeps the model card.

    python -m maintenance.evaluate tiny_weak tiny tiny_thinking --card    # the figures of MODEL_CARD.md
    python -m maintenance.evaluate OUT_DIR --problems 200   # a checkpoint under training

A teacher that thinks is measured twice, with thoughts and told to answer at once; thoughts count for nothing.
An answer counts as right when the number in the last box equals the oracle's. A majority vote counts equal
numbers, and a tie goes to the earliest sample. A new problem counts when the oracle can answer it, and it
is none of the seeds and not written twice. A dialogue counts when at least two speakers take turns and
every number of its text is in it.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from maintenance.dialogues import STYLES, speakers_of
from maintenance.generating import checkpoint
from maintenance.lessons import dialogue_prompt, problem_prompt, solve_prompt
from maintenance.tokenizer import CLOSE, NO_THOUGHTS, OPEN, rendered
from omi_core.teachers import tiny
from omi_core.teachers.tiny.world import Problem, Split, draw, parse, passage

if TYPE_CHECKING:
    from vllm import LLM

TEMPERATURE = 0.7
SAMPLES = 16
# Room for thoughts, beside that for the reply.
THOUGHTS = 320
AT_ONCE = ", at once"
Reply = Callable[[Sequence[str], float, int, int], list[list[str]]]
_BOXED = re.compile(r"\\boxed\{(?:(-?[0-9]{1,9})|\\frac\{([0-9]{1,9})\}\{([0-9]{1,9})\})\}")
_CARD = Path(tiny.__file__).parent / "MODEL_CARD.md"
_BEGIN, _END = "<!-- figures: written by evaluate --card -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares in [0, 1] and how many of what they were measured on."""

    problems: int
    greedy: float
    single: float
    majority: float
    single_of_kind: dict[str, float]
    problems_of_the_world: float
    problems_new: float
    problems_of_same_kind: float
    dialogues_with_speakers: float
    dialogues_with_numbers: float
    dialogues_good: float


def boxed_number(text: str) -> Fraction | None:
    """The number in the last box that holds one, or None."""
    found = _BOXED.findall(text)
    if not found:
        return None
    whole, top, bottom = found[-1]
    if whole:
        return Fraction(int(whole))
    return Fraction(int(top), int(bottom)) if int(bottom) else None


def passages(seed: int, count: int, split: Split = "train") -> list[str]:
    """Short texts to retell as a dialogue: a problem of the split, its steps and the answer, as prose."""
    rng = Random(f"tiny passages, {split}, {seed}")
    return [passage(problem, rng) for problem in draw(seed, count, split)]


def majority(votes: Sequence[Fraction | None]) -> Fraction | None:
    """The most frequent number; the earliest of those wins a tie. None when there is no number."""
    counts = Counter(vote for vote in votes if vote is not None)
    return max(counts, key=lambda vote: counts[vote]) if counts else None


def numbers_in(text: str) -> set[str]:
    return set(re.findall("[0-9]+", text))


def reply_of(text: str) -> str:
    """What follows the thoughts; nothing where they do not end."""
    return text.rpartition(CLOSE)[2].lstrip("\n") if CLOSE in text or not text.startswith(OPEN) else ""


def thinks(llm: LLM) -> bool:
    return OPEN in llm.get_tokenizer().get_vocab()


def engine(directory: Path) -> LLM:
    """A vLLM engine for a checkpoint on this machine's CPU, in this process."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    from vllm import LLM

    rows, length = 64, 1024
    options: dict[str, Any] = {
        "dtype": "float32",
        "enforce_eager": True,
        "kv_cache_memory_bytes": 256 * 2**20,
        "max_model_len": length,
        "max_num_seqs": rows,
        # A seed per request needs every prompt in one piece on a CPU.
        "max_num_batched_tokens": rows * length,
        "enable_chunked_prefill": False,
        "seed": 0,
    }
    return LLM(model=str(directory), **options)


def replies(
    llm: LLM,
    prompts: Sequence[str],
    temperature: float,
    tokens: int,
    samples: int,
    at_once: bool = False,
) -> list[list[str]]:
    """`samples` replies for each prompt, with seeds that depend on the prompt's place and the sample.

    `tokens` are for the reply alone. A teacher that thinks does so, unless it is to answer `at_once`.
    """
    from vllm import SamplingParams, TokensPrompt

    tokenizer: Any = llm.get_tokenizer()
    inputs, settings = [], []
    tokens += THOUGHTS if thinks(llm) and not at_once else 0
    for i, prompt in enumerate(prompts):
        text = rendered(prompt) + (NO_THOUGHTS if at_once else "")
        ids = tokenizer.encode(text, add_special_tokens=False)
        for j in range(samples):
            inputs.append(TokensPrompt(prompt_token_ids=ids))
            seed = i * samples + j
            settings.append(SamplingParams(temperature=temperature, max_tokens=tokens, seed=seed))
    outputs = llm.generate(inputs, settings, use_tqdm=False)
    texts = [reply_of(output.outputs[0].text) for output in outputs]
    return [texts[i : i + samples] for i in range(0, len(texts), samples)]


def measure(llm: LLM, count: int, at_once: bool = False) -> Figures:
    """All figures, on `count` held-out problems, as many new problems and as many dialogues."""
    held_out = draw(seed=1, count=count, split="test")
    reply = partial(replies, llm, at_once=at_once)
    greedy = _right(reply([solve_prompt(p.text) for p in held_out], 0.0, 160, 1), held_out)
    samples = reply([solve_prompt(p.text) for p in held_out], TEMPERATURE, 160, SAMPLES)
    single = _right(samples, held_out)
    of_kind: dict[str, list[bool]] = defaultdict(list)
    for problem, right in zip(held_out, single, strict=True):
        of_kind[problem.kind].extend(right)
    votes = [majority([boxed_number(text) for text in texts]) for texts in samples]
    elected = [vote == _number(p) for vote, p in zip(votes, held_out, strict=True)]
    world, new, same = _new_problems(reply, held_out)
    speakers, numbers = _dialogues(reply, count)
    return Figures(
        problems=count,
        greedy=_share(right[0] for right in greedy),
        single=_share(r for right in single for r in right),
        majority=_share(elected),
        single_of_kind={kind: _share(right) for kind, right in sorted(of_kind.items())},
        problems_of_the_world=_share(world),
        problems_new=_share(new),
        problems_of_same_kind=_share(same),
        dialogues_with_speakers=_share(speakers),
        dialogues_with_numbers=_share(numbers),
        dialogues_good=_share(s and n for s, n in zip(speakers, numbers, strict=True)),
    )


def _share(hits: Any) -> float:
    hits = list(hits)
    return sum(hits) / max(1, len(hits))


def _number(problem: Problem) -> Fraction | None:
    return boxed_number(problem.solution)


def _right(samples: list[list[str]], problems: list[Problem]) -> list[list[bool]]:
    return [
        [boxed_number(text) == _number(problem) for text in texts]
        for texts, problem in zip(samples, problems, strict=True)
    ]


def _new_problems(reply: Reply, seeds: list[Problem]) -> tuple[list[bool], list[bool], list[bool]]:
    """For each written problem: is it of the world, is it also new, and is it of its seed's kind."""
    texts = [t[0].strip() for t in reply([problem_prompt(p.text) for p in seeds], TEMPERATURE, 100, 1)]
    read = [parse(text) for text in texts]
    seen = {p.text for p in seeds}
    new = []
    for text, found in zip(texts, read, strict=True):
        new.append(found is not None and text not in seen)
        seen.add(text)
    same = [r is not None and r[0].name == p.kind for r, p in zip(read, seeds, strict=True)]
    return [r is not None for r in read], new, same


def _dialogues(reply: Reply, count: int) -> tuple[list[bool], list[bool]]:
    """For each dialogue: do two speakers take turns, and are all numbers of its text in it."""
    texts = passages(seed=2, count=count, split="test")
    styles = list(STYLES)
    prompts = [dialogue_prompt(styles[i % len(styles)], text) for i, text in enumerate(texts)]
    written = [texts[0] for texts in reply(prompts, TEMPERATURE, 400, 1)]
    speakers = [len(speakers_of(dialogue)) >= 2 for dialogue in written]
    numbers = [numbers_in(t) <= numbers_in(dialogue) for t, dialogue in zip(texts, written, strict=True)]
    return speakers, numbers


def table(measured: dict[str, Figures]) -> str:
    """The figures of one or more teachers as a Markdown table."""
    teachers = list(measured.values())
    first = teachers[0]
    names = {
        "accuracy, greedy": "greedy",
        f"accuracy, one sample at T={TEMPERATURE}": "single",
        f"accuracy, majority of {SAMPLES} at T={TEMPERATURE}": "majority",
        "new problems: of the world": "problems_of_the_world",
        "new problems: of the world and new": "problems_new",
        "new problems: of the seed's kind": "problems_of_same_kind",
        "dialogues: at least two speakers": "dialogues_with_speakers",
        "dialogues: every number kept": "dialogues_with_numbers",
        "dialogues: both": "dialogues_good",
    }
    rows: list[tuple[str, list[float]]] = [
        (name, [getattr(figures, field) for figures in teachers]) for name, field in names.items()
    ]
    for kind in first.single_of_kind:
        rows.append((f"one sample, kind `{kind}`", [f.single_of_kind.get(kind, 0.0) for f in teachers]))
    head = f"| on {first.problems} held-out problems | {' | '.join(measured)} |"
    lines = [head, "|---|" + "---:|" * len(measured)]
    lines += [f"| {name} | {' | '.join(f'{100 * v:.1f} %' for v in values)} |" for name, values in rows]
    return "\n".join(lines)


def write_card(figures: str) -> None:
    """Puts the table between the marks in MODEL_CARD.md."""
    text = _CARD.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    _CARD.write_text(f"{before}{_BEGIN}\n{figures}\n{_END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the embedded teachers.")
    parser.add_argument("teachers", nargs="+", help="tiny, tiny_weak, tiny_thinking, or a directory")
    parser.add_argument("--problems", type=int, default=200, help="held-out problems (default 200)")
    parser.add_argument("--card", action="store_true", help="write the table into MODEL_CARD.md")
    arguments = parser.parse_args()
    measured: dict[str, Figures] = {}
    for name in arguments.teachers:
        llm = engine(checkpoint(name))
        measured[name] = measure(llm, arguments.problems)
        if thinks(llm):
            measured[name + AT_ONCE] = measure(llm, arguments.problems, at_once=True)
        del llm
        gc.collect()
    figures = table(measured)
    print(figures)
    if arguments.card:
        write_card(figures)


if __name__ == "__main__":
    main()
