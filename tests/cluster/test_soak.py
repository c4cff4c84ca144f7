"""Rounds of random faults on a Slurm of their own, in short; `make soak-slurm` is the long form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.cluster import why_not
from tests.soaking.chains import KINDS, draw_round

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_rounds_on_slurm_end_in_the_same_bytes_and_leave_nothing(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    words = ["tests.soak_slurm", "--rounds", "2", "--seed", "5", "--dir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=840
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum("same bytes" in line or "a hole of" in line for line in done.stdout.splitlines()) == 2
    assert not list(tmp_path.iterdir())


def test_a_round_on_slurm_draws_the_same_alone_as_among_others() -> None:
    drawn = [draw_round(1, number) for number in range(40)]
    assert drawn[7] == draw_round(1, 7) != draw_round(2, 7)
    assert {fault.kind for each in drawn for fault in each.faults} == set(KINDS)
