r"""Whether EQUAL and NOT_EQUAL are proofs: answers changed by one detail, and other spellings of the same, by
shape.

    python -m tests.bench.mutations ../shared/data
    python -m tests.bench.mutations ../shared/data --each 1000 --rounds 4 --baseline 100 --show

The folder holds `math/{train,test}.jsonl`, `gsm8k/{train,test}.jsonl`, `olympiadbench/test.jsonl`,
`{amc23,aime24}/test.jsonl`. Pairs are made of every ground truth there, in `--rounds` rounds
(tests/answers/mutating.py), and of all shapes by construction, `--each` pairs of each
(tests/answers/shapes.py). EQUAL for one of the changed pairs is false, and NOT_EQUAL for one of the respelt
ones; `--baseline` pairs of each shape are given to math-verify, too, whose "no" is an answer as firm as its
"yes". Exit code 1 on a false verdict.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omi_core.answers import Extractor, Grader, Verdict, math_ground_truth
from tests.answers.mutating import CHANGES, kind, respelt
from tests.answers.shapes import SHAPES, differing, same

Pair = tuple[str, str]


def ground_truths(data: Path) -> list[str]:
    """All ground truths of the folder, about 22,000."""

    def rows(name: str) -> Iterator[dict[str, Any]]:
        with (data / name).open(encoding="utf-8") as file:
            yield from map(json.loads, file)

    found: list[str | None] = []
    for part in ("train", "test"):
        found += [math_ground_truth(row["solution"]) for row in rows(f"math/{part}.jsonl")]
        hashes = Extractor(("hashes",))
        found += [hashes(row["answer"]).answer for row in rows(f"gsm8k/{part}.jsonl")]
    for row in rows("olympiadbench/test.jsonl"):
        answers = row["final_answer"]
        found += answers if isinstance(answers, list) else [answers]
    found += [str(row["answer"]) for part in ("amc23", "aime24") for row in rows(f"{part}/test.jsonl")]
    return [truth.strip().strip("$") for truth in found if truth]


def pairs_of(golds: list[str], rounds: int, each: int) -> tuple[dict[str, list[Pair]], dict[str, list[Pair]]]:
    """By shape: pairs that differ, and pairs that are the same. No pair is there twice."""
    rng = random.Random(0)
    changed: dict[str, dict[Pair, None]] = defaultdict(dict)
    spelt: dict[str, dict[Pair, None]] = defaultdict(dict)
    for gold in golds:
        for _ in range(rounds):
            for change in CHANGES.values():
                new = change(gold, rng)
                if new is not None:
                    changed[kind(gold)][gold, respelt(new, rng)] = None
            spelt[kind(gold)][gold, respelt(gold, rng)] = None
    for shape in SHAPES:
        for _ in range(each):
            changed[f"{shape.name} (made)"][differing(shape, rng)] = None
            spelt[f"{shape.name} (made)"][same(shape, rng)] = None
    return {k: list(v) for k, v in changed.items()}, {k: list(v) for k, v in spelt.items()}


def theirs(pairs: list[Pair]) -> Counter[bool]:
    from math_verify import parse, verify  # type: ignore[attr-defined]

    logging.disable(logging.CRITICAL)
    return Counter(bool(verify(parse(f"${a.strip('$')}$"), parse(f"${b.strip('$')}$"))) for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--each", type=int, default=1000, help="pairs of each made shape, twice")
    parser.add_argument("--rounds", type=int, default=4, help="changes of each kind per ground truth")
    parser.add_argument("--baseline", type=int, default=100, help="pairs per shape for math-verify, twice")
    parser.add_argument("--show", action="store_true", help="list the pairs that are UNKNOWN, too")
    options = parser.parse_args()
    changed, spelt = pairs_of(ground_truths(options.data), options.rounds, options.each)
    rows, start = [], time.monotonic()
    with Grader() as grader:
        for shape in sorted({*changed, *spelt}, key=lambda name: (name.endswith("(made)"), name)):
            row: dict[str, Any] = {"shape": shape}
            for what, pairs, false in (
                ("changed", changed.get(shape, []), Verdict.EQUAL),
                ("respelt", spelt.get(shape, []), Verdict.NOT_EQUAL),
            ):
                verdicts = grader.compare_many(pairs)
                count = Counter(verdict.value for verdict in verdicts)
                sample = random.Random(1).sample(pairs, min(options.baseline, len(pairs)))
                baseline = theirs(sample)
                row[what] = {
                    "pairs": len(pairs), "false": count[false.value], "unknown": count["unknown"],
                    "baseline": len(sample), "baseline_false": baseline[false is Verdict.EQUAL],
                }  # fmt: skip
                for pair, verdict in zip(pairs, verdicts, strict=True):
                    if verdict is false or (options.show and verdict is Verdict.UNKNOWN):
                        print(f"  {'FALSE ' if verdict is false else ''}{verdict.value} {shape}: {pair}")
            rows.append(row)
    _show(rows)
    print(json.dumps({"seconds": round(time.monotonic() - start), "results": rows}))
    sys.exit(any(row[what]["false"] for row in rows for what in ("changed", "respelt")))


def _show(rows: list[dict[str, Any]]) -> None:
    total: dict[str, Any] = {"shape": "all"}
    for what in ("changed", "respelt"):
        total[what] = dict(sum((Counter(row[what]) for row in rows), Counter()))
    print("| shape | changed | false EQUAL | UNKNOWN | math-verify ", end="")
    print("| respelt | false NOT_EQUAL | UNKNOWN | math-verify |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in [*rows, total]:
        cells = [row["shape"]]
        for what in ("changed", "respelt"):
            r = Counter(row[what])
            share = f"{r['baseline_false'] / r['baseline']:.1%}" if r["baseline"] else ""
            cells += [f"{r['pairs']:,}", str(r["false"]), f"{r['unknown'] / max(1, r['pairs']):.1%}", share]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
