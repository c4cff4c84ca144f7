"""Half an hour of kills, pauses and full disks: every run still ends in the bytes of an undisturbed one.

    python -m tests.soak                                   # 30 minutes; make soak
    python -m tests.soak --minutes 240 --seed 7 --dir /scratch/soak
    python -m tests.soak --seed 7 --round 12               # that round alone

Round after round a run is planned, generated, reduced and published by the commands and the array tasks that
a user and Slurm start, while faults drawn from the seed befall it: SIGKILL, SIGSTOP with SIGCONT, and a full
disk (a small tmpfs, which takes root; without, that fault is left out). After every session all journals are
read and checked: what was on disk once must be there, nothing may be there twice. The published dataset must
be the bytes of an undisturbed run. Beside the rounds one task is at work all the time, and must not grow.

Prints a line for each round, then a table and a line of JSON. Exit code 1 on the first difference, with the
round's run and logs kept in DIR.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.soaking.checks import Difference
from tests.soaking.faults import FULL_DISK, KINDS, Disk, draw_session
from tests.soaking.rounds import References, Report, Round
from tests.soaking.steady import Figures, Steady

_DISK_BYTES = 64 << 20


def main() -> int:
    """Soaks for as long as is asked for; returns the exit code."""
    options = _options()
    folder = Path(tempfile.mkdtemp(dir=options.dir, prefix="soak-")).absolute()
    print(f"seed {options.seed}, in {folder}", flush=True)
    try:
        reports, steady = _soak(options, folder)
    except _Failed as failed:
        print(f"DIFFERENCE: {failed}", file=sys.stderr)
        print(f"kept: {folder}; again: {failed.again}", file=sys.stderr, flush=True)
        return 1
    shutil.rmtree(folder)
    _show(options.seed, reports, steady)
    return 0


class _Failed(Exception):
    """A difference, and in `again` the command that repeats its round."""

    def __init__(self, words: str, again: str) -> None:
        super().__init__(words)
        self.again = again


def _soak(options: argparse.Namespace, folder: Path) -> tuple[list[Report], Figures | None]:
    """Round after round until the time is over. Raises _Failed."""
    again = f"python -m tests.soak --seed {options.seed}"
    reports: list[Report] = []
    until = time.monotonic() + 60 * options.minutes
    with ExitStack() as stack:
        disk = stack.enter_context(Disk(folder / "disk", _DISK_BYTES))
        kinds = KINDS if disk.small else tuple(kind for kind in KINDS if kind != FULL_DISK)
        if not disk.small:
            print("no full disk among the faults: mounting a small tmpfs takes root", flush=True)
        references = References(folder)
        alone = options.round is not None
        steady = None if alone else stack.enter_context(Steady(folder, options.seed, 60 * options.minutes))
        numbers = [options.round] if alone else range(options.rounds or sys.maxsize)
        for number in numbers:
            if time.monotonic() >= until and not alone:
                break
            round_ = Round(
                number,
                references,
                disk,
                folder,
                lambda session, number=number: draw_session(options.seed, number, session, kinds),
            )
            try:
                reports.append(round_.play())
            except BaseException as error:
                round_.keep(folder)
                if not isinstance(error, Exception):
                    raise
                words = str(error) if isinstance(error, Difference) else traceback.format_exc()
                raise _Failed(f"round {number}: {words}", f"{again} --round {number}") from error
            print(_line(number, reports[-1]), flush=True)
            shutil.rmtree(round_.root)
            shutil.rmtree(round_.logs)
        try:
            return reports, steady.finish() if steady else None
        except Difference as error:
            raise _Failed(str(error), again) from error


def _line(number: int, report: Report) -> str:
    faults = ", ".join(f"{kind} {report.faults[kind]}" for kind in KINDS if report.faults[kind])
    return (
        f"round {number:3} {report.command:8} {report.sessions:2} sessions {report.seconds:6.1f} s"
        f"  same bytes  {faults or 'no fault'}"
    )


def _show(seed: int, reports: list[Report], steady: Figures | None) -> None:
    faults = sum((report.faults for report in reports), Counter())
    hits = sum((report.hits for report in reports), Counter())
    commands = Counter(report.command for report in reports)
    longest = max(range(len(reports)), key=lambda number: reports[number].seconds)
    rows = {
        "rounds": f"{len(reports)} ({_listed(commands)}), all with the bytes of an undisturbed run",
        "sessions": f"{sum(r.sessions for r in reports)}, {sum(r.arrays for r in reports)} of them arrays",
        "faults": _listed(faults),
        "kills that hit": _listed(hits),
        "killed and requeued at once": f"{sum(r.requeued for r in reports)}",
        "ended by a full disk": f"{sum(r.full_disk_failures for r in reports)}",
        "samples": f"{sum(r.samples for r in reports):,}, none lost and none twice",
        "bytes of the runs": f"{sum(r.bytes for r in reports):,}",
        "longest round": f"{reports[longest].seconds:.0f} s (the {longest + 1}.)",
    }
    if steady is not None:
        first, last = steady.resident_first / 1e6, steady.resident_last / 1e6
        work = f"{steady.samples:,} samples, {steady.flushes:,} flushes, {steady.pauses} pauses"
        rows |= {
            "the steady task": work,
            "its resident memory": f"{first:.1f} -> {last:.1f} MB",
            "its open files": f"{steady.files_first} -> {steady.files_last}",
        }
    print()
    for name, value in rows.items():
        print(f"{name:30}{value}")
    said = [vars(report) for report in reports]
    print(json.dumps({"seed": seed, "steady": steady and vars(steady), "rounds": said}))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="no new round begins after so many")
    parser.add_argument("--rounds", type=int, help="rounds at most")
    parser.add_argument("--round", type=int, help="this round alone, from 0")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="what faults are drawn from"
    )
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
