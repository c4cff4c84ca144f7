"""Tables of solutions, as the tests of `jobs.reduce` give them to the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import zstandard

Rows = list[dict[str, Any]]
Reduce = Callable[..., tuple[list[tuple[str, str, str]], dict[str, Any]]]


def box(answer: str) -> str:
    return f"It is $\\boxed{{{answer}}}$."


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def write_zst(path: Path, rows: Rows) -> None:
    path.write_bytes(zstandard.compress(b"".join(orjson.dumps(row) + b"\n" for row in rows)))


def write_parquet(path: Path, rows: Rows) -> None:
    pl.DataFrame(rows).write_parquet(path)


WRITERS = {"in.jsonl": write_jsonl, "in.jsonl.zst": write_zst, "in.parquet": write_parquet}


ONE_PER_ROW: Rows = [
    {"problem": "p", "generated_solution": box("1")},
    {"problem": "q", "generated_solution": box("2")},
    {"problem": "p", "generated_solution": box("3")},
    {"problem": "p", "generated_solution": box("1.0")},
]
LISTS: Rows = [
    {"problem": "p", "generated_solution": [box("1"), box("3"), box("1.0")]},
    {"problem": "q", "generated_solution": [box("2")]},
]
