"""What befalls a round of the soak: sessions, each with its faults, drawn from a seed and nothing else.

A session is one go at bringing a run further: the command as a user types it, or one stage of it as an array
of tasks side by side. What a session draws depends on (seed, round, session) alone, so a round can be
repeated without those before it; only the moments at which processes get somewhere are theirs.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

# From here on nothing befalls a session, so that every round ends; one that does not end then has failed.
CALM_FROM = 10

KILL, KILL_ONE, PAUSE, FULL_DISK = KINDS = ("kill", "kill one", "pause", "full disk")
ANY, GENERATE, REDUCE, PUBLISH = "any", "generate", "reduce", "publish"
# How long after the stage is reached a fault comes at the latest, in seconds: about as long as it takes here.
_DELAY = {ANY: 5.0, GENERATE: 2.5, REDUCE: 4.0, PUBLISH: 0.4}


@dataclass(frozen=True)
class Fault:
    """One fault, `delay` seconds after the session began or `stage` was reached.

    `kill` is SIGKILL to a process and all it started, `kill one` to that process alone, `pause` SIGSTOP to
    all of it and SIGCONT after `seconds`; `full disk` leaves `room` bytes for `seconds`. `victim` chooses
    among the processes at work, modulo their number; `requeue` starts a killed task again at once.
    """

    kind: str
    stage: str
    delay: float
    seconds: float
    victim: int
    requeue: bool
    room: int

    def __str__(self) -> str:
        return f"{self.kind} ({self.stage} + {self.delay:.2f} s)"


@dataclass(frozen=True)
class Session:
    """One go: by the command or as an array, with so many tasks and parts, and what befalls it."""

    array: bool
    tasks: int
    parts: int
    faults: tuple[Fault, ...]


def draw_session(seed: int, number: int, session: int, kinds: tuple[str, ...]) -> Session:
    """The session with this number, from 0, of round `number`; faults are of `kinds` only."""
    usual_parts = random.Random(f"{seed} {number}").choice([1, 2, 3])
    draw = random.Random(f"{seed} {number} {session}")
    calm = session >= CALM_FROM
    faults = [] if calm else [_draw_fault(draw, kinds) for _ in range(draw.choice([1, 2, 2, 3, 3]))]
    if session == 0:  # else many a round would be over before anything worth telling befell it
        faults[0] = replace(faults[0], kind=KILL, stage=draw.choice([ANY, GENERATE]))
    return Session(
        # The first makes the plan, and the last goes through all the stages there are.
        array=session > 0 and not calm and draw.random() < 0.6,
        tasks=draw.choice([1, 2, 3, 4]),
        parts=draw.choice([1, 2, 3]) if draw.random() < 0.15 else usual_parts,
        faults=tuple(faults),
    )


def _draw_fault(draw: random.Random, kinds: tuple[str, ...]) -> Fault:
    stage = draw.choice([ANY, GENERATE, REDUCE, REDUCE, PUBLISH])
    return Fault(
        kind=draw.choice([kind for kind in (KILL, KILL, *KINDS) if kind in kinds]),
        stage=stage,
        delay=draw.uniform(0.0, _DELAY[stage]),
        seconds=draw.uniform(0.1, 3.0),
        victim=draw.randrange(12),
        requeue=draw.random() < 0.5,
        # Often no byte at all, else a frame or so: writes then fail in their middle.
        room=draw.choice([0, draw.randrange(4096), draw.randrange(65536)]),
    )


class Disk:
    """A folder to run in: a tmpfs of `size` bytes of its own, where it can be mounted.

    `small` tells whether it is one, and so can be filled. A context manager; leaving unmounts it.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.small = False
        self._size = size
        self._ballast = folder / ".ballast"

    def __enter__(self) -> Disk:
        self.folder.mkdir()
        if os.geteuid() == 0 and shutil.which("mount"):
            command = ["mount", "-t", "tmpfs", "-o", f"size={self._size}", "tmpfs", str(self.folder)]
            self.small = subprocess.run(command, capture_output=True).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        if self.small:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def fill(self, room: int) -> None:
        """Leaves `room` bytes free, rounded down to whole pages."""
        for _ in range(5):  # who writes meanwhile may be faster
            with self._ballast.open("ab") as file, suppress(OSError):
                free = os.statvfs(self.folder)
                taken = free.f_bavail * free.f_frsize - room
                if taken > 0:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), taken)
                return

    def clear(self) -> None:
        """Gives all of the space back."""
        self._ballast.unlink(missing_ok=True)
