"""One task at work for the whole soak, paused again and again: it may grow by the keys it holds, no more."""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from omi_core.store.layout import Layout
from omi_core.store.manifests import read_manifests
from tests.soaking.checks import Acknowledged, Difference
from tests.soaking.processes import Process, open_files, resident_bytes

_PER_SECOND = 50
_SAMPLES = 8
_OPTIONS = [
    "teacher=rehearsal",
    f"samples={_SAMPLES}",
    "run.flush_samples=4",
    "engine.max_num_seqs=10",
    f"teacher.rehearsal.latency={10 / _PER_SECOND}",
]
# A journal's writer keeps its keys, so that none is added twice: so much for each, and for the allocator.
_BYTES_PER_KEY = 100
_BYTES_OF_NOISE = 8 << 20


@dataclass(frozen=True)
class Figures:
    """Of the task: medians over the first and the last tenth of the soak, start-up left out."""

    samples: int
    flushes: int
    pauses: int
    resident_first: int
    resident_last: int
    files_first: int
    files_last: int


class Steady(threading.Thread):
    """Runs the task, pauses it, and looks at it; a context manager, which kills what is left of it."""

    def __init__(self, folder: Path, seed: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._draw = random.Random(f"{seed} steady")
        self._keys = Acknowledged(Layout(folder / "steady"))
        records = 100 + int(1.5 * seconds * _PER_SECOND / _SAMPLES)  # enough not to end before the soak does
        words = [*_OPTIONS, f"data.size={records}", f"run.dir={folder / 'steady'}"]
        self._process = Process("jobs.generate", words, folder / "steady.log")
        self._over = threading.Event()
        self._pauses = 0
        # (bytes resident, open files), about one a second.
        self._seen: list[tuple[int, int]] = []
        self._error: Exception | None = None

    def __enter__(self) -> Steady:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        if self._process.alive():
            self._process.kill()

    def run(self) -> None:
        try:
            pause_at = time.monotonic() + self._draw.uniform(5, 30)
            while not self._over.wait(1.0) and self._process.alive():
                if self._keys.plan is None or not self._keys.layout.journals():
                    continue  # still planning
                self._seen.append((resident_bytes(self._process.pid), open_files(self._process.pid)))
                if time.monotonic() >= pause_at:
                    self._pause()
                    pause_at = time.monotonic() + self._draw.uniform(5, 30)
        except Exception as error:  # handed on by `finish`, in the thread that asks
            self._error = error

    def _pause(self) -> None:
        self._process.signal(signal.SIGSTOP)
        self._over.wait(self._draw.uniform(0.1, 3.0))
        self._process.signal(signal.SIGCONT)
        self._keys.look()
        self._pauses += 1

    def finish(self) -> Figures:
        """Stops the task by SIGTERM, as a user would, and judges it.

        Raises:
            Difference: it died, lost something, or has grown.
        """
        if not self._process.alive():
            raise Difference(f"the steady task has ended:\n{self._process.printed()[-3000:]}")
        self._over.set()
        self.join()
        if self._error is not None:
            raise self._error
        self._process.signal(signal.SIGTERM)
        try:
            code = self._process.wait(60)
        except subprocess.TimeoutExpired:
            raise Difference("the steady task goes on a minute after SIGTERM") from None
        if code != 130:
            raise Difference(
                f"the steady task: exit code {code} at SIGTERM\n{self._process.printed()[-3000:]}"
            )
        self._keys.look_closely()
        return self._judged()

    def _judged(self) -> Figures:
        layout, samples = self._keys.layout, self._keys.count()
        said = sum(manifest["samples"] for manifest in read_manifests(layout).values())
        if said != samples:
            raise Difference(f"the steady task: its manifest says {said} samples, on disk are {samples}")
        tenth = max(1, len(self._seen) // 10)
        if not self._seen:
            raise Difference("the steady task did not get to work in time")
        first, last = self._seen[:tenth], self._seen[-tenth:]
        index = layout.journals()[0].with_name(layout.journals()[0].name + ".idx").read_bytes()
        figures = Figures(
            samples,
            index.count(b"\n"),
            self._pauses,
            *(int(statistics.median(resident for resident, _ in part)) for part in (first, last)),
            *(int(statistics.median(files for _, files in part)) for part in (first, last)),
        )
        allowed = figures.resident_first + _BYTES_OF_NOISE + _BYTES_PER_KEY * samples
        if figures.resident_last > allowed:
            raise Difference(
                f"the steady task: {figures.resident_last:,} bytes resident, allowed {allowed:,}"
            )
        if figures.files_last > figures.files_first:
            raise Difference(f"the steady task: open files {figures.files_first} -> {figures.files_last}")
        return figures
