"""Processes of the product under the soak: started as users and Slurm start them, killed, paused, watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a process may end with that ran into a full disk: a failure, a run that cannot be begun, and a task
# that has no room for its own error (see omi_core/commands/job.py).
_FULL_DISK_CODES = (1, 2, 74)


class Process:
    """`python -m MODULE ARGUMENTS` in a session of its own; what it prints is added to `log`, its own."""

    def __init__(
        self, module: str, arguments: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        self.name = f"{module} {' '.join(arguments)}"
        self.killed = False
        self._words = [sys.executable, "-m", module, *arguments]
        self._log = log
        self._variables = dict(variables or {})
        self.start()

    def start(self) -> None:
        """Begins, or begins again as a requeued task does, with the same words."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "120", **self._variables}
        with self._log.open("ab") as log:
            self._from = log.tell()
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.killed = False

    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self, whole: bool = True) -> None:
        """SIGKILL to it and, when `whole`, to all that it started; returns when it is dead."""
        self.killed = True
        if whole:
            self.signal(signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self.signal(signal.SIGCONT)  # what it started may be paused, and is to end by itself

    def signal(self, number: int) -> None:
        """A signal to it and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self, seconds: float) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        return self._process.wait(seconds)

    def printed(self) -> str:
        """What it has printed since it was started last."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode(errors="replace")

    def complaint(self, disk_was_full: bool) -> str | None:
        """What is wrong with how it ended; None when it was killed, ended well, or told of a full disk."""
        code = self._process.returncode
        if code == 0 or self.killed:
            return None
        text = self.printed().strip()
        told = text.splitlines()[-1].startswith(("failed: ", "error: ")) if text else False
        full = disk_was_full and code in _FULL_DISK_CODES and "No space left on device" in text
        if full and told and "Traceback" not in text:
            return None
        return f"{self.name}: exit code {code}\n{text[-3000:]}"

    def left_behind(self, seconds: float = 60.0) -> list[int]:
        """Processes it started that are alive `seconds` after it ended."""
        deadline = time.monotonic() + seconds
        while (left := _members(self.pid)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


def _members(group: int) -> list[int]:
    """Processes of a group, but those that are dead and only wait to be asked for."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # After the name, which is in brackets and may hold anything: state, parent, group.
                state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(its_group) == group and state not in "ZX":
                    found.append(int(entry.name))
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory of a process. Raises OSError when it is gone."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    """Open file descriptors of a process. Raises OSError when it is gone."""
    return len(os.listdir(f"/proc/{pid}/fd"))
