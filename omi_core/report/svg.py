"""Markup, numbers and axes for charts: everything that is written into a page goes through `text` or `tag`.

Model output and run names are hostile: they end up escaped and without control characters, so that they
can neither leave their element nor turn the line around.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

Format = Callable[[float], str]

# C0 and C1 controls but tab and newline, and the characters that override the direction of writing.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def readable(value: object) -> str:
    """`value` as text that a page can hold: what is unsafe or no character becomes U+FFFD or `?`."""
    return _UNSAFE.sub("\ufffd", str(value)).encode("utf-8", "replace").decode("utf-8")


def text(value: object) -> str:
    """`value` as text of an element or a quoted attribute."""
    return html.escape(readable(value), quote=True)


def tag(name: str, *children: str, **attributes: object) -> str:
    """An element; `children` are markup, attribute values are escaped, None leaves an attribute out.

    `class_` is class, and an underscore inside an attribute's name is a dash.
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
            words.append(f'{key.rstrip("_").replace("_", "-")}="{text(shown)}"')
    return f"<{' '.join(words)}>{''.join(children)}</{name}>"


def breakable(words: str) -> str:
    """`words` as text that may be broken after dots and underscores."""
    return re.sub(r"([._])", r"\1<wbr>", text(words))


def hint(words: str) -> str:
    """What is shown on hover, and read out."""
    return tag("title", text(words))


def clip(words: str, characters: int) -> str:
    """`words`, cut to a length with an ellipsis."""
    return words if len(words) <= characters else words[: max(characters - 1, 0)] + "…"


def count(value: float) -> str:
    """12,345 in full; of small figures also a decimal."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:,.1f}"


def short(value: float) -> str:
    """12.3k for axes."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def tasks(number: int, one: str, many: str) -> str:
    """'1 task was' or '3 tasks were'."""
    return f"1 task {one}" if number == 1 else f"{number:,} tasks {many}"


def share(value: float) -> str:
    return f"{value:.1%}"


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
