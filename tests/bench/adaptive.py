"""Adaptive against fixed sampling, same seeds: tokens for the same accuracy of the majority.

    python -m tests.bench.adaptive                            # the weak embedded teacher, on a CPU
    python -m tests.bench.adaptive data.size=1000 samples=64 teacher=tiny

Takes the options of `python -m jobs.generate`. One run draws `samples` of every problem, others stop when the
vote is settled, with several demands on its lead. A sample has the same seed in all of them, so the adaptive
runs draw the first samples of the fixed one. Prints a table and a line of JSON: new tokens beside those of
the fixed run, the share of problems whose majority is right, with how many problems changed sides, and the
share of problems with another majority than after all samples.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from omi_core import open_run
from omi_core.answers import Extractor, Grader, Verdict, vote_many
from omi_core.records import Record

DEFAULTS = ["teacher=tiny_weak", "data.size=400", "samples=32"]
RULES = {
    "fixed": [],
    "cannot be overtaken": ["adaptive.first=4", "adaptive.step=4"],
    "confidence 0.99": ["adaptive.first=4", "adaptive.step=4", "adaptive.confidence=0.99"],
    "confidence 0.95": ["adaptive.first=4", "adaptive.step=4", "adaptive.confidence=0.95"],
    "confidence 0.9": ["adaptive.first=4", "adaptive.step=4", "adaptive.confidence=0.9"],
}


def made(words: list[str], directory: Path) -> dict[str, Any]:
    """`stats.json` of a run with these options."""
    command = [sys.executable, "-m", "jobs.generate", *DEFAULTS, *words, f"run.dir={directory}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    stats = open_run(directory).stats
    assert stats is not None
    return stats


def majorities(directory: Path) -> list[tuple[Record, str | None]]:
    """Of every record the majority's answer."""
    run, extract = open_run(directory), Extractor()
    records = list(run.records())
    answers: list[list[str | None]] = [[] for _ in records]
    for sample in run.samples():
        ended = sample.error is None and sample.finish_reason == "stop"
        answers[sample.ordinal].append(extract.answer(sample.text) if ended else None)
    with Grader() as grader:
        return list(zip(records, (found.answer for found in vote_many(answers, grader)), strict=True))


def compare(words: list[str], place: Path) -> list[dict[str, Any]]:
    """A row for each rule, the fixed one first."""
    rows: list[dict[str, Any]] = []
    whole: list[tuple[Record, str | None]] = []
    for number, (name, options) in enumerate(RULES.items()):
        directory = place / str(number)
        counts = made([*words, *options], directory)["counts"]
        found = majorities(directory)
        whole = whole or found
        with Grader() as grader:
            right, before = ([_is(grader, r.expected_answer, a) for r, a in each] for each in (found, whole))
            other = sum(not _is(grader, a, b) for (_, a), (_, b) in zip(found, whole, strict=True) if a and b)
        rows.append(
            {
                "rule": name,
                "samples": counts["samples"],
                "tokens": counts["tokens"]["completion"],
                "majorities right": sum(right) / len(right),
                "gained": sum(now > then for now, then in zip(right, before, strict=True)),
                "lost": sum(now < then for now, then in zip(right, before, strict=True)),
                "other majority": other / len(right),
            }
        )
        rows[-1]["of the tokens"] = rows[-1]["tokens"] / rows[0]["tokens"]
    return rows


def _is(grader: Grader, one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and grader.compare(one, other) is Verdict.EQUAL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("words", nargs="*", help="options of jobs.generate")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = compare(asked.words, Path(place))
    heading = ["samples", "tokens", "majorities right", "gained", "lost", "other"]
    print(f"{'rule':<20} " + " ".join(f"{name:>{max(len(name), 7)}}" for name in heading))
    for row in rows:
        shares = f"{row['samples']:>7,} {row['of the tokens']:>7.2f} {row['majorities right']:>16.1%}"
        changed = f"{row['gained']:>7} {row['lost']:>7} {row['other majority']:>7.1%}"
        print(f"{row['rule']:<20} {shares} {changed}")
    print(json.dumps({"rules": rows}))


if __name__ == "__main__":
    main()
