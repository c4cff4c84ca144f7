"""How long samples are, read from the journals: exactly for small runs, from a subsample for large ones.

Lengths are counted when a sample is read, not when it is reduced, so that a run can be looked at while it
generates; reading every journal of a large run would take minutes, hence the subsample of whole frames.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from omi_core.finish import UNNEEDED
from omi_core.report.facts import Facts
from omi_core.store.frames import Frame, FrameDamaged, read_frame

# Read of one run: this many samples, a third of a second of work, in at most this many frames.
SAMPLES = 16_384
FRAMES = 512
_BINS = 24


@dataclass(frozen=True)
class Lengths:
    """Lengths of `samples` of the run's `total` samples, in `unit`s, by bin and finish reason.

    `edges` has one more element than `bins`; bin k holds edges[k] <= length < edges[k + 1].
    """

    unit: str
    samples: int
    total: int
    median: int
    edges: list[int]
    bins: list[Counter[str]]


def lengths(run: Facts) -> Lengths | None:
    """The lengths of a run's samples, refused and unneeded ones left out; None where there are none."""
    frames = [frame for shard in run.shards for frame in shard.frames]
    pairs: list[tuple[int, int, str]] = []
    total = sum(frame.count for _, frame in frames)
    for path, frame in _spread(frames, min(FRAMES, max(SAMPLES * len(frames) // max(total, 1), 1))):
        pairs += _read(path, frame)
    if not pairs:
        return None
    read, pairs = len(pairs), [pair for pair in pairs if pair[2] != UNNEEDED]
    if not pairs:
        return None
    # Imported samples have no token counts.
    tokens = any(count for count, _, _ in pairs)
    sizes = [(count if tokens else characters, reason) for count, characters, reason in pairs]
    ordered = sorted(size for size, _ in sizes)
    edges = bin_edges(ordered[-1], ordered[len(ordered) // 2])
    bins: list[Counter[str]] = [Counter() for _ in edges[1:]]
    for size, reason in sizes:
        bins[next(at for at in range(len(bins) - 1, -1, -1) if size >= edges[at])][reason] += 1
    usable = (total - sum(frame.errors for _, frame in frames)) * len(pairs) // read
    unit = "tokens" if tokens else "characters"
    return Lengths(unit, len(sizes), usable, ordered[len(ordered) // 2], edges, bins)


def _spread(frames: Sequence[tuple[Path, Frame]], most: int) -> list[tuple[Path, Frame]]:
    """At most this many frames, evenly spread over journals and time."""
    if len(frames) <= most:
        return list(frames)
    return [frames[(2 * at + 1) * len(frames) // (2 * most)] for at in range(most)]


def _read(path: Path, frame: Frame) -> list[tuple[int, int, str]]:
    """(tokens, characters, finish reason) of a frame's samples; none where it is damaged."""
    try:
        rows = map(orjson.loads, read_frame(frame, path).splitlines())
        return [
            (row["completion_tokens"], len(row["text"]), row["finish_reason"])
            for row in rows
            if row["finish_reason"] != "error"
        ]
    except FrameDamaged:
        return []


def bin_edges(longest: int, median: int) -> list[int]:
    """Edges of some 24 bins from 0 to beyond the longest: of equal width, or doubling twice per four bins
    where the longest is far from the median."""
    if longest <= 8 * max(median, 1):
        width = max(math.ceil((longest + 1) / _BINS), 1)
        return list(range(0, longest + 1 + width, width))
    edges = [0, *sorted({round(2 ** (step / 2)) for step in range(2 * longest.bit_length() + 1)})]
    stop = next(at for at, edge in enumerate(edges) if edge > longest)
    return edges[: stop + 1]
