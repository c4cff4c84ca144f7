"""All benchmarks, small enough for a few minutes: `python -m tests.bench` (or `make bench`).

Each script also runs by itself, with options for larger sizes; figures are ratios within one run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[2] / "shared" / "data"
BENCHES: dict[str, list[str]] = {
    "bookkeeping.py": ["--records", "30000", "--journals", "50", "--tasks", "500", "--times", "3"],
    "generate.py": ["--rounds", "3", "data.size=32"],
    "sample_cost.py": ["--samples", "5000"],
    "journals.py": ["--keys", "200000", "--journals", "50"],
    "publish.py": ["--rows", "1000000", "--only", "splits"],
    "combine.py": ["--rows", "50000"],
    "status.py": ["--tasks", "2000"],
    "answers.py": [str(DATA), "--pairs", "200"],
    "reduce.py": ["--data", str(DATA), "--samples", "100000", "--plain", "2000", "--repeat", "1"],
    "tokens.py": [str(DATA), "--samples", "2000"],
    "decontaminate.py": [str(DATA), "--problems", "50000"],
    "contamination.py": [str(DATA), "--train", "1000"],
    "explore.py": ["--problems", "50000"],
}


def main() -> int:
    """Runs every benchmark; returns 1 if one failed."""
    failed = 0
    for name, arguments in BENCHES.items():
        if str(DATA) in arguments and not DATA.is_dir():
            print(f"{name}: skipped, the folder {DATA} with real problems and answers is not there")
            continue
        print(f"\n{name} {' '.join(arguments)}", flush=True)
        command = [sys.executable, str(HERE / name), *arguments]
        failed |= subprocess.run(command, cwd=HERE.parents[1], check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
