r"""`Grader`: the same answer or not, by the cheapest step that can tell.

Order of work: the exact string; plain integers; the same tokens; exact arithmetic, enclosures and shapes (all
in process, microseconds); then, for formulas that these leave open and that are small enough, sympy in worker
processes, which start only when a pair gets that far. Readings and verdicts are cached in bounded tables, so
a timeout is paid once.

    with Grader() as grader:
        grader.compare(r"\frac{1}{2}", "0.5")  # Verdict.EQUAL

Verdicts do not depend on the order of the two answers, on the order of pairs, or on what was cached. They
depend on the machine only where a worker runs out of `WorkerLimits.cpu_seconds`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache

from omi_core import options
from omi_core.answers.algebra import Fractional
from omi_core.answers.comparing import compare_readings
from omi_core.answers.policy import Policy, Verdict
from omi_core.answers.pool import Pool, WorkerLimits, encode_form
from omi_core.answers.reader import Reading, read_answer
from omi_core.answers.rules import Question, Rules

_PLAIN_INTEGER = re.compile(r"-?[1-9][0-9]{0,30}|0")
_MAX_KEY = 2000
_KEPT = 100_000  # verdicts, and readings


class Grader:
    """Compares answers under one policy. A context manager; `close` ends its workers.

    `workers` is the number of processes (default: the CPUs this process may use). Not for use from two
    threads at once.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        workers: int | None = None,
        limits: WorkerLimits | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers={workers}: must be at least 1")
        self.policy = policy or Policy()
        options.check(self.policy)
        self._pool = Pool(workers or len(os.sched_getaffinity(0)), limits or WorkerLimits())
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._readings = lru_cache(_KEPT)(read_answer)

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
        forms = [tuple(encode_form(Fractional.from_key(key)) for key in question) for question in questions]
        proofs = dict(zip(questions, self._pool.judge([(a, b) for a, b in forms]), strict=True))
        settled: dict[tuple[str, str], Verdict] = {}
        for pair in asked:
            settled[pair] = self._decided(pair, proofs)
            self._settle(pair, settled[pair])
        return [settled[_ordered(*pair)] if v is None else v for pair, v in zip(pairs, verdicts, strict=True)]

    def quick(self, a: str, b: str) -> Verdict | None:
        """The verdict, if no worker is needed for it; else None."""
        if a == b:
            return Verdict.EQUAL
        short = len(a) < 32 and len(b) < 32 and not self.policy.tolerance
        if short and _PLAIN_INTEGER.fullmatch(a) and _PLAIN_INTEGER.fullmatch(b):
            return Verdict.NOT_EQUAL  # one spelling per integer, and they are spelt differently
        pair = _ordered(a, b)
        if (cached := self._verdicts.get(pair)) is not None:
            return cached
        rules = Rules(self.policy)
        verdict = self._compare(pair, rules)
        if verdict is None and rules.open:
            return None
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
        return self._readings(answer) if len(answer) <= _MAX_KEY else read_answer(answer)

    def _settle(self, pair: tuple[str, str], verdict: Verdict) -> None:
        if len(pair[0]) + len(pair[1]) <= 2 * _MAX_KEY:
            if len(self._verdicts) >= _KEPT:  # the oldest goes; a dict keeps its order of insertion
                del self._verdicts[next(iter(self._verdicts))]
            self._verdicts[pair] = verdict


def _ordered(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a <= b else (b, a)
