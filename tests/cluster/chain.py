"""One run on a throw-away cluster as its user sees it: commands typed, and what then lies on disk.

Also what can befall the processes of its tasks. What can befall the site is in `cluster.py`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from tests.cluster.client import QUEUED, Job
from tests.cluster.cluster import Cluster

# What all chains make unless a test says otherwise, so that one undisturbed dataset serves them all.
WORK = ("teacher=rehearsal", "data.size=24", "samples=4", "publish.splits.small=40", "cluster.workers=1")
SITE = (
    "+cluster=slurm",
    "cluster.partition=batch",
    "cluster.cpu_partition=cpu",
    "cluster.cpus=1",
    "cluster.time=10",
    "cluster.cpu_time=10",
)
# Some seconds of work for each of two tasks, with frames to be killed between.
SLOW = ("tasks=2", "teacher.rehearsal.latency=0.3", "engine.max_num_seqs=4", "run.flush_samples=2")
# Longer than it takes to type a command or two on a machine that is busy.
LONG = (*SLOW, "teacher.rehearsal.latency=2.5")

Done = subprocess.CompletedProcess[str]


class Chain:
    """The run `place`/`name` on a cluster."""

    def __init__(self, cluster: Cluster, place: Path, name: str = "run") -> None:
        self.cluster, self.place, self.name = cluster, place, name
        self.run = place / name

    # -- what a user types ---------------------------------------------------------------------------------

    def type(self, command: str, *arguments: str) -> Done:
        """Runs `python -m jobs.<command>` on the login node."""
        started = self.start(command, *arguments)
        out, err = started.communicate(timeout=150)
        return subprocess.CompletedProcess(started.args, started.returncode, out, err)

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        """The same without waiting for it."""
        return subprocess.Popen(
            [sys.executable, "-m", f"jobs.{command}", *arguments],
            cwd=self.place,
            env=self.cluster.env | {"COLUMNS": "160"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def submit(self, *options: str) -> Done:
        """Plans and submits the run; AssertionError with what was printed unless that succeeds."""
        done = self.type("generate", *WORK, *SITE, f"run.dir={self.name}", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def resume(self, *options: str) -> Done:
        """Resumes the run; AssertionError with what was printed unless that succeeds."""
        done = self.type("resume", self.name, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def status(self) -> dict[str, Any]:
        """What `jobs.status RUN json=true` says."""
        done = self.type("status", self.name, "json=true")
        assert done.returncode == 0, done.stderr
        return orjson.loads(done.stdout)[0]

    # -- what lies on disk ---------------------------------------------------------------------------------

    def ledger(self, stage: str | None = None) -> list[dict[str, Any]]:
        """The entries of the ledger, those of one stage when it is named."""
        path = self.run / "ledger.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [entry for line in lines if stage in (None, (entry := orjson.loads(line))["stage"])]

    def job(self, stage: str) -> str:
        """The id of the stage's last job or array."""
        return self.ledger(stage)[-1]["job"]

    def attempts(self) -> int:
        """How often the generate stage was submitted."""
        return len({entry["attempt"] for entry in self.ledger("generate")})

    def logs(self) -> str:
        """What all tasks have printed."""
        return "\n".join(path.read_text() for path in sorted((self.run / "logs").glob("*.log")))

    def manifests(self) -> list[dict[str, Any]]:
        """The manifests of all shards that ended by themselves, with `ended` in seconds since the epoch."""
        paths = sorted((self.run / "generate").glob("????-?????.json"))
        return [orjson.loads(path.read_bytes()) | {"ended": path.stat().st_mtime} for path in paths]

    # -- waiting -------------------------------------------------------------------------------------------

    def begun(self) -> None:
        """Waits until every task of the array has written samples."""

        def all_write() -> bool:
            journals = (self.run / "generate").glob("*.jsonl.zst")
            return (
                sum(path.stat().st_size > 0 for path in journals)
                >= self.ledger("generate")[-1]["array"][1] + 1
            )

        self.cluster.wait_for(all_write, 60, f"samples of every task; logs:\n{self.logs()}")

    def grown(self) -> None:
        """Waits until there are more samples on disk than now."""
        before = self._bytes()
        self.cluster.wait_for(lambda: self._bytes() > before, 60, f"more samples; logs:\n{self.logs()}")

    def _bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.run / "generate").glob("*.jsonl.zst"))

    def dataset(self, seconds: float = 120) -> dict[str, bytes]:
        """Waits for the dataset; its files by their names, none that was not there when it was published."""
        stats = self.run / "dataset/stats.json"
        try:
            self.cluster.wait_for(stats.exists, seconds, "the dataset is published")
        except AssertionError as error:
            raise AssertionError(f"{error}\n== the run's logs\n{self.logs()}\n{self.ledger()}") from None
        return files(self.run / "dataset")

    def end(self, seconds: float = 90) -> str:
        """Waits until the chain has ended itself and its jobs have left; the reason it gives."""
        self.cluster.wait_for(lambda: bool(self.ledger("end")), seconds, f"the end; logs:\n{self.logs()}")
        self.idle()
        return self.ledger("end")[-1]["reason"]

    def idle(self, seconds: float = 60) -> None:
        """Waits until no job waits or runs on the cluster."""
        self.cluster.wait_for(lambda: not self.queued(), seconds, "the queue is empty")

    def queued(self) -> list[Job]:
        """Jobs that wait or run, whoever they belong to; array tasks one by one."""
        return [job for job in self.cluster.jobs() if job.state in QUEUED]

    # -- what can befall the tasks -------------------------------------------------------------------------

    def processes(self, stage: str) -> list[int]:
        """Ids of the processes that work on a stage, the programs themselves and not srun."""
        wanted = f"jobs._task\0{self.run}\0{stage}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:  # it ended meanwhile
                continue
            if wanted in command and b"python" in command.split(b"\0")[0]:
                found.append(int(entry.name))
        return found

    def kill(self, stage: str, number: signal.Signals = signal.SIGKILL, seconds: float = 60) -> None:
        """Waits until a stage is at work, and signals its processes."""
        self.cluster.wait_for(lambda: bool(self.processes(stage)), seconds, f"{stage} runs")
        for pid in self.processes(stage):
            os.kill(pid, number)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For a while somebody else works on the run, so that gate and publish wait."""
        with (self.run / ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
