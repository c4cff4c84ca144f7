"""The console of tables and pages: what it prints is text, in a path, a problem or a log alike.

rich would take `[b]` for markup and `:100:` for an emoji, and swallow or change both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def terminal(width: int | None = None) -> Console:
    """A console on standard output to which a string is text; as wide as the terminal, or `width` columns."""
    from rich.console import Console

    return Console(width=width, markup=False, emoji=False, highlight=False)
