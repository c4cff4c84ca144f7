"""Filters on conversations that copy the chunk they were made from: one long run, or most of the text.

To quote a statement is faithful; to read out the whole page is not a conversation about it. The limits are
our own choice: the paper names the criterion, not its figures.
"""

from __future__ import annotations

from functools import lru_cache

from omi_core.filters.filter import Example, Option, RowFilter, kept
from omi_core.records import Candidate
from omi_core.text.words import longest, ngrams, wording

# Runs shorter than this are idiom and formula, not copies.
_N = 8
_PAGE = "Two numbers are said to be coprime when no prime divides both of them, as in the case of 4 and 9."


@lru_cache(maxsize=4)
def _runs(chunk: str) -> frozenset[tuple[str, ...]]:
    """The runs of words of a chunk, which serve all its conversations."""
    return frozenset(ngrams(wording(chunk), _N))


# Both filters ask; a chain gets the conversations of one chunk after the other, so that a few are enough.
@lru_cache(maxsize=64)
def _copied(chunk: str, conversation: str) -> tuple[int, float]:
    """The longest run of words that is copied, and the share of runs of 8 words that are."""
    runs = _runs(chunk)
    copied = [run in runs for run in ngrams(wording(conversation), _N)]
    return longest(copied, _N), sum(copied) / max(len(copied), 1)


class CopiedRun(RowFilter):
    """Drops conversations with a longer run of words that is copied from the chunk."""

    name = "copied_run"
    section = "conversations"
    option = Option.limit(100, "longest run of words that is copied from the chunk", late=False)
    position = 120
    reason = "our own"
    examples = (
        Example(f"Ann: {_PAGE}\nBob: Yes.", None, problem=_PAGE, options={"limit": 15}),
        Example(f"Ann: {_PAGE.upper()}", None, problem=f"Then. {_PAGE}", options={"limit": 15}),
        Example(f"Ann: {_PAGE}", f"Ann: {_PAGE}", problem=_PAGE, options={"limit": 40}),
        Example("Ann: When are two numbers coprime?", "Ann: When are two numbers coprime?", problem=_PAGE),
    )

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if _copied(row.problem, row.solution)[0] <= self.limit else None


class CopiedShare(RowFilter):
    """Drops conversations with a larger share of runs of 8 words that are copied from the chunk."""

    name = "copied_share"
    section = "conversations"
    option = Option.share(0.5, "largest share of 8-grams of words that are copied from the chunk", late=False)
    position = 130
    reason = "our own"
    examples = (
        Example(f"Ann: {_PAGE}\nBob: Yes.", None, problem=_PAGE),
        *kept(
            f"Ann: {_PAGE}\nBob: Is it, though? Ten and fifteen share five, and six and ten share two.",
            problem=_PAGE,
            options={"share": 0.6},
        ),
        Example("Ann: Coprime?\nBob: Yes.", "Ann: Coprime?\nBob: Yes.", problem=_PAGE),
    )

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if _copied(row.problem, row.solution)[1] <= self.share else None
