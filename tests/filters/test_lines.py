"""The filter on lines, from the option to the dataset. Its examples run in test_filters.py."""

from __future__ import annotations

from pathlib import Path

import orjson
import polars as pl

from tests.conftest import Here

WORK = ("teacher=rehearsal", "data.size=8", "samples=4", "cluster.workers=1")


def test_solutions_of_more_lines_are_left_out_and_counted(here: Here, tmp_path: Path) -> None:
    lines: dict[str, int] = {}
    for limit in ("null", "3"):
        code, _, err = here("generate", *WORK, f"filters.max_lines={limit}", f"run.dir=at-{limit}")
        assert code == 0, err
        rows = pl.read_parquet(tmp_path / f"at-{limit}" / "dataset/**/*.parquet")["generated_solution"]
        lines[limit] = max(len(solution.splitlines()) for solution in rows)
    assert lines["null"] > lines["3"] == 3
    counts = [
        orjson.loads((tmp_path / f"at-{limit}" / "dataset/stats.json").read_bytes())["counts"]["filters"]
        for limit in lines
    ]
    assert "max_lines" not in counts[0]
    assert counts[1]["max_lines"]["dropped"] > 0
