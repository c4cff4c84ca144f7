"""The console of tables and pages: what it prints is text, in a path, a problem or a log alike.

rich would take `[b]` for markup and `:100:` for an emoji, and swallow or change both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def terminal(width: int | None = None) -> Console:
    """A console on standard output to which a string is text; as wide as the terminal, or `width` columns."""
    from rich.console import Console

    return Console(width=width, markup=False, emoji=False, highlight=False)


def plain_table(title: str = "", columns: Sequence[str] = (), right: Collection[str] = ()) -> Table:
    """A table without a frame, its title text; those `columns` that are also in `right` are flush right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE, title_justify="left", show_header=bool(columns))
    made.title = Text(title) if title else None
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left")
    return made


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table whose first column is flush left; rather wider than the terminal than cut off."""
    table = plain_table(columns=headers, right=headers[1:])
    for row in rows:
        table.add_row(*row)
    for column in table.columns:
        column.no_wrap = True
    console = terminal()
    console.width = max(console.width, terminal(width=10_000).measure(table).maximum)
    console.print(table, crop=False)
