"""What becomes of a run's samples, step by step, until they are rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The order in which a sample meets them; `docs/dataset.md` tells what they are.
_SELECTION = ("no_answer", "unknown", "other_answer", "low_agreement", "few_votes")


@dataclass(frozen=True)
class WaterfallStep:
    """`dropped` of the samples leave here, and `left` go on."""

    name: str
    dropped: int
    left: int


def waterfall(counts: Mapping[str, Any], duplicates: int | None) -> list[WaterfallStep]:
    """The steps in order, those that drop nothing included; the last `left` is the number of rows.

    `duplicates` is None until the run is published. Raises ValueError when the counts do not add up.
    """
    filters = {name: count["dropped"] for name, count in counts.get("filters", {}).items()}
    selection = counts.get("selection", {})
    later = [name for name in _SELECTION if name in selection] + sorted(selection.keys() - set(_SELECTION))
    order = [("quarantined", counts.get("quarantined", 0))]
    chain = _chain(filters)
    order += [(name, filters[name]) for name, early in chain.items() if early]
    order += [(name, selection[name]) for name in later]
    order += [(name, filters[name]) for name, early in chain.items() if not early]
    steps, left = [], counts.get("samples", 0)
    for name, dropped in order:
        left -= dropped
        steps.append(WaterfallStep(name.replace("_", " "), dropped, left))
    used = counts.get("used", counts.get("rows", 0))
    if left != used:
        raise ValueError(f"counts: {left} samples are left of all steps, and {used} are in rows")
    if duplicates is not None:
        steps.append(WaterfallStep("duplicates", duplicates, left - duplicates))
    return steps


def _chain(filters: Mapping[str, int]) -> dict[str, bool]:
    """The filters in the order in which they run, and whether each does before answers are looked at.

    stats.json has them by name; one that is not known here, since its package is not installed, comes last.
    """
    from omi_core.filters.registry import SECTIONS, known

    chain = max(map(known, SECTIONS), key=lambda classes: len(filters.keys() & classes.keys()))
    unknown = sorted(filters.keys() - chain.keys())
    found = {name: cls.before_answers for name, cls in chain.items() if name in filters}
    return found | dict.fromkeys(unknown, False)
