"""What joining scores to samples costs in time and memory: a run of scores in the order of the samples.

    python -m tests.bench.scores                           # 500,000 samples, 32 of each problem
    python -m tests.bench.scores --samples 14000000

The dataset of scores is written and published by the product. "stream" asks for the scores of every sample,
as a reduce task with all records does, and checks the digest of each text; "last task of 100" begins at the
last hundredth. "held" is the same from a file in another order, all in memory, of 100,000 samples at most.
Each measurement runs in a process of its own, so that its peak memory is its own; "nothing" is that of a
process which only imports the same. Prints a table and a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import orjson

from omi_core.publish import CardInfo, PartWriter, publish
from omi_core.records import digest128
from omi_core.tasks import known
from omi_core.tasks.score_join import ScoreReader, text_digest
from tests.bench.journals import measured

_TEXT = "We add the numbers, step by step, and find the sum of all of them. " * 12
_TEXTS = [f"{_TEXT}The answer is \\boxed{{{number}}}." for number in range(997)]
_MOST_HELD = 100_000


def text_of(record: int, sample: int) -> str:
    return _TEXTS[(record * 7 + sample) % len(_TEXTS)]


@cache
def digest_of(text: str) -> str:
    return text_digest(text)


def row_of(record_id: str, record: int, sample: int) -> dict[str, Any]:
    return {
        "record_id": record_id,
        "sample": sample,
        "score": (record * 31 + sample * 17) % 1000 / 100 - 5,
        "tokens": 300,
        "right": sample % 3 > 0,
        "text_digest": digest_of(text_of(record, sample)),
    }


def write(place: Path, records: int, per_problem: int) -> dict[str, Any]:
    """Publishes the scores of all samples, and the first of them as a file in no order."""
    with PartWriter(place, 0, fingerprint="bench", schema=known()["scores"].schema) as part:
        for record in range(records):
            record_id = digest128("record", record)
            for sample in range(per_problem):
                part.write(row_of(record_id, record, sample))
        part.finish()
    card = CardInfo("bench", task="scores", teacher="bench", prompt="none", source="bench", samples=1)
    stats = publish([part.path], place / "dataset", card=card, config={"task": {"name": "scores"}})
    part.path.unlink()
    some = [
        row_of(digest128("record", at), at, sample)
        for at in range(held(records, per_problem))
        for sample in range(per_problem)
    ]
    Random(0).shuffle(some)
    with (place / "scores.jsonl").open("wb") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in some)
    return {"rows": stats["rows"]}


def held(records: int, per_problem: int) -> int:
    """Records whose scores are held in memory."""
    return min(records, _MOST_HELD // per_problem)


def read(given: Path, first: int, last: int, per_problem: int) -> dict[str, Any]:
    """Asks for the scores of these records, in order."""
    reader = ScoreReader("answers.scores", str(given))
    total = 0
    for record, asked in _asked(first, last, per_problem):
        total += sum(score is not None for score in reader.of(record, asked))
    assert total == (last - first) * per_problem
    return {"rows": total}


def _asked(first: int, last: int, per_problem: int) -> Iterator[tuple[str, list[tuple[int, str | None]]]]:
    for record in range(first, last):
        texts: list[tuple[int, str | None]] = [(at, text_of(record, at)) for at in range(per_problem)]
        yield digest128("record", record), texts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=500_000)
    parser.add_argument("--per-problem", type=int, default=32)
    parser.add_argument("--dir", type=Path, help="where to make (and remove) everything")
    options = parser.parse_args()
    per_problem = options.per_problem
    records = max(options.samples // per_problem, 100)
    place = Path(tempfile.mkdtemp(dir=options.dir, prefix="bench-scores-"))
    try:
        measured(write, place, records, per_problem)
        results = {
            "nothing": measured(read, place, 0, 0, per_problem),
            "stream": measured(read, place, 0, records, per_problem),
            "last task of 100": measured(read, place, records * 99 // 100, records, per_problem),
            "held": measured(read, place / "scores.jsonl", 0, held(records, per_problem), per_problem),
        }
    finally:
        shutil.rmtree(place)
    print(f"{records * per_problem:,} samples, {per_problem} of each problem\n")
    print(f"{'':20}{'samples':>12}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}")
    for name, result in results.items():
        print(
            f"{name:20}{result['rows']:12,}{result['seconds']:9.2f}{result['cpu']:9.2f}{result['peak_mb']:9.0f}"
        )
    print(json.dumps({"options": {"samples": records * per_problem}, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
