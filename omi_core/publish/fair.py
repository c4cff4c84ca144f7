"""Fair downsampling: every problem's first solution, then every problem's second, and so on until N rows.

That is how the smaller splits of OpenMathInstruct-2 (https://arxiv.org/abs/2410.01560) are made. The r-th
solutions of all problems are round r; a split of N rows is all rounds that fit, and of the next one as many
solutions as are left to take. Which solution of a problem is its first, and which problems of a round come
first, is drawn: both go by a hash of the seed and the content, so neither the order of the rows nor their
spread over parts matters. Of the splits of one seed, each holds the smaller ones.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from omi_core.records import digest128


@dataclass(frozen=True, slots=True)
class Draw:
    """A split of N rows: a mask over the rows, how many problems it has, how many rounds it holds whole."""

    mask: npt.NDArray[np.bool_]
    problems: int
    full_rounds: int


class FairRows:
    """Sees every row once, then says which of them belong to a split.

    Rows of one problem may be anywhere, though every stretch of them costs 16 bytes. Memory: 4 bytes for
    every row while rows are added, about 25 while they are ranked (75 when each is a problem of its own), and
    8 afterwards.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        self.rows = 0
        self._seed = seed
        self._draws = np.empty(capacity, np.uint32)
        self._last: bytes | None = None
        self._runs = array("Q")  # rows of one problem that follow each other: its digest,
        self._starts = array("Q")  # and the number of the first of them

    def add(self, problems: Sequence[bytes], digests: npt.NDArray[np.uint64]) -> None:
        """The next rows: the problem of each, and 64 bits that its content alone decides."""
        for number, problem in enumerate(problems, self.rows):
            if problem != self._last:
                self._last = problem
                self._runs.append(problem_digest(problem))
                self._starts.append(number)
        draws = splitmix(digests, "solution", self._seed) >> np.uint64(32)
        self._draws[self.rows : self.rows + len(problems)] = draws
        self.rows += len(problems)

    def rank(self) -> Ranked:
        """The round of every row, once all were added; the draws are given up for it."""
        digests, of_run = np.unique(np.frombuffer(self._runs, np.uint64), return_inverse=True)
        lengths = np.diff(np.frombuffer(self._starts, np.uint64).astype(np.int64), append=self.rows)
        problem = np.repeat(of_run.astype(np.uint32), lengths)
        keys = problem.astype(np.uint64) << np.uint64(32)
        keys |= self._draws[: self.rows]
        del self._draws
        # Two of 2^32 draws that are the same keep the order of the rows: stable, so still one outcome.
        order = np.argsort(keys, kind="stable")
        del keys
        counts = np.bincount(problem, minlength=len(digests))
        first = (np.cumsum(counts) - counts).astype(np.uint32)
        rounds = np.empty(self.rows, np.uint32)
        rounds[order] = np.arange(self.rows, dtype=np.uint32) - np.repeat(first, counts)
        return Ranked(digests, counts, problem, rounds, self._seed)


@dataclass(frozen=True, slots=True)
class Ranked:
    """`problem` and `round` of every row, both from 0; of every problem a digest and its count of rows."""

    digests: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int64]
    problem: npt.NDArray[np.uint32]
    round: npt.NDArray[np.uint32]
    seed: int

    def limited(self, counts: npt.NDArray[np.int64]) -> Ranked:
        """The same rows, where of each problem at most this many are left: its first ones."""
        return replace(self, counts=np.minimum(self.counts, counts))

    def draw(self, size: int) -> Draw:
        """The first `size` rows of the fair order; all rows when there are no more."""
        # Of round r there is a row of every problem that has more than r of them.
        ends = np.cumsum(np.cumsum(np.bincount(self.counts)[::-1])[::-1][1:])
        full = int(np.searchsorted(ends, size, side="right"))
        mask = self.round < np.minimum(self.counts, full).astype(np.uint32)[self.problem]
        left = size - int(ends[full - 1]) if full else size
        if full == len(ends) or left == 0:
            return Draw(mask, int(np.count_nonzero(self.counts)), full)
        candidates = np.flatnonzero(self.counts > full)
        place = np.argsort(splitmix(self.digests[candidates], "problem", self.seed, full), kind="stable")
        drawn = np.zeros(len(self.counts), np.bool_)
        drawn[candidates[place[:left]]] = True
        mask |= (self.round == full) & drawn[self.problem]
        return Draw(mask, int(np.count_nonzero(self.counts)) if full else left, full)


def problem_digest(key: bytes) -> int:
    """64 bits for a problem, from the part of a row's line that determines it (`Schema.group_key`)."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")


def splitmix(values: npt.NDArray[np.uint64], *words: str | int) -> npt.NDArray[np.uint64]:
    """A hash of each value under the words: the finalizer of SplitMix64 (Steele, Lea, Flood 2014), twice.

    The words stand between the two, so that no two keys give orders that are shifts of one another.
    """
    key = np.uint64(int(digest128("fair", *words)[:16], 16))
    return _finalize(_finalize(values) ^ key)


def _finalize(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
