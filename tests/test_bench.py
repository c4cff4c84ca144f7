"""The benchmarks run, each at a size that takes seconds, and print their table and a line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench.__main__ import BENCHES, HERE

SMALL: dict[str, list[str]] = {
    "adaptive": ["teacher=rehearsal", "data.size=20", "samples=8"],
    "answers": ["DATA", "--pairs", "20"],
    "bookkeeping": ["--records", "200", "--journals", "4", "--tasks", "20", "--times", "1"],
    "combine": ["--rows", "2000"],
    "contamination": ["DATA", "--train", "20"],
    "decontaminate": ["DATA", "--problems", "500"],
    "explore": ["--problems", "500"],
    "generate": ["--rounds", "1", "data.size=2"],
    "graders": ["DATA", "--each", "10", "--outputs", "40"],
    "journals": ["--keys", "20000", "--journals", "4"],
    "languages": ["DATA", "--texts", "100"],
    "mutations": ["DATA", "--each", "5", "--rounds", "0", "--baseline", "1"],
    "publish": ["--rows", "2000"],
    "records": ["--samples", "6400", "--copies", "2"],
    "reduce": ["--samples", "500", "--per-problem", "16", "--plain", "32", "--repeat", "1"],
    "repair": ["--size", "30", "--teachers", "rehearsal"],
    "sample_cost": ["--samples", "50"],
    "scores": ["--samples", "6400"],
    "status": ["--tasks", "50"],
    "tokens": ["--samples", "64", "--repeat", "1"],
    "traces": ["--samples", "16", "--kilobytes", "20"],
}


def test_every_benchmark_is_in_make_bench() -> None:
    parts = {"synthesise", "solutions", "other_graders", "__main__"}  # of others
    assert BENCHES.keys() == {path.stem for path in HERE.glob("*.py") if path.stem not in parts}
    assert SMALL.keys() == BENCHES.keys()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BENCHES)
def test_a_benchmark_ends_with_a_line_of_json(name: str, request: pytest.FixtureRequest) -> None:
    words = [str(request.getfixturevalue("shared_data")) if word == "DATA" else word for word in SMALL[name]]
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{name}", *words],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.strip().splitlines()
    assert len(table) > 1
    assert isinstance(json.loads(last), dict)
