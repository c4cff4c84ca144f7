"""The program of an array task: what its log says when it crashes outright."""

from __future__ import annotations

import signal
import subprocess
import sys

CRASHING = """
import os, signal
from omi_core.slurm import task
from jobs import _task

def crash(root, numbers, stop):
    os.kill(os.getpid(), signal.SIGSEGV)

task.STAGES["gate"] = crash
_task.main(["run", "gate", "1"])
"""


def test_a_crash_is_told_with_the_place_where_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", CRASHING], capture_output=True, text=True)
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr
    assert "in crash" in done.stderr
