r"""Delimiters of formulas in LaTeX: `$`, `$$`, `\(`, `\[` and environments, and which of them are open."""

from __future__ import annotations

import re

# What each opens is closed by.
CLOSERS = {"\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$"}
# Five dollars or more are an ornament. `\\` first, so that `\\[2pt]` and `\\(` open nothing.
MARK = r"\\\\|\\\$|\${5,}|\$\$|\$|\\[\[\]()]|\\(?:begin|end)\{[A-Za-z]{1,30}\*?\}"
_MARK = re.compile(MARK)
_DEEPEST = 8


def open_at(text: str, end: int, start: int = 0) -> list[str]:
    """The closers of what `text[start:end]` opens and does not close, outermost first, at most the last 8.

    A closer that nothing waits for closes nothing. The work is linear in the stretch.
    """
    closers: list[str] = []
    for match in _MARK.finditer(text, start, end):
        mark = match.group()
        if closers and mark == closers[-1]:
            closers.pop()
        elif mark in CLOSERS:
            closers.append(CLOSERS[mark])
        elif mark.startswith("\\begin"):
            closers.append("\\end" + mark[6:])
    return closers[-_DEEPEST:]
