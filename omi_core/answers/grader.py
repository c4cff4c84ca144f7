r"""`Grader`: the same answer or not, by the cheapest step that can tell.

Order of work: the exact string; plain integers; the same tokens; exact arithmetic, enclosures and shapes (all
in process, microseconds); then, for formulas that these leave open and that are small enough, sympy in worker
processes, which start only when a pair gets that far. Readings and verdicts are cached in bounded tables, so
a timeout is paid once.

    with Grader() as grader:
        grader.compare(r"\frac{1}{2}", "0.5")  # Verdict.EQUAL

Verdicts do not depend on the order of the two answers, on the order of pairs, or on what was cached. They
depend on the machine only where a worker runs out of `Limits.cpu_seconds`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omi_core import options
from omi_core.answers.algebra import Form
from omi_core.answers.comparing import compare_readings
from omi_core.answers.policy import Policy, Verdict
from omi_core.answers.pool import Pool, WorkerLimits, encode_form
from omi_core.answers.reader import Reading, read_answer
from omi_core.answers.rules import Question, Rules

_PLAIN_INTEGER = re.compile(r"-?[1-9][0-9]{0,30}|0")
_MAX_KEY = 2000


@dataclass(slots=True)
class GraderCounts:
    """Questions by the step that settled them, those of the caches not counted: for measuring and for tests.

    They depend on how records fall into tasks, so no run publishes them.
    """

    string: int = 0
    integer: int = 0
    exact: int = 0
    refused: int = 0
    worker: int = 0


class Grader:
    """Compares answers under one policy. A context manager; `close` ends its workers.

    `workers` is the number of processes (default: the CPUs this process may use); `cache` the number of
    verdicts and of readings kept. Not for use from two threads at once.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        workers: int | None = None,
        limits: WorkerLimits | None = None,
        cache: int = 100_000,
    ) -> None:
        if (workers is not None and workers < 1) or cache < 1:
            raise ValueError(f"workers={workers}, cache={cache}: both must be at least 1")
        self.policy = policy or Policy()
        options.check(self.policy)
        self.counts = GraderCounts()
        self._pool = Pool(workers or len(os.sched_getaffinity(0)), limits or WorkerLimits())
        self._cache_size = cache
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._readings: dict[str, Reading] = {}

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers. The grader stays usable, and starts new ones if it must."""
        self._pool.close()

    def compare(self, a: str, b: str) -> Verdict:
        """The verdict on one pair, for any two strings. Raises WorkerError where workers cannot start."""
        return self.compare_many([(a, b)])[0]

    def compare_many(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """Verdicts in the order of `pairs`. Equal pairs are asked once, and workers are fed in bulk."""
        verdicts = [self.quick(a, b) for a, b in pairs]
        left = {_ordered(*pair) for pair, verdict in zip(pairs, verdicts, strict=True) if verdict is None}
        asked = {pair: self._open(pair) for pair in sorted(left)}
        questions = list({question: None for found in asked.values() for question in found})
        forms = [tuple(encode_form(Form.from_key(key)) for key in question) for question in questions]
        proofs = dict(zip(questions, self._pool.judge([(a, b) for a, b in forms]), strict=True))
        settled: dict[tuple[str, str], Verdict] = {}
        for pair in asked:
            settled[pair] = self._decided(pair, proofs)
            self.counts.worker += 1
            self._settle(pair, settled[pair])
        return [settled[_ordered(*pair)] if v is None else v for pair, v in zip(pairs, verdicts, strict=True)]

    def quick(self, a: str, b: str) -> Verdict | None:
        """The verdict, if no worker is needed for it; else None."""
        if a == b:
            self.counts.string += 1
            return Verdict.EQUAL
        short = len(a) < 32 and len(b) < 32 and not self.policy.tolerance
        if short and _PLAIN_INTEGER.fullmatch(a) and _PLAIN_INTEGER.fullmatch(b):
            self.counts.integer += 1
            return Verdict.NOT_EQUAL  # one spelling per integer, and they are spelt differently
        pair = _ordered(a, b)
        if (cached := self._verdicts.get(pair)) is not None:
            return cached
        rules = Rules(self.policy)
        verdict = self._compare(pair, rules)
        if verdict is None and rules.open:
            return None
        if rules.refused and verdict is None:
            self.counts.refused += 1
        else:
            self.counts.exact += 1
        verdict = Verdict.UNKNOWN if verdict is None else verdict
        self._settle(pair, verdict)
        return verdict

    def _compare(self, pair: tuple[str, str], rules: Rules) -> Verdict | None:
        return compare_readings(self._read(pair[0]), self._read(pair[1]), rules)

    def _decided(self, pair: tuple[str, str], proofs: dict[Question, Verdict]) -> Verdict:
        verdict = self._compare(pair, Rules(self.policy, proofs))
        return Verdict.UNKNOWN if verdict is None else verdict

    def _open(self, pair: tuple[str, str]) -> list[Question]:
        """What workers are to be asked about a pair that `quick` left open."""
        rules = Rules(self.policy)
        self._compare(pair, rules)
        return rules.open

    def _read(self, answer: str) -> Reading:
        reading = self._readings.get(answer)
        if reading is None:
            reading = read_answer(answer)
            if len(answer) <= _MAX_KEY:
                _keep(self._readings, answer, reading, self._cache_size)
        return reading

    def _settle(self, pair: tuple[str, str], verdict: Verdict) -> None:
        if len(pair[0]) + len(pair[1]) <= 2 * _MAX_KEY:
            _keep(self._verdicts, pair, verdict, self._cache_size)


def _ordered(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a <= b else (b, a)


def _keep(table: dict[Any, Any], key: object, item: object, size: int) -> None:
    """Bounded by dropping the oldest entry; a dict keeps its order of insertion."""
    if len(table) >= size:
        del table[next(iter(table))]
    table[key] = item
