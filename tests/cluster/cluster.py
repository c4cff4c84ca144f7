"""A real Slurm for the length of a test session: four nodes of eight pretended GPUs, all on this machine.

Everything lies under one temporary directory; no systemd, cgroup, /etc/slurm or fixed port is involved, so
several clusters can run side by side. Needs root (device nodes, daemons that change user) and the packages
that install.sh names.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.cluster import accounting as database
from tests.cluster import processes
from tests.cluster.calls import Calls
from tests.cluster.settings import CLUSTER_NAME, GPUS_PER_NODE, Site

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun", "slurmdbd", "mariadbd")
INSTALL = "tests/cluster/install.sh"
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


def why_not() -> str | None:
    """Why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return f"a throw-away Slurm needs root (and the packages of {INSTALL})"
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if shutil.which(program, path=search) is None]
    if missing:
        return f"Slurm is not installed here (no {', '.join(missing)}): run {INSTALL}"
    if "emulator" in os.path.realpath(shutil.which("slurmctld", path=search) or ""):
        return "slurm-wlm-emulator has taken the place of slurmctld: remove that package"
    return None


class Cluster:
    """A running cluster. `env` is what a subprocess needs to use it, `calls` what was asked of it."""

    def __init__(self, nodes: int = 4, accounting: bool = True) -> None:
        self.directory = processes.new_directory()
        self.nodes = tuple(f"n{i + 1}" for i in range(nodes))
        self.accounting = accounting
        for name in ("etc", "run", "log", "state", "dev", "spool", "jobs"):
            (self.directory / name).mkdir()
        self.calls = Calls(self.directory)
        ports = _free_ports(nodes + 2)
        self.site = Site(
            self.directory,
            self.nodes,
            controller_port=ports[0],
            accounting_port=ports[1] if accounting else None,
            node_ports=tuple(ports[2:]),
            version=_version(),
        )
        # SLURM_* of an enclosing job, and SBATCH_* of this user's habits, must not leak into the tests.
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SQUEUE", "SACCT"))}
        self._plain = outside | {
            "SLURM_CONF": str(self.site.conf),
            "PATH": f"{outside.get('PATH', '')}:/usr/sbin:/sbin",
        }
        self.env = self._plain | {"PATH": f"{self.calls.bin}:{self._plain['PATH']}"}
        self._daemons = {daemon.name: daemon for daemon in self._make_daemons()}

    # -- start and end -------------------------------------------------------------------------------------

    def __enter__(self) -> Cluster:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the jobs, the daemons and whatever of them is left, and remove the directory."""
        try:
            if self._daemons["slurmctld"].alive():
                self._daemons["slurmctld"].signal(signal.SIGCONT)
                self._cancel_all(10)
        except (AssertionError, subprocess.SubprocessError):
            pass  # what a broken cluster cannot cancel is killed below
        finally:
            for daemon in reversed(self._daemons.values()):
                daemon.stop(5)
            processes.kill_all(self.directory)
            shutil.rmtree(self.directory)

    def _start(self) -> None:
        self._write_settings()
        (self.directory / "etc" / "munge.key").touch(mode=0o600)
        (self.directory / "etc" / "munge.key").write_bytes(secrets.token_bytes(128))
        for i in range(GPUS_PER_NODE):
            os.mknod(self.directory / "dev" / f"nvidia{i}", 0o20666, os.makedev(1, 3))
        self._daemons["munged"].start()
        self.wait_for(self.site.munge_socket.exists, 10, "munged listens")
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        for node in self.nodes:
            (self.directory / "spool" / node).mkdir()
            self._daemons[node].start()
        for node in self.nodes:
            self.wait_for(lambda node=node: self._usable(node), 30, f"{node} is up")
        if self.accounting:
            self.wait_for(lambda: self._ask("sacct", "-n", "-X").returncode == 0, 20, "sacct answers")

    def _start_accounting(self) -> None:
        database.create(self.directory / "db", self.directory / "log" / "mariadb-create.log")
        self._daemons["mariadbd"].start()
        self.wait_for((self.directory / "run" / "mariadb.sock").exists, 30, "MariaDB listens")
        self._daemons["slurmdbd"].start()
        self.wait_for(lambda: self._manage("show", "cluster").returncode == 0, 30, "slurmdbd answers")
        for made in (
            ("cluster", CLUSTER_NAME),
            ("account", "lab", "Description=tests", "Organization=tests"),
            # A user of `lab` may submit anything; under this qos only a few jobs at a time.
            ("qos", "few", "MaxSubmitJobsPerUser=20", "MaxJobsPerUser=8"),
            ("user", "root", "Account=lab", "DefaultAccount=lab", "QOS=normal,few", "DefaultQOS=normal"),
        ):
            done = self._manage("add", *made)
            assert done.returncode == 0, f"sacctmgr add {made}: {done.stdout}{done.stderr}"

    def _manage(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return self._ask("sacctmgr", "-i", "-n", *argv)

    def _make_daemons(self) -> Iterator[processes.Daemon]:
        top, log = self.directory, self.directory / "log"

        def daemon(name: str, argv: list[str], **more: str) -> processes.Daemon:
            program = shutil.which(argv[0], path=self._plain["PATH"]) or argv[0]
            return processes.Daemon(name, [program, *argv[1:]], self._plain | more, log / f"{name}.out")

        munge = {"socket": self.site.munge_socket, "key-file": top / "etc" / "munge.key"}
        munge |= {"pid-file": top / "run" / "munged.pid", "log-file": log / "munged.log"}
        munge |= {"seed-file": top / "state" / "munge.seed", "num-threads": 4}
        yield daemon("munged", ["munged", "--foreground", *(f"--{key}={value}" for key, value in munge.items())])
        if self.accounting:
            mariadb = top / "run" / "mariadb.sock"
            yield daemon("mariadbd", database.command(top / "db", mariadb, log / "mariadbd.log"))
            yield daemon("slurmdbd", ["slurmdbd", "-D"], MYSQL_UNIX_PORT=str(mariadb))
        yield daemon("slurmctld", ["slurmctld", "-D"])
        for node in self.nodes:
            yield daemon(node, ["slurmd", "-D", "-N", node], SLURMD_NODENAME=node)

    def _write_settings(self) -> None:
        for name, text in self.site.files().items():
            path = self.directory / "etc" / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)

    # -- what a test asks ----------------------------------------------------------------------------------

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
        """squeue's rows, ended jobs of the last minutes included; only those of one job or array when named."""
        wanted = ",".join(f"{name}:{width}" for name, width in _FIELDS.items())
        done = self._ask("squeue", "-h", "-a", "-r", "-t", "all", "-O", wanted)
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
        done = self._ask("sacct", "-n", "-X", "-D", "-P", "-j", job_id, "-o", ",".join(fields))
        return [line.split("|") for line in done.stdout.splitlines()]

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str = "the condition") -> None:
        """Poll until the condition holds; AssertionError with the cluster's state when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:g} s in vain until {what}\n{self.report()}")
            time.sleep(0.1)

    def report(self) -> str:
        """squeue, sinfo and the ends of all logs, for a message that explains a failure."""
        parts = []
        for argv in (("squeue", "-a", "-t", "all"), ("sinfo", "-N", "-l")):
            parts.append(f"$ {' '.join(argv)}\n{self._ask(*argv).stdout}")
        for log in sorted((self.directory / "log").iterdir()):
            tail = log.read_text(errors="replace").splitlines()[-8:]
            parts.append(f"== {log.name}\n" + "\n".join(tail))
        return "\n".join(parts)

    # -- what can befall it --------------------------------------------------------------------------------

    def node_states(self) -> dict[str, str]:
        """State of each node as sinfo shows it: idle, mixed, allocated, drained, down, … (* = no answer)."""
        done = self._ask("sinfo", "-h", "-N", "-p", "batch", "-o", "%N %T")
        return dict(line.split() for line in done.stdout.splitlines())

    def crash(self, node: str, noticed: bool = False) -> None:
        """Kill a node with all it runs. Slurm notices after SlurmdTimeout, or at once when told so here."""
        self._daemons[node].kill()
        processes.kill_all(self.directory, node)
        if noticed:
            self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=crashed")

    def start(self, node: str) -> None:
        """Bring a crashed or drained node back, and wait until it takes jobs; nothing to do when it does."""
        self._daemons[node].start()
        self.wait_for(lambda: self._usable(node), 30, f"{node} is up")

    def drain(self, node: str) -> None:
        """Let a node finish what it runs and take nothing new."""
        self.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")

    def resume(self, node: str) -> None:
        """Let a drained node take jobs again."""
        self.run("scontrol", "update", f"nodename={node}", "state=resume")

    def stop_controller(self, crash: bool = False) -> None:
        """Stop slurmctld: in order, or by SIGKILL."""
        if crash:
            self._daemons["slurmctld"].kill()
        else:
            self._daemons["slurmctld"].stop(20)

    def start_controller(self) -> None:
        """Start slurmctld, and wait until it answers."""
        self._daemons["slurmctld"].start()
        self.wait_for(lambda: self._ask("scontrol", "ping").returncode == 0, 20, "slurmctld answers")

    @contextmanager
    def controller_hangs(self) -> Iterator[None]:
        """For a while slurmctld takes connections and answers none, like one that is overloaded."""
        self._daemons["slurmctld"].signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._daemons["slurmctld"].signal(signal.SIGCONT)

    @contextmanager
    def configured(self, **changes: str | int) -> Iterator[None]:
        """For a while lines of slurm.conf are others, such as MaxArraySize=11; restarts the controller twice."""
        before = self.site
        try:
            self._reconfigure(replace(before, changes=before.changes | {k: str(v) for k, v in changes.items()}))
            yield
        finally:
            self._reconfigure(before)

    def refuse_sbatch(self, times: int | None = None, seconds: float | None = None) -> None:
        """Make sbatch fail like with a busy controller; see Calls.refuse for other commands and messages."""
        self.calls.refuse("sbatch", times, seconds)

    def clean(self) -> None:
        """No job left, every node and the controller up, no refusal in force: how each test finds it."""
        self.calls.forget()
        self._daemons["slurmctld"].signal(signal.SIGCONT)
        self.start_controller()
        self._cancel_all(60)
        for node in self.nodes:
            self.start(node)
        self.calls.forget()

    # -- inside --------------------------------------------------------------------------------------------

    def _ask(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A question of our own: not counted, never refused, and no error when the controller is away."""
        try:
            return self._run(argv, self._plain, 15, None, None)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 124, "", "no answer")

    def _run(
        self, argv: tuple[str, ...], env: Mapping[str, str], timeout: float, stdin: str | None, cwd: Path | None
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

    def _usable(self, node: str) -> bool:
        """Whether a node takes jobs; one that is down or drained is told to, the others only need time."""
        state = self.node_states().get(node, "unknown")
        if state.startswith(("down", "drain", "fail")):
            self._ask("scontrol", "update", f"nodename={node}", "state=resume")
        return state in ("idle", "mixed", "allocated")

    def _reconfigure(self, site: Site) -> None:
        self.stop_controller()
        self.site = site
        self._write_settings()
        self.start_controller()

    def _cancel_all(self, seconds: float) -> None:
        def none_left() -> bool:
            return not self._ask("squeue", "-h", "-a", "-o", "%i").stdout.strip()

        if none_left():
            return
        self._ask("scancel", "--user=root", "--state=PENDING")
        self._ask("scancel", "--user=root", "--signal=KILL", "--full")
        self._ask("scancel", "--user=root")
        self.wait_for(none_left, seconds, "no job is left")


def _row(line: str) -> Job:
    cells, at = [], 0
    for width in _FIELDS.values():
        cells.append(line[at : at + width].strip())
        at += width
    return Job(cells[0], cells[1], cells[2], int(cells[3] or 0), cells[4], cells[5])


def _version() -> tuple[int, int]:
    # The commands want a configuration before they tell their version, the daemons do not.
    told = subprocess.run(["/usr/sbin/slurmctld", "-V"], capture_output=True, text=True, timeout=30).stdout
    found = re.search(r"(\d+)\.(\d+)", told)
    if found is None:
        raise RuntimeError(f"slurmctld -V says {told!r}")
    return int(found[1]), int(found[2])


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, all different; held together while choosing."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
