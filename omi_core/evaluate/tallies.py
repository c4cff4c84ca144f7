"""The verdicts of a benchmark's samples as arrays, and in the file that keeps them with an evaluation.

A line of `problems.jsonl` is a problem: which it is, and of each of its samples verdict, class in the vote,
tokens, and whether it came to its end. All figures are made of it; scores join it by record and sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import orjson

RIGHT, WRONG, UNDECIDED, NONE = VERDICTS = ("right", "wrong", "undecided", "none")
_ENDED = "stop"


@dataclass(frozen=True)
class Tally:
    """The samples of one benchmark; arrays have the shape (problems, samples of each).

    `verdicts` are indices of VERDICTS, `votes` classes in the vote or -1, `tokens` those generated, and
    `unfinished` says what a token limit or an error has cut off; `scores` are a reward model's, -inf where
    it gave none. `problems`
    tells which they are: record_id, row, level and subject of each.
    """

    benchmark: str
    problems: Sequence[Mapping[str, Any]]
    verdicts: np.ndarray
    votes: np.ndarray
    tokens: np.ndarray
    unfinished: np.ndarray
    scores: np.ndarray | None = None

    @property
    def samples(self) -> int:
        """Samples of each problem."""
        return self.verdicts.shape[1]

    def having(self, *verdicts: str) -> np.ndarray:
        """Which samples have one of these verdicts, bool."""
        return np.isin(self.verdicts, [VERDICTS.index(verdict) for verdict in verdicts])

    def part(self, chosen: np.ndarray) -> Tally:
        """The same of some problems; `chosen` holds their places."""
        return Tally(
            self.benchmark,
            [self.problems[at] for at in chosen],
            *(each[chosen] for each in (self.verdicts, self.votes, self.tokens, self.unfinished)),
            scores=None if self.scores is None else self.scores[chosen],
        )

    @property
    def weights(self) -> np.ndarray:
        """What votes weigh by scores: as much as these, or as their logistic function where any is below 0.

        A sample without a score weighs nothing.
        """
        assert self.scores is not None
        known = np.isfinite(self.scores)
        scores = np.where(known, self.scores, 0.0)
        weights = 0.5 * (1 + np.tanh(scores / 2)) if (scores < 0).any() else scores
        return np.where(known, weights, 0.0)


Rows = Sequence[Mapping[str, Any]]


def by_problem(rows: Iterable[Mapping[str, Any]]) -> Iterator[Rows]:
    """The rows of graded samples, in the order of the run, those of a problem together."""
    return (list(group) for _, group in groupby(rows, itemgetter("record_id")))


def problem_line(samples: Rows) -> bytes:
    """The line of `problems.jsonl` for a problem."""
    first = samples[0]
    line = {
        "benchmark": first["benchmark"],
        "row": first["benchmark_row"],
        "record_id": first["record_id"],
        "level": first["level"],
        "subject": first["subject"],
        "verdicts": [row["verdict"] for row in samples],
        "votes": [row["vote"] for row in samples],
        "tokens": [row["completion_tokens"] for row in samples],
        "unfinished": [row["finish"] != _ENDED for row in samples],
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def pair_lines(samples: Rows) -> Iterator[bytes]:
    """A line for each answer that is undecided or wrong, and how many samples gave it."""
    counts = Counter(
        (row["given_answer"], row["expected_answer"], row["verdict"])
        for row in samples
        if row["verdict"] in (UNDECIDED, WRONG)
    )
    first = samples[0]
    for (given, expected, verdict), count in counts.items():
        line = {
            "benchmark": first["benchmark"],
            "row": first["benchmark_row"],
            "problem": first["problem"],
            "expected_answer": expected,
            "given_answer": given,
            "verdict": verdict,
            "samples": count,
        }
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def read_tallies(lines: Iterable[bytes]) -> list[Tally]:
    """The tallies of the benchmarks in `problems.jsonl`, in its order.

    Raises:
        ValueError: a line is damaged, or problems of a benchmark have different numbers of samples.
    """
    problems = map(orjson.loads, lines)
    return [_tally(name, list(group)) for name, group in groupby(problems, itemgetter("benchmark"))]


def _tally(name: str, lines: list[dict[str, Any]]) -> Tally:
    told = ("row", "record_id", "level", "subject")
    return Tally(
        name,
        [{key: line[key] for key in told} for line in lines],
        np.array([[VERDICTS.index(one) for one in line["verdicts"]] for line in lines], dtype=np.int8),
        np.array([[-1 if one is None else one for one in line["votes"]] for line in lines], dtype=np.int32),
        np.array([line["tokens"] for line in lines], dtype=np.int64),
        np.array([line["unfinished"] for line in lines], dtype=bool),
    )
