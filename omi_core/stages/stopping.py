"""Stopping on a signal: the first asks a stage to finish what is in flight, the second ends it at once."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class Stopped(Exception):
    """A stage was asked to stop; everything finished so far is on disk."""


class Stop:
    """Whether to stop, and since when: set by a signal, asked by the stages between samples."""

    def __init__(self, drain_seconds: float = 10.0) -> None:
        self.drain_seconds = drain_seconds
        self.signal: int | None = None
        self._since = 0.0

    def ask(self, number: int = signal.SIGTERM) -> None:
        """Admit no more work from now on."""
        if self.signal is None:
            self.signal = number
            self._since = time.monotonic()

    def asked(self) -> bool:
        return self.signal is not None

    def seconds(self) -> float | None:
        """Seconds since it was asked for, None where it was not."""
        return time.monotonic() - self._since if self.asked() else None

    def comes(self, seconds: float) -> bool:
        """Whether to stop, now or within these seconds."""
        until = time.monotonic() + seconds
        while not self.asked() and time.monotonic() < until:
            time.sleep(0.02)
        return self.asked()

    def overdue(self) -> bool:
        """The time to finish what is in flight is over too."""
        return self.signal is not None and time.monotonic() - self._since >= self.drain_seconds


@contextmanager
def listening(stop: Stop, words: str | None = None) -> Iterator[Stop]:
    """Routes SIGINT, SIGTERM and SIGUSR2 to `stop` while inside; a second one raises KeyboardInterrupt.

    `words` say what is done then, where it is not to finish the samples in flight.
    """
    words = words or f"no new samples; up to {stop.drain_seconds:g} s for those in flight"

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.asked():
            raise KeyboardInterrupt
        stop.ask(number)
        name = signal.Signals(number).name
        print(f"{name}: {words} (again: at once)", file=sys.stderr, flush=True)

    with handling(handle):
        yield stop


@contextmanager
def handling(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Has `handler` called for each of SIGNALS while inside."""
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
