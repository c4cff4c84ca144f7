"""What publishing costs in time and memory, and how much of it further splits and the chat form add.

    python tests/bench/publish.py                          # 1e6 rows, 24 for each problem
    python tests/bench/publish.py --rows 14000000          # the size of OpenMathInstruct-2
    python tests/bench/publish.py --per-problem 1          # every row a problem of its own, the most memory

Each measurement runs in a process of its own, so that its peak memory is its own. Prints a table and a line
of JSON; `x train` is CPU time against publishing `train` alone in the same run, `x rows` the rows written
against its rows. The two splits hold a tenth and a half of the rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from journals import WORDS, measured

from omi_core.publish import CardInfo, PartWriter, part_path, publish

PART = 250_000
PROVENANCE = ("record_id", "sample", "votes", "voters", "agreement", "solution_tokens", "teacher")


def synthesise(place: Path, rows: int, per_problem: int, length: int) -> dict[str, Any]:
    """Write the parts; a solution is about `length` bytes, and every twentieth row is one that was there."""
    rng = np.random.default_rng(0)
    words = [WORDS[n] if n < len(WORDS) else str(n * 7919) for n in rng.integers(0, 200, 1 << 22)]
    text = " ".join(words)  # longer than zstd's window, so that it finds no solution in another
    for number, begin in enumerate(range(0, rows, PART)):
        with PartWriter(place, number, fingerprint="bench", provenance=PROVENANCE) as part:
            for row in range(begin, min(begin + PART, rows)):
                problem, sample = divmod(row, per_problem)
                again = sample - (sample % 20 == 19)
                start = (problem * 7_919_123 + again * 104_729) % (len(text) - length)
                part.write(
                    {
                        "problem": f"Problem {problem}: {text[problem % 50_000 : problem % 50_000 + 200]}",
                        "generated_solution": f"{problem} {again} {text[start : start + length]}",
                        "expected_answer": str(problem),
                        "problem_source": "bench",
                        "record_id": f"{problem:032x}",
                        "sample": sample,
                        "votes": per_problem,
                        "voters": per_problem,
                        "agreement": 1.0,
                        "solution_tokens": length // 4,
                        "teacher": "bench",
                    }
                )
            part.finish()
    return {"parts": -(-rows // PART)}


def run(place: Path, parts: int, splits: dict[str, int], chat: str | None) -> dict[str, Any]:
    """Publish, and count the rows written over all splits and forms."""
    card = CardInfo("bench", task="solutions", teacher="bench", prompt="none", source="bench", samples=1)
    paths = [part_path(place, number) for number in range(parts)]
    stats = publish(paths, place / "dataset", card=card, config={}, splits=splits, chat=chat)
    written = sum(split["rows"] for split in stats["splits"].values()) * (1 if chat is None else 2)
    size = sum(path.stat().st_size for path in (place / "dataset").rglob("*") if path.is_file())
    shutil.rmtree(place / "dataset")
    return {"rows": written, "bytes": size}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--per-problem", type=int, default=24)
    parser.add_argument("--length", type=int, default=1000, help="bytes of a solution")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) parts and datasets")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.dir, prefix="bench-publish-"))
    splits = {"tenth": options.rows // 10, "half": options.rows // 2}
    try:
        parts = measured(synthesise, place, options.rows, options.per_problem, options.length)["parts"]
        results = {
            "train": measured(run, place, parts, {}, None),
            "train and two splits": measured(run, place, parts, splits, None),
            "train and chat": measured(run, place, parts, {}, "answer"),
            "all of it": measured(run, place, parts, splits, "answer"),
        }
    finally:
        shutil.rmtree(place)
    plain = results["train"]
    print(
        f"{options.rows} rows, {options.per_problem} for each problem, {plain['rows']} without duplicates\n"
    )
    print(f"{'':22}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'x rows':>8}{'x train':>9}")
    for name, result in results.items():
        result["x_rows"] = result["rows"] / plain["rows"]
        result["x_train"] = result["cpu"] / plain["cpu"]
        print(
            f"{name:22}{result['seconds']:9.2f}{result['cpu']:9.2f}{result['peak_mb']:9.0f}"
            f"{result['x_rows']:8.2f}{result['x_train']:9.2f}"
        )
    print(
        json.dumps(
            {"options": {"rows": options.rows, "per_problem": options.per_problem}, "results": results}
        )
    )


if __name__ == "__main__":
    sys.exit(main())
