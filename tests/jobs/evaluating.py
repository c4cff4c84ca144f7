"""Small evaluations for tests: benchmarks made here, and what lies in RUN/evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

REHEARSED = ("teacher=rehearsal", "cluster.workers=1")


def benchmark(
    place: Path, name: str, rows: list[dict[str, Any]], more: str = "", answer: str = "answer"
) -> str:
    """A YAML file of a benchmark, and the file of its rows."""
    (place / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    text = f"data: {{path: {name}.jsonl, answer: {answer}}}\nrows: {len(rows)}\nsource: made here\n{more}\n"
    (place / f"{name}.yaml").write_text(text)
    return f"{name}.yaml"


def sums(count: int) -> list[dict[str, Any]]:
    return [
        {"problem": f"What is {n} + 3?", "answer": str(n + 3), "level": f"Level {n % 3}", "type": "sums"}
        for n in range(count)
    ]


def outcome(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (directory / "evaluation").iterdir()}


def figures(directory: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """(benchmark, part, metric, k) → row of evaluation.json."""
    said = orjson.loads((directory / "evaluation/evaluation.json").read_bytes())
    return {(row["benchmark"], row["part"], row["metric"], row["k"]): row for row in said["rows"]}
