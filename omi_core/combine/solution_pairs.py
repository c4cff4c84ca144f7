"""Problems and solutions as digests, by which millions of rows are told apart, counted and drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from omi_core.combine.sources import Source
from omi_core.inputs import cell
from omi_core.publish.dedupe import digest_keys
from omi_core.publish.fair import problem_digest, splitmix
from omi_core.publish.rows import clean_text, texts

Digests = npt.NDArray[np.uint64]
T = TypeVar("T")
_BATCH = 4096
_BEGIN = b'{"problem":'  # of a line, which `Schema.group_key` keeps


@dataclass(frozen=True, slots=True)
class Pairs:
    """Problems with a solution of each: digests of both, row by row."""

    problem: Digests
    solution: Digests

    def keys(self) -> Digests:
        """One digest for each pair."""
        return splitmix(self.problem, "pair") ^ splitmix(self.solution, "of")

    def at(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Pairs:
        """Some of them."""
        return Pairs(self.problem[rows], self.solution[rows])

    def once(self) -> Pairs:
        """Each pair once."""
        return self.at(np.sort(np.unique(self.keys(), return_index=True)[1]))


def digested(lines: Sequence[bytes]) -> Pairs:
    """The problems and solutions of canonical lines of solutions."""
    found = [texts(line) for line in lines]
    return _pairs([each[0] for each in found], [each[1] for each in found])


def _pairs(problems: Sequence[bytes], solutions: Sequence[bytes]) -> Pairs:
    """Of JSON strings."""
    keys = [problem_digest(_BEGIN + problem) for problem in problems]
    return Pairs(np.array(keys, np.uint64), digest_keys(solutions)[:, 0])


def joined(batches: Sequence[Pairs]) -> Pairs:
    """The pairs of all batches, in order."""
    none = np.empty(0, np.uint64)
    return Pairs(
        np.concatenate([none, *(each.problem for each in batches)]),
        np.concatenate([none, *(each.solution for each in batches)]),
    )


def pairs_of(source: Source, key: str, min_votes: int | None = None) -> Pairs:
    """The problems and solutions of a source that the option `key` names, as its rows have them.

    Rows without a text are no pairs, nor with `min_votes` those with fewer votes.

    Raises:
        ConfigError, InputDamaged: as `Source.rows`; or a column is missing.
    """
    names = ("problem", "generated_solution") + (() if min_votes is None else ("votes",))
    found = []
    for batch in batched(source.rows(names)):
        values = [[cell(row, name, where, key) for name in names] for where, row in batch]
        kept = [
            (problem, solution)
            for problem, solution, *votes in values
            if isinstance(problem, str) and isinstance(solution, str)
            if min_votes is None or has_votes(votes[0], min_votes)
        ]
        strings = [[orjson.dumps(clean_text(text)) for text in each] for each in kept]
        found.append(_pairs([each[0] for each in strings], [each[1] for each in strings]))
    return joined(found)


def batched(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows in lists of some thousands."""
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        yield batch


def has_votes(votes: object, least: int) -> bool:
    """Whether the value of a column of votes is at least so high."""
    return type(votes) is int and votes >= least
