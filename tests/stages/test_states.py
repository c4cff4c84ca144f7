"""What is published is right or says what is missing, after many histories of a run directory."""

from __future__ import annotations

import subprocess
import sys

import pytest


def steps(histories: int, at_most: int) -> int:
    command = [sys.executable, "-m", "tests.stages.run_directory", str(histories), str(at_most)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return int(done.stdout.split()[-2])


def test_what_is_published_is_right_or_says_what_is_missing() -> None:
    assert steps(3, 15) >= 30


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_what_is_published_is_right_after_two_thousand_steps() -> None:
    assert steps(60, 40) >= 2000
