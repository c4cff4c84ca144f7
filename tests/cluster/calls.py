"""Slurm's commands as the code under test finds them: every call is counted, and a call can be refused.

A directory of small scripts stands first on the PATH. Each notes its call in a log and then becomes the real
command, unless a refusal waits for it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMANDS = ("sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")

# What sbatch 22.05 to 24.11 print when the controller does not answer in time, or not at all.
BUSY = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
UNREACHABLE = (
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
)

# A refusal is a file that the first caller to rename it has spent, so no lock is needed.
# A call is one write to the log, its arguments between control characters that none of them contains.
SCRIPT = """#!/bin/bash
IFS=$'\\x1f'
printf '%s\\x1e' "{name}$IFS$*" >>{log}
while [ -e {refusals}/{name}.hold ] && ! rm {refusals}/{name}.pass 2>/dev/null; do sleep 0.02; done
for refusal in {refusals}/{name}.[0-9]*; do
    if mv "$refusal" {refusals}/spent.$$ 2>/dev/null; then cat {refusals}/spent.$$ >&2; exit 1; fi
done
if [ -e {refusals}/{name}.until ]; then
    {{ read -r until; read -r message; }} <{refusals}/{name}.until
    if [ "${{EPOCHREALTIME%%[.,]*}}" -lt "$until" ]; then echo "$message" >&2; exit 1; fi
fi
exec {real} "$@"
"""


class Calls:
    """The log of calls and the refusals of one cluster."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self._log = directory / "calls.log"
        self._refusals = directory / "refusals"
        self.bin.mkdir()
        self._refusals.mkdir()
        for name in COMMANDS:
            script = self.bin / name
            real = shutil.which(name)
            script.write_text(
                SCRIPT.format(name=name, log=self._log, refusals=self._refusals, real=real), encoding="utf-8"
            )
            script.chmod(0o755)

    def __call__(self, command: str | None = None) -> list[list[str]]:
        """Arguments of every call since the last `forget`, the command first; of one command when named."""
        if not self._log.exists():
            return []
        text = self._log.read_text(encoding="utf-8").removesuffix("\x1e")
        calls = [call.removesuffix("\x1f").split("\x1f") for call in text.split("\x1e")]
        return [call for call in calls if command in (None, call[0])]

    def count(self, command: str) -> int:
        return len(self(command))

    def forget(self) -> None:
        """Empty the log and withdraw all refusals."""
        self._log.unlink(missing_ok=True)
        for refusal in self._refusals.iterdir():
            refusal.unlink()

    @contextmanager
    def held(self, command: str) -> Iterator[None]:
        """For a while, or until `release`, calls of a command wait; they are counted as they come."""
        (self._refusals / f"{command}.hold").touch()
        try:
            yield
        finally:
            self.release(command)

    def let_one_go(self, command: str) -> None:
        """Let one held call of a command go on, and hold those after it."""
        (self._refusals / f"{command}.pass").touch()

    def release(self, command: str) -> None:
        """Let the held calls of a command go on."""
        (self._refusals / f"{command}.hold").unlink(missing_ok=True)

    def refuse(
        self, command: str, times: int | None = None, seconds: float | None = None, message: str = BUSY
    ) -> None:
        """Make the next `times` calls, or those of the next whole `seconds`, print `message` and exit 1."""
        if (times is None) == (seconds is None):
            raise ValueError("give either times or seconds")
        if seconds is not None:
            until = self._refusals / f"{command}.until"
            until.write_text(f"{int(time.time() + seconds)}\n{message}\n", encoding="utf-8")
        for number in range(times or 0):
            (self._refusals / f"{command}.{number}").write_text(message + "\n", encoding="utf-8")
