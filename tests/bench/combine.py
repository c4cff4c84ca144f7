"""What combining and mixing cost in time and memory, beside publishing the same rows.

    python -m tests.bench.combine                          # two inputs of 500,000 rows, a tenth of them kept
    python -m tests.bench.combine --rows 4000000

Each measurement runs in a process of its own, so that its peak memory is its own. Prints a table and a line
of JSON; `x publish` is CPU time against publishing the rows of one input in the same run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from omi_core.combine.combine_options import load_combine, load_mix
from omi_core.combine.combining import combine
from omi_core.combine.mixing import make_mix
from omi_core.publish import CardInfo, part_path, publish
from omi_core.publish.publish_options import Publish
from tests.bench.journals import measured
from tests.bench.publish import synthesise


def published(place: Path, parts: int) -> dict[str, Any]:
    """Publish the parts as the dataset of a run, with chat messages."""
    card = CardInfo("bench", task="solutions", teacher="bench", prompt="none", source="bench", samples=1)
    paths = [part_path(place, number) for number in range(parts)]
    return {
        "rows": publish(paths, place / "dataset", card=card, config={}, options=Publish(chat="answer"))[
            "rows"
        ]
    }


def combined(place: Path, values: dict[str, Any]) -> dict[str, Any]:
    out = place / "combined"
    rows = combine(load_combine(values | {"run": {"dir": str(out)}})).stats["rows"]
    shutil.rmtree(out)
    return {"rows": rows}


def mixed(place: Path, values: dict[str, Any]) -> dict[str, Any]:
    out = place / "mixed"
    rows = make_mix(load_mix(values | {"run": {"dir": str(out)}})).stats["rows"]
    shutil.rmtree(out)
    return {"rows": rows}


def write_keep(place: Path, problems: int) -> dict[str, Any]:
    """A file with every tenth problem of the rows."""
    import polars as pl

    rows = pl.read_parquet(place / "dataset/data/train-*.parquet", columns=["problem"])
    rows.unique(maintain_order=True).gather_every(10).write_parquet(place / "keep.parquet")
    return {"rows": problems}


def write_wrong(place: Path, rows: int) -> dict[str, Any]:
    """A file with other solutions of the same problems, one for each row."""
    import polars as pl

    every = pl.scan_parquet(place / "dataset/data/train-*.parquet").select("problem", "generated_solution")
    every.with_columns(pl.col("generated_solution") + " or not").sink_parquet(place / "wrong.parquet")
    return {"rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=500_000, help="rows of one input")
    parser.add_argument("--per-problem", type=int, default=24)
    parser.add_argument("--length", type=int, default=1000, help="bytes of a solution")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) everything")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.dir, prefix="bench-combine-"))
    try:
        parts = measured(synthesise, place, options.rows, options.per_problem, options.length)["parts"]
        results = {"publish": measured(published, place, parts)}
        measured(write_keep, place, options.rows // options.per_problem)
        inputs = [str(place), str(place / "dataset/data/train-*.parquet")]
        keep = {"keep_problems_of": str(place / "keep.parquet")}
        half = options.rows // 2
        other = {"share": 0.2, "kind": "other"}
        measured(write_wrong, place, options.rows)
        wrong = {"share": 0.2, "wrong": [str(place / "wrong.parquet")]}
        shares = {"a": {"path": str(place)}, "b": {"path": str(place), "share": 0.25}}
        results |= {
            "combine one input": measured(combined, place, {"inputs": inputs[:1]}),
            "combine, one of them a file": measured(combined, place, {"inputs": inputs}),
            "combine, a tenth kept": measured(combined, place, {"inputs": inputs[:1]} | keep),
            "combine, matched": measured(combined, place, {"inputs": inputs[:1], "match": [inputs[1]]}),
            "combine, half of the rows": measured(combined, place, {"inputs": inputs[:1], "rows": half}),
            "combine, 0.2 of another": measured(combined, place, {"inputs": inputs[:1], "noise": other}),
            "combine, 0.2 wrong": measured(combined, place, {"inputs": inputs[:1], "noise": wrong}),
            "mix one input": measured(mixed, place, {"inputs": {"a": {"path": str(place)}}}),
            "mix, a third more drawn": measured(mixed, place, {"inputs": shares}),
        }
    finally:
        shutil.rmtree(place)
    plain = results["publish"]
    print(f"{options.rows} rows in an input, {options.per_problem} for each problem\n")
    print(f"{'':30}{'rows':>10}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'x publish':>11}")
    for name, result in results.items():
        result["x_publish"] = result["cpu"] / plain["cpu"]
        print(
            f"{name:30}{result['rows']:10,}{result['seconds']:9.2f}{result['cpu']:9.2f}"
            f"{result['peak_mb']:9.0f}{result['x_publish']:11.2f}"
        )
    print(json.dumps({"options": {"rows": options.rows}, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
