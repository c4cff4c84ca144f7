"""What a search over test questions finds, whatever way it searches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of one test set, in its order."""

    name: str
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Hit:
    """A test question near a problem.

    `test_index` counts from 0 in the test set; `method` is how it was found and `score` how near it is, from
    0 to 1: the share of common words for `ngram`, the cosine for `embedding`.
    """

    test_set: str
    test_index: int
    test_text: str
    method: str
    score: float


class Search(Protocol):
    """A search over test questions; a judge asks about what one returns."""

    def search(self, texts: Sequence[str], k: int | None = None) -> list[list[Hit]]:
        """For each text its best k hits (None: all), the best first."""
        ...


def problem_key(text: str) -> bytes:
    """16 bytes that tell problems apart; white space at the ends is no part of one."""
    return blake2b(text.strip().encode("utf-8", "replace"), digest_size=16).digest()


def numbered(sets: Iterable[Questions]) -> Iterator[tuple[str, int, str]]:
    """(test set, index, text) of every question of all sets, in order."""
    for questions in sets:
        for index, text in enumerate(questions.texts):
            yield questions.name, index, text
