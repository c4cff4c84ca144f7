"""Recall and false positives of each method.

DATA is a folder with gsm8k and contamination as the tests use them. Problems are the 1,319 test questions of
GSM8K as they are, the same rephrased, and the training questions. A planted problem is found when a method
brings up the very question it was made of; a training question that any test question is brought up for is a
false positive, or a training question that is indeed very near to one. By embeddings every problem has its
nearest questions, so what counts there is the cosine; without a least cosine all go to the judge.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omi_core.decontaminate import EmbeddingSearch, Hit, NgramSearch, Questions, load_model
from tests.decontaminate.planted import MODEL, original, rephrased, training

BLOCK = 1024
TOP = 5
COSINES = (0.7, 0.8, 0.9)
Pick = Callable[[list[Hit]], list[Hit]]


def found(hits: Sequence[list[Hit]], pick: Pick) -> int:
    """Of planted problems: how many bring up the question in whose place they stand."""
    return sum(number in {hit.test_index for hit in pick(own)} for number, own in enumerate(hits))


def flagged(hits: Sequence[list[Hit]], pick: Pick) -> int:
    """How many problems bring up any question."""
    return sum(bool(pick(own)) for own in hits)


def picks() -> dict[str, tuple[str, Pick]]:
    """Method -> (the search it looks at, what it takes of the hits)."""
    table: dict[str, tuple[str, Pick]] = {
        "exact": ("words", lambda hits: [hit for hit in hits if hit.method == "exact"]),
        "exact, whole, 13-gram and LCS": ("words", lambda hits: hits),
        "nearest": ("near", lambda hits: hits[:1]),
        f"nearest {TOP}": ("near", lambda hits: hits),
    }
    for least in COSINES:
        pick: Pick = lambda hits, least=least: [hit for hit in hits if hit.score >= least]  # noqa: E731
        table[f"nearest {TOP}, cosine from {least}"] = ("near", pick)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default=MODEL, help="as model= of jobs.decontaminate")
    parser.add_argument("--train", type=int, help="so many training questions at most")
    options = parser.parse_args()
    sets = [Questions("gsm8k", original(options.data))]
    groups = {
        "as it is": list(sets[0].texts),
        "rephrased": rephrased(options.data),
        "train": training(options.data)[: options.train],
    }
    model = load_model(options.model)
    begin = time.process_time()
    searches = {"words": NgramSearch(sets), "near": EmbeddingSearch(sets, model)}
    hits: dict[tuple[str, str], list[list[Hit]]] = {}
    for group, texts in groups.items():
        blocks = [texts[first : first + BLOCK] for first in range(0, len(texts), BLOCK)]
        hits["words", group] = [own for block in blocks for own in searches["words"].search(block)]
        hits["near", group] = [own for block in blocks for own in searches["near"].search(block, TOP)]
    spent = time.process_time() - begin

    sizes = {group: len(texts) for group, texts in groups.items()}
    print(f"{'':32}{'found of':>12}{'found of':>12}{'flagged of':>12}")
    print(f"{'':32}{'as it is':>12}{'rephrased':>12}{'train':>12}")
    print(f"{'':32}{sizes['as it is']:>12,}{sizes['rephrased']:>12,}{sizes['train']:>12,}")
    results: dict[str, Any] = {}
    for name, (search, pick) in picks().items():
        results[name] = {
            "as it is": found(hits[search, "as it is"], pick),
            "rephrased": found(hits[search, "rephrased"], pick),
            "train": flagged(hits[search, "train"], pick),
        }
        print(f"{name:32}" + "".join(f"{count:>12,}" for count in results[name].values()))
    print(f"{sum(sizes.values()) + len(sets[0].texts):,} texts in {spent:.0f} s of CPU time")
    print(json.dumps({"model": options.model, "sizes": sizes, "cpu": spent, "results": results}))


if __name__ == "__main__":
    main()
