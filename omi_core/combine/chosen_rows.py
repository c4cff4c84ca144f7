"""Which rows of a combination are taken, where it takes less than all: as many as others have, or a number.

Rows are told apart by digests, so that what is decided depends on their content and the seed alone, not on
their order, nor on which input they are from. It is nested: the rows of a smaller number are among those of a
larger one, those of fewer problems among those of more.

Memory: for each row what fair splits take (`publish.fair`) and 8 to 16 bytes, and as much for each solution
of the datasets that are matched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omi_core.combine.solution_pairs import Digests, Pairs, digested, joined
from omi_core.options import ConfigError
from omi_core.publish.dedupe import SeenRows, digest_keys
from omi_core.publish.fair import FairRows, Ranked, splitmix
from omi_core.publish.parts import PartManifest, part_lines

Numbers = npt.NDArray[np.int64]
# What became of a row, and the words under which those that were left are counted.
TAKEN, DUPLICATE, UNMATCHED, NOT_DRAWN = range(4)
REASONS = {DUPLICATE: "duplicate", UNMATCHED: "unmatched", NOT_DRAWN: "not_drawn"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """`fate` of every row of all parts, in order; and of those taken their number and their texts."""

    fate: npt.NDArray[np.uint8]
    taken: Numbers
    pairs: Pairs

    def counts(self, begin: int, end: int) -> dict[str, int]:
        """How many of these rows are left, by the reason."""
        found = np.bincount(self.fate[begin:end], minlength=len(REASONS) + 1)
        return {word: int(found[fate]) for fate, word in REASONS.items() if found[fate]}


def choose(
    parts: Sequence[PartManifest],
    unique: str,
    seed: int,
    others: Sequence[Pairs],
    problems: int | None,
    rows: int | None,
    *,
    pairs: bool,
) -> Chosen:
    """What is taken of the parts' rows: matched to `others`, of some problems, a number of rows.

    Digests of the texts are kept with `pairs`.

    Raises:
        ConfigError: there are fewer problems or rows.
        PartError: a part is damaged.
    """
    total = sum(part.rows for part in parts)
    fate = np.full(total, DUPLICATE, np.uint8)
    fair, kept = FairRows(total, seed), []
    begin = 0
    for lines, new, keys in _new_rows(parts, unique):
        first = np.flatnonzero(new)
        fate[begin + first] = NOT_DRAWN
        left = [lines[at] for at in first.tolist()]
        fair.add([parts[0].schema.group_key(line) for line in left], keys[first])
        if pairs:
            kept.append(digested(left))
        begin += len(lines)
    there = np.flatnonzero(fate != DUPLICATE)
    ranked = fair.rank()
    for other in others:
        ranked = ranked.limited(_counted(ranked.digests, other))
    unmatched = ranked.round >= ranked.counts.astype(np.uint32)[ranked.problem]
    mask = _drawn(ranked, problems, rows)
    fate[there[unmatched]] = UNMATCHED
    fate[there[mask]] = TAKEN
    return Chosen(fate, there[mask], joined(kept).at(mask) if pairs else joined([]))


def _new_rows(
    parts: Sequence[PartManifest], unique: str
) -> Iterator[tuple[list[bytes], npt.NDArray[np.bool_], Digests]]:
    """Lines of the parts, which of them did not occur before, and 64 bits of each for the draw."""
    seen = SeenRows(sum(part.rows for part in parts))
    for part in parts:
        schema = part.schema.by_problem() if unique == "problems" else part.schema
        for lines in part_lines(part):
            keys = digest_keys([schema.duplicate_key(line) for line in lines])
            yield lines, seen.add(keys), keys[:, 1]


def _counted(problems: Digests, pairs: Pairs) -> Numbers:
    """How many different solutions of each of these problems, which are sorted, there are."""
    found = pairs.once().problem
    at = np.minimum(np.searchsorted(problems, found), len(problems) - 1)
    return np.bincount(at[problems[at] == found], minlength=len(problems))


def _drawn(ranked: Ranked, problems: int | None, rows: int | None) -> npt.NDArray[np.bool_]:
    if problems is not None:
        there = np.flatnonzero(ranked.counts)
        if len(there) < problems:
            raise ConfigError(f"problems={problems}: there are {len(there):,}; ask for fewer")
        order = np.argsort(splitmix(ranked.digests[there], "problems", ranked.seed), kind="stable")
        most = np.zeros(len(ranked.counts), np.int64)
        most[there[order[:problems]]] = ranked.counts.max(initial=0)
        ranked = ranked.limited(most)
    left = int(ranked.counts.sum())
    if rows is not None and left < rows:
        of = f"the {problems:,} problems drawn have" if problems is not None else "there are"
        raise ConfigError(f"rows={rows}: {of} {left:,}; ask for fewer, or for more problems")
    return ranked.draw(left if rows is None else rows).mask
