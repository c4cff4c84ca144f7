"""Engine processes: marked with the task that started them, shielded from its signals, ended when it is gone.

An engine works in processes of its own. When the task that started them is killed, they live on and hold
its GPU. So each carries in its environment who started it, and before an engine starts, those whose owner
is dead are ended. A marker names its owner by process id, start time, pid namespace and boot: a reused id,
a container's process or one of another machine is never taken for a dead owner.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

MARKER = "OMI_ENGINE_OF"
GRACE_SECONDS = 10.0
# Slurm sends the signal before the time limit to every process of a task, and a terminal its Ctrl-C to all
# of its group; the engine would die of them while the task still finishes what is in flight. SIGTERM is
# not shielded off: the engine's own library ends its processes with it.
_SHIELDED = (signal.SIGUSR2, signal.SIGINT)


@dataclass(frozen=True)
class Process:
    """An engine's process and its owner's, each by id and start time, which together are never reused.

    Start times are in clock ticks since boot.
    """

    pid: int
    start: int
    name: str
    owner: tuple[int, int]

    def alive(self) -> bool:
        return _start_of(self.pid) == self.start

    def signal(self, number: int) -> None:
        """Signals this very process: a descriptor keeps its id from being reused meanwhile."""
        with suppress(OSError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


@contextmanager
def marked() -> Iterator[None]:
    """Whatever is started inside is an engine process of this one.

    Only there: a job submitted later from this process must not carry the marker.
    """
    before = {name: os.environ.get(name) for name in (MARKER, "SPT_NOENV")}
    os.environ[MARKER] = f"{os.getpid()}:{_start_of(os.getpid())}:{_place()}"
    os.environ["SPT_NOENV"] = "1"  # else setproctitle may write an engine's title over its environment
    # What is started inherits the mask. This process still hears its signals: by a thread made before.
    started = threading.Event()
    threading.Thread(target=started.wait, name="SignalListener", daemon=True).start()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SHIELDED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        started.set()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end_orphans(grace: float = GRACE_SECONDS) -> list[Process]:
    """Ends this user's engine processes on this machine whose owner is dead, with a printed line for each."""
    orphans = [process for process in _engine_processes() if _start_of(process.owner[0]) != process.owner[1]]
    for process in orphans:
        print(
            f"ending {process.name} ({process.pid}), left behind by process {process.owner[0]}, now gone",
            flush=True,
        )
    for process in end(orphans, grace):
        print(f"warning: {process.name} ({process.pid}) cannot be ended", flush=True)
    return orphans


def end_own(grace: float = GRACE_SECONDS) -> None:
    """Ends the engine processes that this process started."""
    own = (os.getpid(), _start_of(os.getpid()))
    end([process for process in _engine_processes() if process.owner == own], grace)


def end(processes: list[Process], grace: float) -> list[Process]:
    """TERM, after `grace` seconds KILL; returns those that live even so."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            process.signal(number)
        until = time.monotonic() + grace
        while (processes := [one for one in processes if one.alive()]) and time.monotonic() < until:
            time.sleep(0.05)
    return processes


def _engine_processes() -> Iterator[Process]:
    """This user's processes with a marker of this machine, boot and pid namespace."""
    if not os.path.isdir("/proc/self"):
        return  # not Linux
    here = _place()
    prefix = f"{MARKER}=".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with suppress(OSError, ValueError):  # it has just ended, or is not ours to look into
            if os.stat(f"/proc/{entry}").st_uid != os.geteuid():
                continue
            start = _start_of(int(entry))
            values = [v for v in _read(f"/proc/{entry}/environ").split(b"\0") if v.startswith(prefix)]
            if start is None or not values:
                continue
            owner, owner_start, place = values[0].removeprefix(prefix).decode().split(":", 2)
            command = _read(f"/proc/{entry}/cmdline").replace(b"\0", b" ").decode(errors="replace")
            # Python's tracker frees the engine's shared memory, and ends by itself after the last of them.
            if place == here and "multiprocessing.resource_tracker" not in command:
                name = " ".join(command.split())[:60]
                yield Process(int(entry), start, name, (int(owner), int(owner_start)))


def _place() -> str:
    """What a process id means something in: this boot of this machine, and this pid namespace."""
    try:
        boot = _read("/proc/sys/kernel/random/boot_id").decode().strip()
        return f"{os.stat('/proc/self/ns/pid').st_ino}:{boot}"
    except OSError:
        return "nowhere"


def _start_of(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it is dead (a zombie is)."""
    try:
        stat = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    state, *fields = stat.rpartition(b") ")[2].split()
    return None if state in (b"Z", b"X") else int(fields[18])


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
