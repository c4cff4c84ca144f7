"""Words, numbers and axes for charts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from omi_core.report.html import tag

Format = Callable[[float], str]


def tooltip(words: str) -> Markup:
    """What is shown on hover, and read out."""
    return tag("title", words)


def clip(words: str, characters: int) -> str:
    """`words`, cut to a length with an ellipsis."""
    return words if len(words) <= characters else words[: max(characters - 1, 0)] + "…"


def short(value: float) -> str:
    """12.3k for axes."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def killed(tasks: int) -> str:
    """What is said of tasks without times."""
    return f"{'1 task was' if tasks == 1 else f'{tasks:,} tasks were'} killed, or still running"


def percent(value: float) -> str:
    """A share without decimals, for axes."""
    return f"{value:.0%}"


def duration(seconds: float) -> str:
    """1.5 s, 12 min or 3.2 h."""
    for size, unit in ((86400 * 2, "d"), (5400, "h"), (100, "min")):
        if abs(seconds) >= size:
            return f"{seconds / {'d': 86400, 'h': 3600, 'min': 60}[unit]:.3g} {unit}"
    return f"{seconds:.3g} s"


def steps(top: float, pieces: int = 5, of_time: bool = False) -> list[float]:
    """Round values from 0 to at least `top`, about `pieces` of them apart; of time also 15, 30, 60."""
    if not 1e-300 < top < math.inf:  # below, its pieces are no numbers any more
        return [0.0, 1.0]
    rough = top / pieces
    if of_time and rough > 5:
        sizes = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200]
        step = next((float(size) for size in sizes if size >= rough), math.ceil(rough / 86400) * 86400.0)
    else:
        base = 10.0 ** math.floor(math.log10(rough))
        step = base * next(size for size in (1, 2, 2.5, 5, 10) if size * base >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(top / step - 1e-9) + 1)]


@dataclass(frozen=True)
class Scale:
    """A map of values to pixels, linear or (`log`) by powers."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log2(low), math.log2(high), math.log2(value)
        part = (at - low) / (high - low) if high > low else 0.5
        return self.start + part * (self.stop - self.start)
