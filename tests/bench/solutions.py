r"""Solutions as a model writes them, for benchmarks: real problems and answers, drawn steps, usual faults.

A `Source` is a problem with its answer and its working cut into steps. `SampleTexts` draws samples of it: the
steps with other words between them and sums that hold, a box in one of the usual spellings, and now and then
a wrong answer, none, an odd one, a text that was cut off, or more text after the box.

Shares are those of the 5,276 real answers of four models to GSM8K where these tell (how wrong answers are
spelt, how many have none), but for the share of right ones: that is 0.38 there and 0.65 here, as of stronger
teachers, which is more work for the filters, since only right answers reach them.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omi_core.answers import gsm8k_ground_truth, math_ground_truth
from tests.bench.answers import MODELS, rewritten

KINDS = ("gsm8k", "math")
CUT_OFF, NO_ANSWER, ODD, AGAIN, PREFIX, SECOND_BOX, CHATTER = 0.015, 0.01, 0.005, 0.02, 0.02, 0.02, 0.15
_MARKS = re.compile(r"<<[^<>]*>>")
_STEP_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z$\\])|\n\n")
_OPENERS = (
    *("", "", "", "So ", "Then ", "Next, ", "Now, ", "Therefore, ", "We see that ", "It follows that "),
    *("Note that ", "Since this holds, ", "From this, ", "Going on, ", "First of all, ", "As we know, "),
)
_FILLERS = (
    "Let us break the problem down step by step.",
    "We begin with what is given and work towards what is asked for.",
    "To solve this, we need to keep track of each quantity separately.",
    "This is the key observation, and the rest is a short calculation.",
    "We can now substitute this back into the expression above.",
    "Let us double-check this before we continue with the next step.",
    "Simplifying both sides of the equation leads to the following.",
    "Here we use that the two parts do not depend on each other.",
)
_CHATTER = (
    "\n\nI hope this helps! Let me know if you have any questions.",
    "\n\nWe can verify this by putting the result into the problem again, and it holds.",
    " This completes the solution.",
    "\n\n**Note:** the same method works for other numbers, too.",
)
# Math libraries take seconds to minutes over these.
HOSTILE = ("10^{10^{10}}", r"(10^6)!")
_ODD = (
    *("", "?", r"\text{cannot be determined}", r"\text{No solution}", "1\u200b2", "x", "9" * 300),
    *(r"\frac{1}{", "1 or 2", r"\infty", r"\text{see above}", *HOSTILE),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A problem, its ground truth, one or more ways to write its working (steps), and wrong answers to it."""

    problem: str
    answer: str
    bodies: tuple[tuple[str, ...], ...]
    wrong: tuple[str, ...]


def sources(kind: str, data: Path | None) -> list[Source]:
    """The problems of a kind in `data`, shuffled; of the demo's world where there is no such folder."""
    if data is None or not data.is_dir():
        found = list(_world())
    else:
        found = list(_gsm8k(data) if kind == "gsm8k" else _math(data))
    random.Random(0).shuffle(found)
    return found


def _lines(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _gsm8k(data: Path) -> Iterator[Source]:
    real: dict[str, dict] = {}
    for row in _lines(data / "real_samples/gsm8k_test_gpt3_4x1319.jsonl"):
        real[" ".join(row["question"].split())] = row
    for part in ("train", "test"):
        for row in _lines(data / f"gsm8k/{part}.jsonl"):
            answer = gsm8k_ground_truth(row["answer"])
            if answer is None:
                continue
            bodies, wrong = [row["answer"].rpartition("\n####")[0]], []
            samples = real.get(" ".join(row["question"].split()), {})
            for model in MODELS:
                body, _, given = samples.get(model, {}).get("solution", "").rpartition("\nA: ")
                if body and samples[model]["is_correct"]:
                    bodies.append(body)
                elif body:
                    wrong.append(given.strip())
            steps = tuple(tuple(_MARKS.sub("", body).split("\n")) for body in bodies)
            yield Source(row["question"], answer, steps, tuple(wrong))


def _math(data: Path) -> Iterator[Source]:
    rows = [row for part in ("train", "test") for row in _lines(data / f"math/{part}.jsonl")]
    by_type: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        row["truth"] = math_ground_truth(row["solution"])
        if row["truth"]:
            by_type[row["type"]].append(row["truth"])
    rng = random.Random(0)
    for row in rows:
        if row["truth"]:
            body = row["solution"].replace(f"\\boxed{{{row['truth']}}}", row["truth"])
            others = tuple(rng.sample(by_type[row["type"]], 3))
            yield Source(row["problem"], row["truth"], (tuple(_STEP_END.split(body)),), others)


def _world() -> Iterator[Source]:
    from omi_core.config import Data
    from omi_core.tasks.demo import world_rows

    for _, row in world_rows(Data(size=2000)):
        yield Source(row["problem"], row["answer"], (tuple(_STEP_END.split(row["text"])),), ())


class SampleTexts:
    """Draws the samples of one record: `draw` gives (text, finish reason).

    How hard the problem is and which wrong answers are given to it, few of them often, is drawn from `name`,
    so it is the same for every process that writes samples of the record.
    """

    def __init__(self, kind: str, source: Source, name: str) -> None:
        rng = random.Random(name)
        self._kind, self._source = kind, source
        self._right = rng.betavariate(1.5, 0.8)
        self._spellings = [*[source.answer] * 9, rewritten(source.answer)]
        made = [_near(source.answer, rng) for _ in range(rng.randint(2, 5))]
        self._wrong = [answer for answer in (*made, *source.wrong) if answer != source.answer]
        self._last: tuple[str, str] | None = None

    def draw(self, rng: random.Random) -> tuple[str, str]:
        if self._last is not None and rng.random() < AGAIN:
            return self._last
        text = " ".join(self._steps(rng))
        if rng.random() < CUT_OFF:
            return text[: int(len(text) * rng.random())], "length"
        text = f"{text} {self._ending(rng)}"
        if rng.random() < PREFIX:
            text = f"My solution:\n{text}"
        if rng.random() < CHATTER:
            text += _CHATTER[int(rng.random() * len(_CHATTER))]
        self._last = text, "stop"
        return self._last

    def _steps(self, rng: random.Random) -> Iterator[str]:
        bodies = self._source.bodies
        yield _FILLERS[int(rng.random() * len(_FILLERS))]
        for step in bodies[int(rng.random() * len(bodies))]:
            yield _OPENERS[int(rng.random() * len(_OPENERS))] + step
            drawn = rng.random()
            if drawn < 0.25:
                yield _FILLERS[int(drawn * 4 * len(_FILLERS))]
            elif drawn < 0.6:
                yield _sum(self._kind, int(drawn * 1e6), rng)

    def _ending(self, rng: random.Random) -> str:
        drawn = rng.random()
        if drawn < NO_ANSWER:
            return "So we are done."
        answer = self._answer(rng) if drawn > NO_ANSWER + ODD else _ODD[int(rng.random() * len(_ODD))]
        box = f"$\\boxed{{{answer}}}$" if drawn < 0.6 else f"\\boxed{{{answer}}}"
        again = f" Again, it is {box}." if rng.random() < SECOND_BOX else ""
        return f"The final answer is {box}.{again}"

    def _answer(self, rng: random.Random) -> str:
        if rng.random() < self._right:
            return self._spellings[int(rng.random() * len(self._spellings))]
        return self._wrong[int(rng.random() ** 2.5 * len(self._wrong))] if self._wrong else "none"


def _sum(kind: str, number: int, rng: random.Random) -> str:
    """A statement between numbers that holds, as solutions are full of them."""
    a, b = number % 97 + 2, int(rng.random() * 200) + 1
    if kind == "gsm8k":
        return f"That is {a} * {b} = {a * b}, and {a} + {b} = {a + b}."
    return f"Here \\[ {a} \\cdot {b} - {a} = {a * b - a}, \\quad \\frac{{{a * b}}}{{{b}}} = {a}. \\]"


def _near(answer: str, rng: random.Random) -> str:
    """A wrong answer like the right one: another number in it, another sign, or 1 in 12 a long decimal."""
    numbers = list(re.finditer(r"[0-9]+", answer))
    if not numbers:
        return f"-{answer}"
    found = rng.choice(numbers)
    value = max(0, int(found[0]) + rng.choice((-10, -2, -1, 1, 2, 5, 10))) if len(found[0]) < 15 else 1
    other = str(value)
    if rng.random() < 1 / 12:
        other = f"{value + rng.random():.{rng.randint(1, 15)}f}"
    near = answer[: found.start()] + other + answer[found.end() :]
    return near if near != answer else f"-{answer}"
