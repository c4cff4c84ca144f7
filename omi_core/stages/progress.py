"""Progress of a stage: a live bar on a terminal, a plain line now and then in a log file."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

LINE_SECONDS = 10.0


class Progress:
    """Counts units (samples, records) and tokens; context manager.

    `done` units were there before and take no part in the rate.
    """

    def __init__(self, stage: str, unit: str, total: int, done: int = 0) -> None:
        self._stage, self._unit, self._total = stage, unit, total
        self._before = self._done = done
        self._tokens = 0
        self._started = self._printed = time.monotonic()
        self._live = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Live

            self._live = Live(
                TextColumn("{task.description:>9}"),
                BarColumn(),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[rates]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._live.start()
            self._live.add_task(self._stage, total=self._total, completed=self._done, rates="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        else:
            self._line()

    def advance(self, units: int = 1, tokens: int = 0) -> None:
        """Counts this many more units, and the tokens in them."""
        self._done += units
        self._tokens += tokens
        if self._live is not None:
            self._live.update(self._live.task_ids[0], completed=self._done, rates=self._rates())
        elif time.monotonic() - self._printed >= LINE_SECONDS:
            self._line()

    def _rates(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        text = f"{(self._done - self._before) / seconds:,.1f} {self._unit}/s"
        return f"{text}, {self._tokens / seconds:,.0f} tokens/s" if self._tokens else text

    def _line(self) -> None:
        self._printed = time.monotonic()
        rate = (self._done - self._before) / max(self._printed - self._started, 1e-9)
        left = self._total - self._done
        eta = f", {left / rate:,.0f} s left" if rate and left > 0 else ""
        print(
            f"{self._stage}: {self._done:,} of {self._total:,} {self._unit} ({self._rates()}{eta})",
            file=sys.stderr,
            flush=True,
        )
