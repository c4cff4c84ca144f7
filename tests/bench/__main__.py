"""All benchmarks, small enough for a few minutes: `python -m tests.bench` (or `make bench`).

Each also runs by itself, `python -m tests.bench.NAME`, with options for larger sizes. Figures are ratios
within one run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[2] / "shared" / "data"
BENCHES: dict[str, list[str]] = {
    "adaptive": ["data.size=100", "samples=16"],
    "bookkeeping": ["--records", "30000", "--journals", "50", "--tasks", "500", "--times", "3"],
    "generate": ["--rounds", "3", "data.size=32"],
    "repair": ["--size", "60"],
    "sample_cost": ["--samples", "5000"],
    "graders": [str(DATA), "--each", "200", "--outputs", "400"],
    "journals": ["--keys", "200000", "--journals", "50"],
    "publish": ["--rows", "1000000", "--only", "splits"],
    "traces": ["--samples", "2000"],
    "combine": ["--rows", "50000"],
    "scores": ["--samples", "100000"],
    "status": ["--tasks", "2000"],
    "answers": [str(DATA), "--pairs", "200"],
    "mutations": [str(DATA), "--each", "300", "--rounds", "1", "--baseline", "20"],
    "reduce": ["--data", str(DATA), "--samples", "100000", "--plain", "2000", "--repeat", "1"],
    "tokens": [str(DATA), "--samples", "2000"],
    "decontaminate": [str(DATA), "--problems", "50000"],
    "contamination": [str(DATA), "--train", "1000"],
    "explore": ["--problems", "50000"],
    "records": ["--samples", "50000"],
    "languages": [str(DATA), "--texts", "1500"],
}


def main() -> int:
    """Runs every benchmark; returns 1 if one failed."""
    failed = 0
    for name, arguments in BENCHES.items():
        if str(DATA) in arguments and not DATA.is_dir():
            print(f"{name}: skipped, the folder {DATA} with real problems and answers is not there")
            continue
        print(f"\npython -m tests.bench.{name} {' '.join(arguments)}", flush=True)
        command = [sys.executable, "-m", f"tests.bench.{name}", *arguments]
        failed |= subprocess.run(command, cwd=HERE.parents[1], check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
