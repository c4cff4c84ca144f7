"""The benchmarks run, each at a size that takes seconds, and print their table and a line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench.__main__ import BENCHES, HERE

SMALL: dict[str, list[str]] = {
    "answers.py": ["DATA", "--pairs", "20"],
    "bookkeeping.py": ["--records", "200", "--journals", "4", "--tasks", "20", "--times", "1"],
    "combine.py": ["--rows", "2000"],
    "contamination.py": ["DATA", "--train", "20"],
    "decontaminate.py": ["DATA", "--problems", "500"],
    "explore.py": ["--problems", "500"],
    "generate.py": ["--rounds", "1", "data.size=2"],
    "journals.py": ["--keys", "2000", "--journals", "4"],
    "publish.py": ["--rows", "2000"],
    "reduce.py": ["--samples", "500", "--per-problem", "16", "--plain", "32", "--repeat", "1"],
    "sample_cost.py": ["--samples", "50"],
    "status.py": ["--tasks", "50"],
    "tokens.py": ["--samples", "64", "--repeat", "1"],
}


def test_every_benchmark_is_in_make_bench() -> None:
    parts = {"synthesise", "solutions", "__init__", "__main__"}  # of others
    assert BENCHES.keys() == {path.name for path in HERE.glob("*.py") if path.stem not in parts}
    assert SMALL.keys() == BENCHES.keys()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BENCHES)
def test_a_benchmark_ends_with_a_line_of_json(name: str, request: pytest.FixtureRequest) -> None:
    words = [str(request.getfixturevalue("shared_data")) if word == "DATA" else word for word in SMALL[name]]
    done = subprocess.run(
        [sys.executable, str(HERE / name), *words], cwd=HERE.parents[1], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.strip().splitlines()
    assert len(table) > 1
    assert isinstance(json.loads(last), dict)
