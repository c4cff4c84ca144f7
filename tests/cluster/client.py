"""What a user of the throw-away Slurm does with it: run commands, submit, look at the queue, wait."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

QUEUED = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "STOPPED", "SIGNALING")
# Fields of squeue --Format and the columns they get.
_FIELDS = {"JobArrayID": 30, "State": 20, "NodeList": 20, "RestartCnt": 8, "Reason": 40, "Name": 40}


@dataclass(frozen=True)
class Job:
    """One row of squeue: a job, or one task of an array (`id` is then like 12_3)."""

    id: str
    state: str
    node: str
    restarts: int
    reason: str
    name: str


class Client:
    """Commands on a cluster whose files lie in `directory`.

    `env` is what a subprocess needs to use it as a user would, with calls counted and refused; `own_env` is
    for questions that the tests ask for themselves, which must be neither.
    """

    def __init__(self, directory: Path, env: Mapping[str, str], own_env: Mapping[str, str]) -> None:
        self.directory, self.env, self.own_env = directory, dict(env), dict(own_env)

    def controller_runs(self) -> bool:
        """Whether there is a slurmctld to ask."""
        raise NotImplementedError

    def run(
        self,
        *argv: str,
        timeout: float = 30,
        check: bool = True,
        stdin: str | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user of the cluster would; AssertionError with its output when `check` fails."""
        done = self._run(argv, self.env | dict(env or {}), timeout, stdin, cwd)
        if check and done.returncode != 0:
            raise AssertionError(f"{argv} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def submit(self, body: str, *options: str, cwd: Path | None = None) -> str:
        """sbatch a shell script; the job id. Its output lies in slurm-*.out of `cwd` (own folder of jobs)."""
        done = self.run("sbatch", "--parsable", *options, stdin=f"#!/bin/bash\n{body}\n", cwd=cwd)
        return done.stdout.strip().split(";")[0]

    def output(self, job: str) -> str:
        """What job 12, or task 12_3 of an array, has printed so far."""
        path = self.directory / "jobs" / f"slurm-{job}.out"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def jobs(self, of: str | None = None) -> list[Job]:
        """Rows of squeue, jobs that ended lately included; only those of one job or array when named."""
        if not self.controller_runs():
            return []  # what squeue would tell us only after trying for MessageTimeout
        wanted = ",".join(f"{name}:{width}" for name, width in _FIELDS.items())
        done = self.ask("squeue", "-h", "-a", "-r", "-t", "all", "-O", wanted)
        if done.returncode != 0:
            return []
        rows = [_row(line) for line in done.stdout.splitlines() if line.strip()]
        return [row for row in rows if of is None or row.id == of or row.id.startswith(f"{of}_")]

    def job(self, job_id: str) -> Job:
        """The one row of a job; LookupError when squeue has forgotten it."""
        for row in self.jobs(job_id):
            if row.id == job_id:
                return row
        raise LookupError(f"squeue knows no job {job_id}")

    def states(self, job_id: str) -> set[str]:
        """The states of a job, or of all tasks of an array."""
        return {row.state for row in self.jobs(job_id)}

    def done(self, job_id: str) -> bool:
        """Whether the job and all its tasks have ended for good; False while squeue tells nothing of it."""
        states = self.states(job_id)
        return bool(states) and not states & set(QUEUED)

    def settled(self, job_id: str, seconds: float = 60) -> set[str]:
        """Wait until the job has ended; its states then."""
        self.wait_for(lambda: self.done(job_id), seconds, f"job {job_id} ends")
        return self.states(job_id)

    def sacct(self, job_id: str, *fields: str) -> list[list[str]]:
        """Rows of sacct for a job's allocations (not its steps), duplicates of requeued jobs included."""
        done = self.ask("sacct", "-n", "-X", "-D", "-P", "-j", job_id, "-o", ",".join(fields))
        return [line.split("|") for line in done.stdout.splitlines()]

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str = "the condition") -> None:
        """Poll until the condition holds; AssertionError with the cluster's state when it never does."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:g} s in vain until {what}\n{self.report()}")
            time.sleep(0.1)

    def report(self) -> str:
        """squeue, sinfo and the ends of all logs, for a message that explains a failure."""
        parts = []
        for argv in (("squeue", "-a", "-t", "all"), ("sinfo", "-N", "-l")):
            parts.append(f"$ {' '.join(argv)}\n{self.ask(*argv).stdout}")
        for log in sorted((self.directory / "log").iterdir()):
            tail = log.read_text(errors="replace").splitlines()[-8:]
            parts.append(f"== {log.name}\n" + "\n".join(tail))
        return "\n".join(parts)

    def node_states(self) -> dict[str, str]:
        """State of each node as sinfo shows it: idle, mixed, allocated, drained, down, … (* = no answer)."""
        done = self.ask("sinfo", "-h", "-N", "-p", "batch", "-o", "%N %T")
        return dict(line.split() for line in done.stdout.splitlines())

    def ask(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A question of our own: not counted, never refused, and no error when the controller is away."""
        try:
            return self._run(argv, self.own_env, 15, None, None)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 124, "", "no answer")

    def _run(
        self,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        timeout: float,
        stdin: str | None,
        cwd: Path | None,
    ) -> subprocess.CompletedProcess[str]:
        program = shutil.which(argv[0], path=env["PATH"]) or argv[0]
        return subprocess.run(
            [program, *argv[1:]],
            env=dict(env),
            cwd=cwd or self.directory / "jobs",
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
        )


def _row(line: str) -> Job:
    cells, at = [], 0
    for width in _FIELDS.values():
        cells.append(line[at : at + width].strip())
        at += width
    return Job(cells[0], cells[1], cells[2], int(cells[3] or 0), cells[4], cells[5])
