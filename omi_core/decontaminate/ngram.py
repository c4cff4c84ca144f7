"""Exact match, whole-text match, and 13-gram overlap with a long common subsequence.

A problem hits a test question in the first of these ways that holds:

- `exact`: both are the same text but for case and white space (`normal.exact_form`);
- `whole`: the question has fewer than 13 words and both have the same strict form, in which operators and
  brackets count: "What is 2+3?" is not "What is 2-3?";
- `ngram`: both have 13 words in a row in common, and their longest common subsequence of words is longer than
  60 % of the length.

The last is the rule of AceMath (arXiv 2412.15084, section 3.2.3), after Qwen2.5-Math (arXiv 2409.12122,
section 4): once normalised, a prompt goes when it has a 13-gram in common with the test data "and the longest
common subsequence exceeding 60% of its length". *Its* is the prompt's: `length="problem"`. A question that
stands in a problem of twice its length would then escape, so the default is the shorter of the two texts, as
in the report of Qwen2.5 (arXiv 2412.15115): `length="shorter"` finds all that the other finds, and more.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from fractions import Fraction

from rapidfuzz.distance import LCSseq

from omi_core.decontaminate.hits import Hit, Questions, numbered
from omi_core.decontaminate.normal import exact_form, strict_form, words

METHODS = ("exact", "whole", "ngram")
WORDS = 13
SHARE = 0.6
_BYTES = array("I").itemsize


class NgramSearch:
    """Finds the test questions that a problem repeats, by words; `methods` says in which of the three ways.

    Every 13-gram of the questions is a key of 52 bytes, the numbers of its words: about 0.2 GB for 600,000 of
    them. Only questions that share one with the problem are compared.
    """

    def __init__(
        self,
        sets: Sequence[Questions],
        n: int = WORDS,
        share: float = SHARE,
        length: str = "shorter",
        methods: Collection[str] = METHODS,
    ) -> None:
        if not methods or not set(methods) <= set(METHODS):
            raise ValueError(f"methods={methods}: some of {', '.join(METHODS)}, and no other")
        if n < 1 or not 0 <= share <= 1 or length not in ("shorter", "problem"):
            raise ValueError(f"n={n}, share={share}, length={length}: no such rule")
        self._questions = list(numbered(sets))
        self._methods = frozenset(methods)
        self._by_words = self._methods != {"exact"}
        self._n, self._share, self._length = n, Fraction(str(share)), length
        self._vocabulary: dict[str, int] = {}
        self._words: list[list[int]] = []
        self._exact: dict[str, list[int]] = {}
        self._whole: dict[str, list[int]] = {}
        self._ngrams: dict[bytes, tuple[int, ...]] = {}
        for number, (_, _, text) in enumerate(self._questions):
            self._add(number, text)

    def search(self, texts: Sequence[str], k: int | None = None) -> list[list[Hit]]:
        """For each text its best k hits (None: all), by score; equal ones in the order of the questions."""
        return [self.hits(text)[:k] for text in texts]

    def hits(self, text: str) -> list[Hit]:
        """All questions that one problem hits, each once, the best first."""
        found: dict[int, tuple[str, float]] = {}
        for number in self._exact.get(exact_form(text), ()):
            found[number] = ("exact", 1.0)
        if self._by_words:
            self._find_by_words(text, found)
        best = sorted(found.items(), key=lambda item: (-item[1][1], item[0]))
        return [Hit(*self._questions[number], method, score) for number, (method, score) in best]

    def _find_by_words(self, text: str, found: dict[int, tuple[str, float]]) -> None:
        """Adds what `whole` and `ngram` find to what is found already."""
        spoken = words(text)
        if len(spoken) < self._n:
            for number in self._whole.get(strict_form(text), ()):
                found.setdefault(number, ("whole", 1.0))
        else:
            known = list(map(self._vocabulary.get, spoken, [0] * len(spoken)))
            for number in self._sharing(known):
                if number not in found and (score := self._common(known, number)):
                    found[number] = ("ngram", score)

    def _add(self, number: int, text: str) -> None:
        if "exact" in self._methods and (exact := exact_form(text)):
            self._exact.setdefault(exact, []).append(number)
        if self._by_words:
            self._add_words(number, text)

    def _add_words(self, number: int, text: str) -> None:
        spoken = words(text)
        vocabulary = self._vocabulary
        # 0 is a word that no question has.
        own = [vocabulary.setdefault(word, len(vocabulary) + 1) for word in spoken]
        self._words.append(own)
        if len(own) < self._n:
            if "whole" in self._methods and (strict := strict_form(text)):
                self._whole.setdefault(strict, []).append(number)
        elif "ngram" in self._methods:
            for ngram in set(self._ngrams_of(own)):
                self._ngrams[ngram] = (*self._ngrams.get(ngram, ()), number)

    def _ngrams_of(self, numbers: list[int]) -> list[bytes]:
        raw, width = array("I", numbers).tobytes(), self._n * _BYTES
        return [raw[at : at + width] for at in range(0, len(raw) - width + 1, _BYTES)]

    def _sharing(self, known: list[int]) -> set[int]:
        """The questions that share an n-gram with a problem."""
        sharing: set[int] = set()
        for ngram in self._ngrams_of(known):
            if ngram in self._ngrams:
                sharing.update(self._ngrams[ngram])
        return sharing

    def _common(self, known: list[int], number: int) -> float | None:
        """The share of common words, where it is enough."""
        own = self._words[number]
        length = len(known) if self._length == "problem" else min(len(known), len(own))
        enough = int(self._share * length) + 1
        common = LCSseq.similarity(own, known, score_cutoff=enough)  # 0 where it is less
        return common / length if common else None
