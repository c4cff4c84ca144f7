"""The figures of an evaluation: one for each benchmark, metric and k, with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from omi_core.evaluate.bootstrap import intervals, plain_intervals, sampling_intervals
from omi_core.evaluate.estimators import (
    best_at_k,
    majority_at_k,
    pairs_in_order,
    pass_at_k,
    weighted_at_k,
)
from omi_core.evaluate.tallies import NONE, RIGHT, UNDECIDED, WRONG, Tally

PASS, MAJORITY = "pass", "majority"
# By scores, where there are such: the best one, and the vote in which they weigh.
BEST, WEIGHTED = "best", "weighted"
# Of the pairs of a right and a wrong sample of a problem those in which the right one scores higher.
IN_ORDER = "in_order"
# Of samples: shares in [0, 1], but for the tokens.
NO_ANSWER, UNFINISHED, OPEN, TOKENS = "no_answer", "unfinished", "undecided", "tokens"
_MOST_K = 64


@dataclass(frozen=True, slots=True)
class EvaluationFigure:
    """One figure. `group` is the part of the benchmark, such as ("level", "Level 5"); None is all of it.

    `low` and `high` are the interval over problems. `again_low` and `again_high` are that of the same
    problems answered anew, where it is known: of `pass` with several samples. `undecided_right` is the value
    if all samples that no rule could decide were right; `value` has them wrong, so the truth lies between.
    """

    benchmark: str
    group: tuple[str, str] | None
    metric: str
    k: int | None
    value: float
    low: float
    high: float
    again_low: float | None
    again_high: float | None
    undecided_right: float
    problems: int
    samples: int

    def to_json(self) -> dict[str, Any]:
        """A row of evaluation.json and of its CSV."""
        by, part = self.group or (None, None)
        rest = {
            key: _rounded(value) for key, value in asdict(self).items() if key not in ("benchmark", "group")
        }
        return {"benchmark": self.benchmark, "by": by, "part": part, **rest}

    @staticmethod
    def from_json(row: dict[str, Any]) -> EvaluationFigure:
        """Raises KeyError or TypeError when it is not one."""
        by, part = row.pop("by"), row.pop("part")
        return EvaluationFigure(group=None if by is None else (by, part), **row)


def _rounded(value: Any) -> Any:
    """Sums of floats may differ in the last digits from one machine to another; what is written does not."""
    return round(value, 6) if isinstance(value, float) else value


def ks(n: int) -> list[int]:
    """The k that figures are made for: all up to 64, beyond them powers of two and n itself."""
    if n <= _MOST_K:
        return list(range(1, n + 1))
    powers = (1 << bit for bit in range(n.bit_length()))
    return sorted({*range(1, 17), *(k for k in powers if k <= n), n})


def all_figures(tally: Tally, seed: int) -> Iterator[EvaluationFigure]:
    """Every figure of a benchmark, then those of its levels and subjects; with scores those by score, too."""
    found = per_problem(tally, seed)
    upper = _if_right(tally, found, seed)
    yield from _figures(tally, None, found, upper, ks(tally.samples), seed)
    yield from _of_samples(tally, seed)
    yield from _of_pairs(tally, seed)
    for by in ("level", "subject"):
        names = [problem[by] for problem in tally.problems]
        for name in sorted({name for name in names if name is not None}, key=_natural):
            at = np.array([place for place, other in enumerate(names) if other == name])
            values, most = ({key: each[at] for key, each in of.items()} for of in (found, upper))
            chosen = sorted({1, tally.samples})
            yield from _figures(tally.part(at), (by, name), values, most, chosen, seed)


def _natural(name: str) -> tuple[bool, float, str]:
    digits = "".join(letter for letter in name if letter.isdecimal() or letter == ".")
    try:
        return False, float(digits), name
    except ValueError:
        return True, 0.0, name


def per_problem(tally: Tally, seed: int) -> dict[str, np.ndarray]:
    """Metric → values by problem and k, of shape (problems, n); samples that are undecided count as wrong."""
    return _estimates(tally, tally.having(RIGHT), seed)


def _estimates(tally: Tally, right: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    found = {
        PASS: pass_at_k(right.sum(axis=1), tally.samples),
        MAJORITY: majority_at_k(tally.votes, right, seed),
    }
    if tally.scores is not None:
        found[BEST] = best_at_k(tally.scores, right)
        found[WEIGHTED] = weighted_at_k(tally.votes, right, tally.weights, seed)
    return found


def _if_right(tally: Tally, found: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """The same where samples that are undecided count as right."""
    at = np.flatnonzero(tally.having(UNDECIDED).any(axis=1))
    upper = {metric: values.copy() for metric, values in found.items()}
    if len(at):
        part = tally.part(at)
        for metric, values in _estimates(part, part.having(RIGHT, UNDECIDED), seed).items():
            upper[metric][at] = values
    return upper


def _figures(
    tally: Tally,
    group: tuple[str, str] | None,
    found: Mapping[str, np.ndarray],
    upper: Mapping[str, np.ndarray],
    chosen: Sequence[int],
    seed: int,
) -> Iterator[EvaluationFigure]:
    n, columns = tally.samples, np.array(chosen) - 1
    again = None
    if n > 1:
        right = tally.having(RIGHT).sum(axis=1)
        table = pass_at_k(np.arange(n + 1), n)[:, columns]
        again = sampling_intervals(right, n, table, seed)
    for metric, values in found.items():
        low, high = intervals(values[:, columns], tally.samples, seed)
        for at, k in enumerate(chosen):
            anew = again if metric == PASS else None
            yield EvaluationFigure(
                tally.benchmark,
                group,
                metric,
                k,
                float(values[:, k - 1].mean()),
                float(low[at]),
                float(high[at]),
                None if anew is None else float(anew[0][at]),
                None if anew is None else float(anew[1][at]),
                float(upper[metric][:, k - 1].mean()),
                len(tally.problems),
                n,
            )


def _of_samples(tally: Tally, seed: int) -> Iterator[EvaluationFigure]:
    """Shares of samples and their mean number of tokens, each a mean over problems."""
    shares = {
        NO_ANSWER: tally.having(NONE),
        UNFINISHED: tally.unfinished,
        OPEN: tally.having(UNDECIDED),
    }
    means = np.array([each.mean(axis=1) for each in shares.values()]).T
    tokens = tally.tokens.mean(axis=1, keepdims=True)
    found = [(*shares, TOKENS), np.hstack([means, tokens]).mean(axis=0)]
    bounds = [
        np.concatenate(pair)
        for pair in zip(intervals(means, tally.samples, seed), plain_intervals(tokens, seed), strict=True)
    ]
    for name, value, low, high in zip(*found, *bounds, strict=True):
        counts = (len(tally.problems), tally.samples)
        yield EvaluationFigure(
            tally.benchmark,
            None,
            name,
            None,
            float(value),
            float(low),
            float(high),
            None,
            None,
            float(value),
            *counts,
        )


def _of_pairs(tally: Tally, seed: int) -> Iterator[EvaluationFigure]:
    """The share of pairs in order, a mean over the problems that have samples of both kinds with scores."""
    if tally.scores is None:
        return
    known = np.isfinite(tally.scores)
    shares = pairs_in_order(tally.scores, tally.having(RIGHT) & known, tally.having(WRONG, NONE) & known)
    shares = shares[~np.isnan(shares)][:, None]
    if not len(shares):
        return
    low, high = intervals(shares, tally.samples, seed)
    mean = float(shares.mean())
    bounds = (mean, float(low[0]), float(high[0]), None, None, mean)
    yield EvaluationFigure(tally.benchmark, None, IN_ORDER, None, *bounds, len(shares), tally.samples)
