"""The result of one check: a line that says what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OK, FAILED, SKIPPED = "ok", "failed", "skipped"


@dataclass(frozen=True)
class CheckLine:
    """What a check came to.

    `outcome` is `ok`, `failed` or `skipped`: a question that could not be asked is never `ok`. Without an
    answer that is `needed` a site is not ready; not needed is, say, a GPU where none is asked for. `found`
    and `advice`, what to do, are text for people.
    """

    name: str
    outcome: str
    found: str
    advice: str = ""
    needed: bool = True


def refused(name: str, error: Exception) -> CheckLine:
    """The line of an error of ours, whose text ends in `; WHAT TO DO`."""
    found, _, advice = " ".join(str(error).split()).rpartition("; ")
    return CheckLine(name, FAILED, found, advice) if found else CheckLine(name, FAILED, advice)


def not_needed(name: str, why: str) -> CheckLine:
    """The line of a check that does not concern this site or recipe."""
    return CheckLine(name, SKIPPED, why, needed=False)


def is_ready(lines: Iterable[CheckLine]) -> bool:
    """Whether all that is needed is proven."""
    return all(line.outcome == OK or (line.outcome == SKIPPED and not line.needed) for line in lines)
