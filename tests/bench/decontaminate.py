"""What the search without a model costs, and what it finds.

DATA is a folder with gsm8k, math, amc23, aime24, olympiadbench and contamination as the tests use them. The
problems are training problems of GSM8K and MATH in turn, again and again with other numbers, so that no two
are the same. The baseline is what one would write first: sets of word tuples for the 13-grams, and the
textbook's table for the subsequence.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from omi_core.decontaminate import NgramSearch, nearest
from omi_core.decontaminate.hits import numbered
from omi_core.decontaminate.normal import MAX_CHARS, words
from omi_core.decontaminate.questions import read_sets
from tests.decontaminate.planted import rephrased
from tests.decontaminate.real_sets import SETS


def texts(path: Path, column: str) -> list[str]:
    return [orjson.loads(line)[column] for line in path.read_bytes().splitlines()]


def many(problems: list[str]) -> Iterator[str]:
    """The problems without end, every number of the n-th round n larger."""
    rounds = cycle(enumerate(problems))
    turn = -1
    for place, text in rounds:
        turn += place == 0
        yield re.sub(r"\d{1,9}", lambda found, turn=turn: str(int(found[0]) + turn), text) if turn else text


class Plain:
    """The baseline."""

    def __init__(self, questions: list[str]) -> None:
        self.words = [words(text) for text in questions]
        self.ngrams: dict[tuple[str, ...], set[int]] = {}
        for number, own in enumerate(self.words):
            for ngram in zip(*(own[at:] for at in range(13)), strict=False):
                self.ngrams.setdefault(ngram, set()).add(number)

    def hits(self, text: str) -> set[int]:
        own = words(text)
        ngrams = zip(*(own[at:] for at in range(13)), strict=False)
        sharing = set().union(*(self.ngrams.get(ngram, ()) for ngram in ngrams))
        return {number for number in sharing if self.common(own, self.words[number])}

    @staticmethod
    def common(one: list[str], other: list[str]) -> bool:
        row = [0] * (len(other) + 1)
        for x in one:
            new = [0]
            for place, y in enumerate(other):
                new.append(row[place] + 1 if x == y else max(row[place + 1], new[place]))
            row = new
        return row[-1] > 0.6 * min(len(one), len(other))


def worst(ngrams: dict[tuple[str, ...], set[int]]) -> str:
    """A text as long as is read, made of the 13-grams that bring up the most questions."""
    chosen: list[str] = []
    seen: set[int] = set()
    size = 0
    for ngram, numbers in sorted(ngrams.items(), key=lambda item: (-len(item[1]), item[0])):
        if not numbers <= seen and size < MAX_CHARS:
            chosen.append(" ".join(ngram))
            seen |= numbers
            size += len(chosen[-1]) + 1
    return " ".join(chosen)


def seconds(search: Callable[[str], object], problems: Iterator[str], count: int) -> float:
    """CPU time for `count` problems; making them is not counted."""
    spent = 0.0
    while batch := list(islice(problems, min(count, 10_000))):
        begin = time.process_time()
        for text in batch:
            search(text)
        spent += time.process_time() - begin
        count -= len(batch)
        if not count:
            break
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--problems", type=int, default=600_000)
    options = parser.parse_args()
    sets = read_sets([f"{name}={options.data / path}" for name, path in SETS.items()])
    questions = [text for _, _, text in numbered(sets)]
    gsm8k = texts(options.data / "gsm8k/train.jsonl", "question")
    math = texts(options.data / "math/train.jsonl", "problem")

    begin = time.process_time()
    search = NgramSearch(sets)
    built = time.process_time() - begin
    both = [text for pair in zip(gsm8k, math, strict=False) for text in pair]
    spent = seconds(search.hits, many(both), options.problems)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    few = min(options.problems, 10_000)
    baseline = Plain(questions)
    ours, plain = (seconds(hits, many(both), few) for hits in (search.hits, baseline.hits))
    print(f"{len(questions):,} test questions, index in {built:.1f} s of CPU time, peak memory {peak:.0f} MB")
    each = spent / options.problems * 1e6
    print(f"{options.problems:,} problems in {spent:.1f} s of CPU time: {each:.0f} us each")
    print(f"the plain way takes {plain / ours:.1f} times as long (on {few:,} of them)")
    results: dict[str, Any] = {"us": each, "x": plain / ours, "peak_mb": peak}
    text = worst(baseline.ngrams)
    ours, plain = (seconds(hits, iter((text[:5000],)), 1) for hits in (search.hits, baseline.hits))
    most = seconds(search.hits, iter((text,)), 1)
    print(f"the worst text of {len(text):,} characters: {most:.2f} s; its first quarter: {ours:.2f} s,")
    print(f"the plain way takes {plain / ours:.0f} times as long")
    results["worst"] = {"seconds": most, "x": plain / ours}
    embeddings = np.random.default_rng(0).standard_normal((12_000, 384), dtype=np.float32)
    some, others = embeddings[:2000], embeddings[2000:]
    five = seconds(lambda _: nearest(some, others, 5), iter(("",)), 1)
    product = seconds(lambda _: some @ others.T, iter(("",)), 1)
    print(f"nearest 5 of {len(others):,} embeddings: {five / product:.1f} times the matrix product alone")
    results["nearest"] = {"x_floor": five / product}

    groups = {
        "gsm8k test, as it is": texts(options.data / SETS["gsm8k"], "question"),
        "gsm8k test, rephrased": rephrased(options.data),
        "gsm8k train": gsm8k,
        "math train": math,
    }
    of_problem = NgramSearch(sets, length="problem")
    print(f"\n{'problems':<24}{'of':>6}{'exact':>7}{'whole':>7}{'ngram':>7}{'any':>7}{'length=problem':>16}")
    for name, problems in groups.items():
        best = [hits[0].method for hits in search.search(problems) if hits]
        counts = "".join(f"{best.count(method):>7}" for method in ("exact", "whole", "ngram"))
        other = sum(map(bool, of_problem.search(problems)))
        print(f"{name:<24}{len(problems):>6}{counts}{len(best):>7}{other:>16}")
        results[name] = {"problems": len(problems), "found": len(best), "length=problem": other}
    print(json.dumps({"options": {"problems": options.problems}, "results": results}))


if __name__ == "__main__":
    main()
