"""Processes of a throw-away cluster: how they are started, recognised and ended, and nobody else's with them.

Every process that belongs to a cluster can be told by the cluster's own directory: the daemons and the jobs
have `SLURM_CONF=<directory>/…` in their environment, and what rewrote its environment keeps files of the
directory open. What a killed test session left behind is found in the same way, by the next one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

PREFIX = "slurm-for-tests-"  # with the process id of the owner, the name of a cluster's directory


class Daemon:
    """One daemon kept in the foreground of its own session, so that Ctrl-C in the terminal passes it by."""

    def __init__(self, name: str, argv: list[str], env: Mapping[str, str], log: Path) -> None:
        self.name, self.argv, self.env, self.log = name, argv, dict(env), log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.alive():
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.argv,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.alive() else None

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.alive():
            self._process.send_signal(number)

    def stop(self, seconds: float) -> None:
        """TERM, and KILL when the daemon is still there after `seconds`."""
        if self._process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()


def belonging_to(directory: Path, node: str | None = None) -> list[int]:
    """Ids of the living processes of the cluster in `directory`, or of one node of it; never our own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _belongs(entry, directory, node):
            found.append(int(entry.name))
    return found


def _belongs(entry: Path, directory: Path, node: str | None) -> bool:
    try:
        environment = (entry / "environ").read_bytes().split(b"\0")
        if f"SLURM_CONF={directory}/etc/slurm.conf".encode() in environment:
            return node is None or f"SLURMD_NODENAME={node}".encode() in environment
        if (entry / "comm").read_text().strip() != "slurmstepd":
            return False
        # A slurmstepd writes its title over its environment; its log is its node's.
        log = f"{directory}/log/" + (f"{node}.log" if node else "")
        return any(os.readlink(fd).startswith(log) for fd in (entry / "fd").iterdir())
    except OSError:  # it ended meanwhile, or is a process we may not look at
        return False


def kill_all(directory: Path, node: str | None = None, seconds: float = 10) -> None:
    """SIGKILL whatever belongs to the cluster, until nothing new appears; TimeoutError past `seconds`."""
    deadline = time.monotonic() + seconds
    while pids := belonging_to(directory, node):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {pids} of {directory} outlive SIGKILL")
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def new_directory() -> Path:
    """An empty directory whose name says which process owns it, so that a later one sees when it is dead."""
    owner = f"{os.getpid()}-{_start_time(os.getpid())}-"
    path = Path(tempfile.mkdtemp(prefix=PREFIX + owner)).resolve()
    if len(str(path)) > 80:
        shutil.rmtree(path)
        raise ValueError(f"{path} is too long for the sockets in it: set TMPDIR to a shorter path")
    path.chmod(0o755)
    return path


def end_leftovers() -> list[Path]:
    """End the clusters whose owner died without ending them; their directories, now gone."""
    ended = []
    for path in _directories():
        pid, started = path.name.removeprefix(PREFIX).split("-")[:2]
        if _start_time(int(pid)) != started:
            kill_all(path)
            shutil.rmtree(path, ignore_errors=True)
            ended.append(path)
    return ended


def _directories() -> Iterable[Path]:
    return [p for p in Path(tempfile.gettempdir()).resolve().glob(f"{PREFIX}*-*-*") if p.is_dir()]


def _start_time(pid: int) -> str | None:
    """Clock ticks from boot to the process's start: with the id, this names a process for good."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
