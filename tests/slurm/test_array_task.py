"""The program of an array task: what its log says when it crashes outright."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from omi_core.slurm import array_task
from omi_core.slurm.links import ChainEnded
from omi_core.stages.stopping import Stopped
from omi_core.store.files import read_json
from omi_core.store.layout import Layout

CRASHING = """
import os, signal
from omi_core.commands import job
from omi_core.slurm.array_task import STAGES

def crash(root, numbers, stop):
    os.kill(os.getpid(), signal.SIGSEGV)

STAGES["gate"] = crash
job.main(["run", "gate", "1"])
"""


def test_a_crash_is_told_with_the_place_where_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", CRASHING], capture_output=True, text=True)
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr
    assert "in crash" in done.stderr


def test_a_job_that_fails_leaves_word_and_a_run_that_goes_on_elsewhere_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Layout(tmp_path).job_trouble("12_3")
    left.parent.mkdir()

    def fail(error: Exception, stage: str = "reduce") -> None:
        with pytest.raises(type(error)), array_task.leaving_word(str(tmp_path), stage):
            raise error

    fail(KeyError("text"))
    assert not left.exists()  # outside of Slurm
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    fail(KeyError("text"))
    assert read_json(left)["class"] == "KeyError"
    fail(ChainEnded("the chain goes on"))
    assert not left.exists()
    fail(Stopped())
    fail(KeyError("text"), "generate")  # a shard leaves its own
    assert not left.exists()


def test_a_job_that_cannot_leave_word_says_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with (
        pytest.raises(array_task.Unwritable, match="OSError: full; "),
        array_task.leaving_word(str(tmp_path), "publish"),
    ):
        raise OSError("full")  # and there is no folder for logs


FULL = """
from omi_core.commands import job
from omi_core.slurm.array_task import STAGES

def full(root, numbers, stop):
    print("at work")
    raise OSError(28, "No space left on device")

STAGES["publish"] = full
raise SystemExit(job.main(["run", "publish", "1"]))
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_on_a_full_disk_that_holds_the_log_too_the_exit_code_says_so(tmp_path: Path) -> None:
    with open("/dev/full", "w") as log:
        done = subprocess.run(
            [sys.executable, "-c", FULL],
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env=os.environ | {"SLURM_JOB_ID": "7"},
        )
    assert done.returncode == array_task.UNWRITABLE
