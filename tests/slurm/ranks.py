"""The tasks of a job of two nodes, started here as srun starts them, with the variables that it sets."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from omi_core.config import Generate
from omi_core.stages.run import Run
from omi_core.store.journal import read_samples

SITE = ("+cluster=slurm", "cluster.partition=batch", "cluster.workers=1", "teacher.nodes=2")


def environment(rank: int, **more: str) -> dict[str, str]:
    """What srun sets for a task of a job of two nodes."""
    return {
        "SLURM_JOB_ID": "77",
        "SLURM_ARRAY_TASK_ID": "0",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": "0",
        "SLURM_JOB_NODELIST": "no-such-host[1-2]",
        "SLURMD_NODENAME": f"no-such-host{rank + 1}",
        "SLURM_LAUNCH_NODE_IPADDR": "127.0.0.1",
    } | more


class Ranks:
    """The two tasks of a running job, each with a log."""

    def __init__(self, run: Run[Generate], place: Path, stage: str, **more: str) -> None:
        self.logs = [place / f"rank{rank}.log" for rank in (0, 1)]
        self.tasks = []
        for rank, log in enumerate(self.logs):
            with log.open("wb") as file:
                self.tasks.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "jobs._task", str(run.layout.root), stage, "1", "0"],
                        env=os.environ | environment(rank, **more),
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                )

    def codes(self, timeout: float = 60) -> list[int]:
        return [task.wait(timeout) for task in self.tasks]

    def said(self, rank: int) -> str:
        return self.logs[rank].read_text()

    def end(self) -> None:
        for task in self.tasks:
            if task.poll() is None:
                task.kill()
            task.wait()


Start = Callable[..., tuple[Run[Generate], Ranks]]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)


def count(run: Run[Generate]) -> int:
    return sum(len(samples) for samples in read_samples(run.layout.journals(), 0, run.plan.records))


def trouble(run: Run[Generate]) -> dict[str, str]:
    return orjson.loads(run.layout.trouble(1, 0).read_bytes())
