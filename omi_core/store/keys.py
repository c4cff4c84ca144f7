"""Which keys of a plan are settled, which are missing, and how the missing ones are shared out.

A key (ordinal, sample index) is flattened to k = ordinal * samples + index, so that a plan is the numbers
[0, records * samples) and what is missing a few half-open ranges of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omi_core.store.frames import Damage
from omi_core.store.index import contents, whole_keys
from omi_core.store.layout import Layout


class KeyOutsidePlan(ValueError):
    """A journal holds a key that its plan does not have: it belongs to another plan."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What journals hold of a plan.

    `done` is a bool array of shape (records * samples,); `errors` counts samples with finish_reason "error"
    (they are done; a duplicate counts again); `damage` lists what is broken and not yet set aside: its keys
    are not done.
    """

    done: np.ndarray
    errors: int
    damage: list[Damage]


def settled(journals: Sequence[Path], records: int, samples: int, verify: bool = False) -> Settled:
    """Count the keys in `journals` for a plan of `records` x `samples`, from the indexes.

    With `verify` every byte of the journals is read and checked. Raises KeyOutsidePlan.
    """
    done = np.zeros(records * samples, dtype=bool)
    errors = 0
    damage: list[Damage] = []
    for path in journals:
        found = contents(path, verify)
        damage += found.damage
        errors += sum(frame.errors for frame in found.frames)
        if found.frames:
            keys = np.concatenate([frame.keys for frame in found.frames]).astype(np.int64)
            refuse_outside(keys, path, records, samples)
            done[keys[:, 0] * samples + keys[:, 1]] = True
    return Settled(done, errors, damage)


def settled_so_far(layout: Layout, records: int, samples: int) -> Settled:
    """As `settled` without `verify`, many times faster for thousands of journals: by `index.whole_keys`."""
    folder = str(layout.generate)
    parts, slow, errors = [], [], 0
    for name, has_bad in layout.journal_names().items():
        found = None if has_bad else whole_keys(f"{folder}/{name}")
        if found is None:
            slow.append(layout.generate / name)
        else:
            parts.append(found[0])
            errors += found[1]
    rest = settled(sorted(slow), records, samples)
    keys = np.frombuffer(b"".join(parts), dtype="<u4").reshape(-1, 2).astype(np.int64)
    refuse_outside(keys, layout.generate, records, samples)
    rest.done[keys[:, 0] * samples + keys[:, 1]] = True
    return Settled(rest.done, rest.errors + errors, rest.damage)


def refuse_outside(keys: np.ndarray, path: Path, records: int, samples: int) -> None:
    """Raises KeyOutsidePlan when one of the keys, of shape (n, 2), is not among `records` x `samples`."""
    outside = (keys[:, 0] >= records) | (keys[:, 1] >= samples)
    if outside.any():
        ordinal, index = keys[outside.argmax()].tolist()
        raise KeyOutsidePlan(
            f"{path}: sample {index} of record {ordinal} is outside the plan of {records} records with "
            f"{samples} samples each; the journal belongs to another run"
        )


def missing_ranges(done: np.ndarray) -> np.ndarray:
    """The maximal half-open ranges of keys that are not done, int64 of shape (r, 2), ascending."""
    padded = np.ones(len(done) + 2, dtype=bool)
    padded[1:-1] = done
    return np.flatnonzero(padded[1:] != padded[:-1]).astype(np.int64).reshape(-1, 2)


def keys_within(ranges: np.ndarray, keys: int) -> np.ndarray:
    """Which of the first `keys` keys lie in ranges of shape (r, 2): bool of shape (keys,)."""
    within = np.zeros(keys, dtype=bool)
    for start, stop in ranges.tolist():
        within[start:stop] = True
    return within


def count_keys(ranges: np.ndarray) -> int:
    """Keys in half-open ranges of shape (r, 2)."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def split_ranges(ranges: np.ndarray, parts: int, whole: int = 1) -> list[np.ndarray]:
    """Cut `ranges`, shape (r, 2), into `parts` contiguous shares whose sizes differ by at most one key.

    The larger shares come first; with fewer keys than parts the last ones are empty, shape (0, 2). Cuts are
    made at multiples of `whole` only: later ones, where sizes alone would cut in between.
    """
    ends = running_sizes(ranges)
    return [one_share(ranges, ends, part, parts, whole) for part in range(parts)]


def running_sizes(ranges: np.ndarray) -> np.ndarray:
    """For each range the keys up to its end, int64 of shape (r,)."""
    return np.cumsum(ranges[:, 1] - ranges[:, 0])


def one_share(ranges: np.ndarray, ends: np.ndarray, part: int, parts: int, whole: int = 1) -> np.ndarray:
    """One share of `split_ranges`, of `ranges` with these `running_sizes`."""
    small, larger = divmod(int(ends[-1]) if len(ends) else 0, parts)
    start, stop = (number * small + min(number, larger) for number in (part, part + 1))
    if whole > 1:
        start, stop = (_whole(ranges, ends, at, whole) for at in (start, stop))
    if start == stop:
        return np.empty((0, 2), dtype=np.int64)
    a = int(np.searchsorted(ends, start, "right"))
    b = int(np.searchsorted(ends, stop, "left"))
    share = ranges[a : b + 1].astype(np.int64)
    share[0, 0] = ranges[a, 1] - (ends[a] - start)
    share[-1, 1] = ranges[b, 1] - (ends[b] - stop)
    return share


def _whole(ranges: np.ndarray, ends: np.ndarray, at: int, whole: int) -> int:
    """`at`, a number of keys along the ranges, or as many more as complete a multiple of `whole`."""
    if at in (0, int(ends[-1])):
        return at
    number = int(np.searchsorted(ends, at, "right"))
    key = int(ranges[number, 1]) - (int(ends[number]) - at)
    key = -(-key // whole) * whole
    number = int(np.searchsorted(ranges[:, 1], key, "right"))
    if number == len(ends):
        return int(ends[-1])
    return int(ends[number]) - int(ranges[number, 1]) + max(key, int(ranges[number, 0]))


def iter_keys(ranges: np.ndarray, samples: int) -> Iterator[tuple[int, int]]:
    """Every (ordinal, sample index) in `ranges`, in order, as Python ints."""
    for start, stop in ranges.tolist():
        for key in range(start, stop):
            yield divmod(key, samples)
