"""What tests of commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from omi_core.publish.verify import verify
from tests.conftest import Here
from tests.jobs.reducing import WRITERS, Reduce, Rows


@pytest.fixture
def reduce(here: Here, tmp_path: Path) -> Reduce:
    """Runs the command on rows; returns the published (problem, solution, expected answer) and stats.json."""

    def run(rows: Rows, *arguments: str, name: str = "in.jsonl") -> tuple[list[tuple[str, str, str]], Any]:
        WRITERS[name](tmp_path / name, rows)
        code, _, err = here("reduce", f"input={name}", "run.dir=run", "cluster.workers=1", *arguments)
        assert code == 0, err
        verify(tmp_path / "run/dataset")
        published = pl.read_parquet(tmp_path / "run/dataset/data/*.parquet")
        columns = published["problem"], published["generated_solution"], published["expected_answer"]
        stats = orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())
        return list(zip(*columns, strict=True)), stats

    return run
