"""What is published is right or says what is missing, after many histories of a run directory."""

from __future__ import annotations

import subprocess
import sys

import pytest


def try_histories(number: int, at_most: int) -> tuple[int, int]:
    """The steps of all histories, and those after which a dataset with a hole was there."""
    command = [sys.executable, "-m", "tests.stages.run_directory", str(number), str(at_most)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    steps, _, holes, *_ = done.stdout.split()
    return int(steps), int(holes)


def test_what_is_published_is_right_or_says_what_is_missing() -> None:
    steps, _ = try_histories(3, 15)
    assert steps >= 30


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_what_is_published_is_right_after_two_thousand_steps() -> None:
    steps, holes = try_histories(60, 40)
    assert steps >= 2000 and holes >= 10
