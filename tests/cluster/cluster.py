"""A real Slurm for the length of a test session: four nodes of eight pretended GPUs, all on this machine.

Everything lies under one temporary directory; no systemd, cgroup, /etc/slurm or fixed port is involved, so
several clusters can run side by side. Needs root (device nodes, daemons that change user) and the packages
that install.sh names.
"""

from __future__ import annotations

import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tests.cluster import accounting as database
from tests.cluster import processes
from tests.cluster.calls import Calls
from tests.cluster.client import Client
from tests.cluster.settings import CLUSTER_NAME, GPUS_PER_NODE, Site

# For each step of a start. Several sessions may start their clusters at once, on a machine of few cores.
_START_S = 120.0
# Below those that the kernel gives to outgoing connections, one of which might take a port before its daemon.
_PORTS = range(12000, 30000)
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun", "slurmdbd", "mariadbd")
INSTALL = "tests/cluster/install.sh"


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


class Cluster(Client):
    """A running cluster, and all that can befall it. `calls` is the log of what users asked of it."""

    def __init__(self, nodes: int = 4, accounting: bool = True) -> None:
        version = _version()
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
            version=version,
        )
        # SLURM_* of an enclosing job, and SBATCH_* of this user's habits, must not leak into the tests.
        outside = {
            k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SQUEUE", "SACCT"))
        }
        path = f"{outside.get('PATH', '')}:/usr/sbin:/sbin"
        plain = outside | {"SLURM_CONF": str(self.site.conf), "PATH": path}
        super().__init__(self.directory, plain | {"PATH": f"{self.calls.bin}:{path}"}, plain)
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
        """Kill the daemons and all they run, and remove the directory: nothing of it is needed again."""
        for daemon in reversed(self._daemons.values()):
            daemon.kill()
        processes.kill_all(self.directory)
        shutil.rmtree(self.directory)

    def _start(self) -> None:
        self._write_settings()
        (self.directory / "etc" / "munge.key").touch(mode=0o600)
        (self.directory / "etc" / "munge.key").write_bytes(secrets.token_bytes(128))
        for i in range(GPUS_PER_NODE):
            os.mknod(self.directory / "dev" / f"nvidia{i}", 0o20666, os.makedev(1, 3))
        self._daemons["munged"].start()
        self.wait_for(self.site.munge_socket.exists, _START_S, "munged listens")
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        for node in self.nodes:
            (self.directory / "spool" / node).mkdir()
            self._daemons[node].start()
        for node in self.nodes:
            self.wait_for(lambda node=node: self._usable(node), _START_S, f"{node} is up")
        if self.accounting:
            self.wait_for(lambda: self.ask("sacct", "-n", "-X").returncode == 0, _START_S, "sacct answers")

    def _start_accounting(self) -> None:
        database.create(self.directory / "db", self.directory / "log" / "mariadb-create.log")
        self._daemons["mariadbd"].start()
        self.wait_for((self.directory / "run" / "mariadb.sock").exists, _START_S, "MariaDB listens")
        self._daemons["slurmdbd"].start()
        self.wait_for(lambda: self._manage("show", "cluster").returncode == 0, _START_S, "slurmdbd answers")
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
        return self.ask("sacctmgr", "-i", "-n", *argv)

    def _make_daemons(self) -> Iterator[processes.Daemon]:
        top, log = self.directory, self.directory / "log"

        def daemon(name: str, argv: list[str], **more: str) -> processes.Daemon:
            program = shutil.which(argv[0], path=self.own_env["PATH"]) or argv[0]
            return processes.Daemon(name, [program, *argv[1:]], self.own_env | more, log / f"{name}.out")

        munge = {"socket": self.site.munge_socket, "key-file": top / "etc" / "munge.key"}
        munge |= {"pid-file": top / "run" / "munged.pid", "log-file": log / "munged.log"}
        munge |= {"seed-file": top / "state" / "munge.seed", "num-threads": 4}
        yield daemon(
            "munged", ["munged", "--foreground", *(f"--{key}={value}" for key, value in munge.items())]
        )
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

    # -- what can befall it --------------------------------------------------------------------------------

    def crash(self, node: str, noticed: bool = False) -> None:
        """Kill a node with all it runs. Slurm notices after SlurmdTimeout, or at once when told so here."""
        self._daemons[node].kill()
        processes.kill_all(self.directory, node)
        if noticed:
            self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=crashed")

    def cut_off(self, node: str) -> None:
        """Let a node lose touch: its daemon is gone and Slurm gives it up, and what it runs goes on."""
        self._daemons[node].kill()
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=cut off")

    def start(self, node: str) -> None:
        """Bring a crashed or drained node back, and wait until it takes jobs; nothing to do when it does."""
        self._daemons[node].start()
        self.wait_for(lambda: self._usable(node), _START_S, f"{node} is up")

    def drain(self, node: str) -> None:
        """Let a node finish what it runs and take nothing new."""
        self.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")

    def resume(self, node: str) -> None:
        """Let a drained node take jobs again."""
        self.run("scontrol", "update", f"nodename={node}", "state=resume")

    @contextmanager
    def closed(self, partition: str = "batch") -> Iterator[None]:
        """For a while the jobs of a partition wait; those that run already go on."""
        self.run("scontrol", "update", f"partitionname={partition}", "state=down")
        try:
            yield
        finally:
            self.run("scontrol", "update", f"partitionname={partition}", "state=up")

    def controller_runs(self) -> bool:
        return self._daemons["slurmctld"].alive()

    def stop_controller(self, crash: bool = False) -> None:
        """Stop slurmctld: in order, or by SIGKILL."""
        if crash:
            self._daemons["slurmctld"].kill()
        else:
            self._daemons["slurmctld"].stop(20)

    def remembered(self) -> None:
        """Wait until all jobs there are now would be known to a controller started after a crash."""
        now = time.time()
        state = self.directory / "state" / "job_state"
        self.wait_for(lambda: state.exists() and state.stat().st_mtime > now, 30, "the jobs are saved")

    def start_controller(self) -> None:
        """Start slurmctld, and wait until it answers."""
        self._daemons["slurmctld"].start()
        self.wait_for(lambda: self.ask("scontrol", "ping").returncode == 0, _START_S, "slurmctld answers")

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
        """For a while lines of slurm.conf are others, such as MaxArraySize=11; restarts it twice."""
        before = self.site
        try:
            self._reconfigure(
                replace(before, changes=before.changes | {k: str(v) for k, v in changes.items()})
            )
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

    def strays(self) -> list[str]:
        """Processes of the cluster that are none of its own: while no job runs, what one has left behind."""
        own = ("munged", "mariadbd", "slurm")
        found = []
        for pid in processes.belonging_to(self.directory):
            with suppress(OSError):  # it ends as we look
                command = (
                    Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                if not Path(f"/proc/{pid}/comm").read_text().startswith(own):
                    found.append(f"{pid} {command}")
        return found

    # -- inside --------------------------------------------------------------------------------------------

    def _usable(self, node: str) -> bool:
        """Whether a node takes jobs; one that is down or drained is told to, the others only need time."""
        state = self.node_states().get(node, "unknown")
        if state.startswith(("down", "drain", "fail")):
            self.ask("scontrol", "update", f"nodename={node}", "state=resume")
        return state in ("idle", "mixed", "allocated")

    def _reconfigure(self, site: Site) -> None:
        self.stop_controller()
        self.site = site
        self._write_settings()
        self.start_controller()

    def _cancel_all(self, seconds: float) -> None:
        def none_left() -> bool:
            return not self.ask("squeue", "-h", "-a", "-o", "%i").stdout.strip()

        if none_left():
            return
        self.ask("scancel", "--user=root", "--state=PENDING")
        self.ask("scancel", "--user=root", "--signal=KILL", "--full")
        self.ask("scancel", "--user=root")
        self.wait_for(none_left, seconds, "no job is left")


def _version() -> tuple[int, int]:
    # The commands want a configuration before they tell their version, the daemons do not.
    told = subprocess.run(["/usr/sbin/slurmctld", "-V"], capture_output=True, text=True, timeout=30).stdout
    found = re.search(r"(\d+)\.(\d+)", told)
    if found is None:
        raise RuntimeError(f"slurmctld -V says {told!r}")
    return int(found[1]), int(found[2])


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, all different, drawn at random: others may be drawing at the same time."""
    found: list[int] = []
    for port in random.Random(secrets.randbits(64)).sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found
