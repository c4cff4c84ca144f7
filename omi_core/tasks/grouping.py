"""Groups of candidate solutions: which of a problem's stand together in one prompt, and in what order."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from random import Random


def draw_groups(
    draw: Random, right: Sequence[bool | None], count: int, sizes: tuple[int, int], mixed: bool
) -> list[list[int]]:
    """`count` groups of positions in `right`, of random size within `sizes` (both included) and shuffled.

    With `mixed` each has a candidate that is right and one that is wrong; there must be one of either, and
    with or without it as many as the smaller of `sizes`. No group, in whatever order, comes twice while there
    are others.
    """
    fewest, most = sizes[0], min(sizes[1], len(right))
    parts = [[at for at, each in enumerate(right) if each is side] for side in (True, False)]
    possible = sum(
        comb(len(right), size) - (sum(comb(len(part), size) for part in parts) if mixed else 0)
        for size in range(fewest, most + 1)
    )
    groups: list[list[int]] = []
    seen: set[frozenset[int]] = set()
    while len(groups) < count:
        size = draw.randint(fewest, most)
        group = [draw.choice(part) for part in parts] if mixed else []
        group += draw.sample([at for at in range(len(right)) if at not in group], size - len(group))
        draw.shuffle(group)
        if (members := frozenset(group)) not in seen:
            seen.add(members)
            groups.append(group)
        if len(seen) == possible:
            seen.clear()
    return groups
