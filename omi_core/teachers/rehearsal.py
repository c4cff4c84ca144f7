"""A teacher without a model: draws answers by seed, so that a run can be rehearsed before it costs GPU hours.

What a sample says depends on its seed and its record alone, so it is the same for any batching, any number
of tasks and any history of kills. Its datasets are marked as rehearsals.
"""

from __future__ import annotations

import heapq
import os
import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice

from omi_core.records import Sample
from omi_core.teachers.teacher import EngineFailed, Request, Teacher
from omi_core.teachers.teacher_options import Engine, Rehearsal, Sampling
from omi_core.text.reasoning import TAGS, joined, part

# One of each kind that has broken a grader somewhere: towers, factorials, depth, size, control characters.
HOSTILE: tuple[Callable[[random.Random], str], ...] = (
    lambda draw: f"\\boxed{{{draw.randint(7, 9)}^{{9^{{9^{{9^9}}}}}}}}",
    lambda draw: f"\\boxed{{({draw.randint(5, 9)}0^6)!}}",
    lambda draw: "\\boxed{" + "{" * draw.randint(2000, 4000) + "1" + "}" * 2000 + "}",
    lambda draw: "\\boxed{" + str(draw.randint(1, 9)) * draw.randint(20_000, 60_000) + "}",
    lambda draw: f"\\boxed{{\\binom{{10^{{{draw.randint(7, 9)}}}}}{{10^6}}}}",
    lambda draw: f"\\boxed{{(x+y+z)^{{{draw.randint(1000, 9999)}}}}}",
    lambda draw: f"\x00\x1b[2J\\boxed{{\x00{draw.randint(1, 99)}\x07}}\ud800",
    lambda draw: f"\\boxed{{__import__('os').system('exit {draw.randint(1, 9)}')}}",
)
_FINISH = "stop"
# A stand-in for a tokenizer: as in English text.
_CHARACTERS = 4
_TICK_SECONDS = 0.2


class RehearsalTeacher(Teacher):
    """Draws samples from the stated distribution, `max_num_seqs` at once when a latency is set."""

    def __init__(
        self,
        shares: Rehearsal,
        engine: Engine,
        sampling: Sampling,
        tags: Sequence[str] | None = TAGS,
    ) -> None:
        """`tags` are those around thinking; None: it is not parted from the answer."""
        self._shares, self._tags = shares, tags
        self._slots = engine.seats
        self._max_tokens = sampling.max_tokens

    def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
        """Samples in the order in which their drawn latencies end."""
        if self._shares.latency == 0:
            for request in requests:
                yield self._draw(request, 0.0)
            return
        running: list[tuple[float, int, Sample]] = []  # (end, tie-break, sample)
        count = 0
        while True:
            for request in islice(requests, self._slots - len(running)):
                latency = random.Random(request.seed ^ 1).expovariate(1 / self._shares.latency)
                count += 1
                heapq.heappush(running, (time.monotonic() + latency, count, self._draw(request, latency)))
            if not running:
                return
            end, _, sample = heapq.heappop(running)
            while (left := end - time.monotonic()) > 0:
                yield None
                time.sleep(min(left, _TICK_SECONDS))
            yield sample

    def describe(self) -> dict[str, str]:
        return {"engine": "rehearsal", "version": "1"}

    def close(self) -> None:
        """Nothing to free."""

    def _draw(self, request: Request, seconds: float) -> Sample:
        if self._shares.poison is not None and self._shares.poison in request.record.text:
            if self._shares.poison_kills:
                os.abort()
            raise EngineFailed(ValueError(f"sample {request.index} is poison"))
        draw = random.Random(request.seed)
        text, finish = self._thinking(request, *self._text(draw, request))
        prompt = sum(len(message["content"]) for message in request.messages) // _CHARACTERS + 1
        tokens = len(text) // _CHARACTERS + 1
        tokens = self._max_tokens if finish == "length" else min(tokens, self._max_tokens)
        thoughts, answer = (None, text) if self._tags is None else part(text, self._tags)
        thought = 0 if thoughts is None else tokens - len(answer or "") // _CHARACTERS
        return request.sample(answer, finish, prompt, tokens, seconds, thoughts, thought)

    def _text(self, draw: random.Random, request: Request) -> tuple[str, str]:
        shares = self._shares
        point = draw.random()
        for share, make in ((shares.hostile, self._hostile), (shares.overlong, self._overlong)):
            if point < share:
                return make(draw)
            point -= share
        texts = request.texts
        assert texts is not None
        if point < shares.malformed:
            return texts.malformed(draw, request), _FINISH
        point -= shares.malformed
        make = texts.wrong if point < shares.wrong else texts.right
        return make(draw, request), _FINISH

    def _thinking(self, request: Request, text: str, finish: str) -> tuple[str, str]:
        """What was drawn, after a trace in tags where the sample thinks; one that runs out leaves it open."""
        draw = random.Random(request.seed ^ 2)  # what is said otherwise stays the same
        if draw.random() >= self._shares.thinking:
            return text, finish
        thoughts, tags = trace(draw, self._shares.trace_tokens), self._tags or TAGS
        text = f"{tags[0]}\n{thoughts}" if finish == "length" else joined(thoughts, text, tags)
        most = self._max_tokens * _CHARACTERS
        return (text[:most], "length") if len(text) > most else (text, finish)

    @staticmethod
    def _hostile(draw: random.Random) -> tuple[str, str]:
        return draw.choice(HOSTILE)(draw), _FINISH

    def _overlong(self, draw: random.Random) -> tuple[str, str]:
        words = " ".join(str(draw.randint(0, 9)) for _ in range(min(self._max_tokens, 4096)))
        return f"Counting on: {words}", "length"


def trace(draw: random.Random, tokens: int) -> str:
    """Free working of about `tokens` tokens: sums, slips that are taken back, boxes of any number."""
    lines: list[str] = []
    left = tokens * _CHARACTERS
    while left > 0:
        a, b = draw.randint(2, 999), draw.randint(2, 999)
        lines.append(
            draw.choices(
                (
                    f"Then {a} + {b} = {a + b}.",
                    f"So {a} + {b} = {a + b + 1}. Wait, that is wrong: {a} + {b} = {a + b}.",
                    f"Perhaps \\boxed{{{a}}}? No, rather \\boxed{{{b}}}.",
                ),
                (8, 1, 1),
            )[0]
        )
        left -= len(lines[-1]) + 1
    return " ".join(lines)
