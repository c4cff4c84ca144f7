"""What the tests of combining share: files of rows, published datasets, and how their files compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.publish import CardInfo, PartWriter, publish

Row = dict[str, Any]
Dataset = Callable[..., Path]


def write_lines(path: Path, rows: Iterable[Row]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def solution(problem: str, text: str = "2 + 3 = \\boxed{5}", **more: Any) -> Row:
    row = {"problem": problem, "generated_solution": text, "expected_answer": "5", "problem_source": "s"}
    return row | more


def chat(user: str, assistant: str = "Five.", system: str | None = None, **more: Any) -> Row:
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return {"messages": messages} | more


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def read_rows(dataset: Path, split: str = "train", folder: str = "data") -> list[Row]:
    import polars as pl

    return pl.read_parquet(dataset / folder / f"{split}-*.parquet").to_dicts()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Publishes rows as the dataset of a run: (name, rows, further arguments of `publish`) -> the run."""

    def make(name: str, rows: list[Row], teacher: str = "tiny", rehearsal: bool = False, **more: Any) -> Path:
        run = tmp_path / name
        run.mkdir()
        optional = [column for column in rows[0] if column in ("votes", "sample", "teacher")]
        with PartWriter(run, 0, fingerprint=name, provenance=optional) as part:
            for row in rows:
                part.write(row)
            part.finish()
        card = CardInfo(
            name=f"solutions of {name}",
            task="solutions",
            teacher=teacher,
            prompt="concise",
            source="demo",
            samples=1,
            rehearsal=rehearsal,
        )
        config = {"teacher": {"name": teacher}}
        publish([part.path], run / "dataset", card=card, config=config, **more)
        return run

    return make
