"""Rows of the input that are left out, by reason, and the choice to stop at the first bad one instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from omi_core.options import ConfigError
from omi_core.store.files import write_atomic

EXAMPLES = 5  # places per reason in the plan
LISTED = 10_000  # rows per reason in the file that lists them


class BadRow(ConfigError):
    """A row that cannot be read, or holds what cannot be meant: one line saying where and what.

    `reason` is the word it is counted under, `where` its file and line, or dataset and row.
    """

    def __init__(self, reason: str, where: str, line: str) -> None:
        # A lone surrogate out of the row could not be printed.
        super().__init__(line.encode("utf-8", "backslashreplace").decode())
        self.reason = reason
        self.where = where


OnBad = Callable[[BadRow], None]


def refuse(fault: BadRow) -> None:
    """What is done with a bad row where none may be skipped."""
    raise fault


@dataclass
class Skipped:
    """Rows left out of the plan: how many per reason, and where the first of each were.

    `on_bad_row` says what a bad row does, "stop" or "skip"; `option` is the name of that choice, None where
    there is none. Rows that
    are whole but of no use, such as an empty problem, are always left out. `chunks` counts documents, their
    chunks, and the cuts inside sentences, formulas and words.
    """

    on_bad_row: str = "stop"
    option: str | None = "data.on_bad_row"
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    listed: list[dict[str, str]] = field(default_factory=list)
    chunks: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, where: str, why: str | None = None) -> None:
        """Counts a row that is left out; `why` says more than the reason does."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        places = self.examples.setdefault(reason, [])
        if len(places) < EXAMPLES:
            places.append(where)
        if self.counts[reason] <= LISTED:
            row = {"reason": reason, "where": where}
            self.listed.append(row | {"why": why} if why is not None else row)

    def bad(self, fault: BadRow) -> None:
        """Counts a bad row.

        Raises:
            ConfigError: the input stops at bad rows; the line names the option by which it would not.
        """
        if self.on_bad_row == "stop":
            hint = "" if self.option is None else f"; to leave out such rows, {self.option}=skip"
            raise ConfigError(f"{fault}{hint}") from fault
        self.add(fault.reason, fault.where, str(fault))

    def write(self, path: Path) -> None:
        """Lists the rows in a file, a JSON line each, at most LISTED per reason; none: no file."""
        if self.listed:
            lines = (orjson.dumps(_printable(row), option=orjson.OPT_APPEND_NEWLINE) for row in self.listed)
            write_atomic(path, b"".join(lines))


def _printable(row: dict[str, str]) -> dict[str, str]:
    """Places hold file names, which need not be UTF-8."""
    return {name: value.encode("utf-8", "backslashreplace").decode() for name, value in row.items()}
