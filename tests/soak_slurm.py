"""Random faults on a real Slurm: every chain still ends in the bytes of an undisturbed run.

    python -m tests.soak_slurm                              # 60 rounds, about half an hour
    python -m tests.soak_slurm --rounds 10 --seed 7
    python -m tests.soak_slurm --seed 7 --round 12          # that round alone
    python -m tests.soak_slurm --adaptive                   # samples are drawn in rounds

Starts the throw-away Slurm of tests/cluster (root, and the packages that install.sh names there) and submits
run after run to it. Faults drawn from the seed befall all stages: SIGKILL to tasks and to whole jobs, SIGTERM
as before a preemption, the signal before a time limit, requeues, nodes that crash or are drained, a
controller that restarts, flipped bits in journals, jobs and tasks cancelled; beside them a user who cancels,
resumes a run that runs, and resumes one that has stopped, with other numbers of tasks. At no time may two
jobs make the same sample. A round ends when the run is published: with the bytes of an undisturbed run, or
under `run.min_coverage` with a hole that its statistics state.

Prints a line for each round, then a table. Exit code 1 on the first difference, with the run kept.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import processes
from tests.cluster.chain import WORK
from tests.cluster.cluster import Cluster, why_not
from tests.soaking.chains import Report, Round, draw_round
from tests.soaking.checks import Difference, digests

# Twice the samples, of which each problem gets a third at first.
ADAPTIVE = ("samples=8", "adaptive.first=3", "adaptive.step=2", "adaptive.confidence=0.9")


def main() -> int:
    """Soaks for as many rounds as are asked for; returns the exit code."""
    options = _options()
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(dir=options.dir, prefix="soak-slurm-")).absolute()
    print(f"seed {options.seed}, in {folder}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    processes.end_leftovers()
    words = ADAPTIVE if options.adaptive else ()
    expected = _undisturbed(folder / "undisturbed", words)
    numbers = [options.round] if options.round is not None else range(options.rounds)
    reports: list[Report] = []
    with Cluster() as cluster:
        for number in numbers:
            place = folder / f"round-{number}"
            place.mkdir()
            round_ = Round(cluster, place, draw_round(options.seed, number), expected, words)
            try:
                reports.append(round_.play())
            except Exception as error:
                words = str(error) if isinstance(error, Difference) else traceback.format_exc()
                print(f"DIFFERENCE: round {number}: {words}", file=sys.stderr)
                print("\n".join(round_.told), file=sys.stderr)
                again = f"python -m tests.soak_slurm --seed {options.seed} --round {number}"
                again += " --adaptive" * options.adaptive
                print(f"kept: {folder}; again: {again}", file=sys.stderr, flush=True)
                return 1
            print(_line(number, reports[-1]), flush=True)
            cluster.clean()
            shutil.rmtree(place)
    shutil.rmtree(folder)
    _show(reports)
    return 0


def _undisturbed(place: Path, words: Sequence[str]) -> dict[str, str]:
    """The files of the dataset that one machine makes, by their digests."""
    place.mkdir()
    command = [sys.executable, "-m", "jobs.generate", *WORK, "run.dir=run", *words]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return digests(place / "run/dataset")


def _line(number: int, report: Report) -> str:
    ended = f"a hole of {report.missing}" if report.missing else "same bytes"
    faults = ", ".join(f"{kind} {count}" for kind, count in report.faults.items() if count) or "no fault"
    return (
        f"round {number:3} {report.attempts} attempts {report.resumes} resumes {report.seconds:6.1f} s"
        f"  {ended}  {faults}"
    )


def _show(reports: list[Report]) -> None:
    faults = sum((report.faults for report in reports), Counter())
    stages = sum((report.stages for report in reports), Counter())
    holes = [report for report in reports if report.missing]
    rows = {
        "rounds": f"{len(reports)}, {len(reports) - len(holes)} with the bytes of an undisturbed run",
        "with a stated hole": f"{len(holes)}",
        "faults": ", ".join(f"{kind} {count}" for kind, count in faults.most_common()),
        "at work when they came": ", ".join(f"{stage} {count}" for stage, count in stages.most_common()),
        "not met": f"{sum(report.unmet for report in reports)}",
        "attempts of generate": f"{sum(report.attempts for report in reports)}",
        "resumes": f"{sum(report.resumes for report in reports)}",
        "longest round": f"{max(report.seconds for report in reports):.0f} s",
        "all rounds": f"{sum(report.seconds for report in reports):,.0f} s",
    }
    print()
    for name, value in rows.items():
        print(f"{name:26}{value}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=60, help="how many rounds")
    parser.add_argument("--round", type=int, help="this round alone, from 0")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="what faults are drawn from"
    )
    parser.add_argument("--adaptive", action="store_true", help="samples are drawn in rounds")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
