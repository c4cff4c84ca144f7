"""What must hold of a run whatever befell it: nothing lost, nothing twice, and the same bytes in the end."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import zstandard

from omi_core.publish import read_stats, verify
from omi_core.store.index import contents
from omi_core.store.keys import settled, settled_so_far
from omi_core.store.layout import Layout
from omi_core.store.plan import Plan, read_plan


class Difference(Exception):
    """Something is not as it would be in an undisturbed run."""


class Acknowledged:
    """The keys of a run that were seen in its journals at some moment; from then on they must stay there."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._plan: Plan | None = None
        self._seen = np.zeros(0, dtype=bool)

    @property
    def plan(self) -> Plan | None:
        """The plan, once there is one."""
        if self._plan is None and self.layout.plan.exists():
            self._plan = read_plan(self.layout)
            self._seen = np.zeros(self._plan.keys, dtype=bool)
        return self._plan

    def all_there(self) -> bool:
        """Whether nothing is left to generate, by the last look."""
        return self.plan is not None and (not self.plan.complete or bool(self._seen.all()))

    def count(self) -> int:
        """Keys seen so far."""
        return int(self._seen.sum())

    def look(self) -> None:
        """By the indexes, while tasks are at work. Raises Difference: a key is gone."""
        if self.plan is not None:
            self._compare(settled_so_far(self.layout, self.plan.records, self.plan.samples).done)

    def look_closely(self) -> None:
        """By every byte, when nobody writes. Raises Difference: lost, damaged, or there twice."""
        if self.plan is None:
            return
        found = settled(self.layout.journals(), self.plan.records, self.plan.samples, verify=True)
        if found.damage:
            raise Difference(f"journals: {found.damage[0]}")
        there = sum(frame.count for path in self.layout.journals() for frame in contents(path).frames)
        if twice := there - int(np.count_nonzero(found.done)):
            raise Difference(f"journals: {twice} samples are there twice")
        if aside := sorted(path.name for path in self.layout.generate.glob("*.bad")):
            raise Difference(f"journals: {aside[0]}: frames were set aside, and nothing damaged any")
        self._compare(found.done)

    def _compare(self, done: np.ndarray) -> None:
        if lost := int((self._seen & ~done).sum()):
            raise Difference(f"journals: {lost} samples are gone that were on disk before")
        self._seen = done


def digests(root: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check_dataset(dataset: Path, plan: Plan, expected: Mapping[str, str] | None = None) -> None:
    """A published dataset of solutions is whole, holds no sample twice, and its counts add up.

    Raises:
        Difference: it does not, or its files are not those of `expected`.
    """
    if expected is not None:
        found = digests(dataset)
        if other := sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name)):
            raise Difference(f"{dataset}: {', '.join(other)}: not the bytes of an undisturbed run")
    try:
        verify(dataset)
    except ValueError as error:
        raise Difference(str(error)) from error
    stats = read_stats(dataset)
    assert stats is not None
    _check_counts(stats, plan)
    for path in dataset.glob("jsonl/train-*.jsonl.zst"):
        _refuse_twice(path)


def _check_counts(stats: Mapping[str, Any], plan: Plan) -> None:
    counts = stats["counts"]
    dropped = sum(each["dropped"] for each in counts["filters"].values())
    accounted = (
        counts["rows"] + counts.get("quarantined", 0) + sum(counts.get("selection", {}).values()) + dropped
    )
    sums = {
        "samples that came in and are accounted for": (counts["samples"], accounted),
        "rows before duplicates are dropped": (counts["rows"], stats["rows"] + stats["duplicates_dropped"]),
        "records": (plan.records, counts["records"]),
    }
    if plan.complete:
        sums["samples of the plan"] = (plan.keys, counts["samples"] + counts.get("unneeded", 0))
    for what, (one, other) in sums.items():
        if one != other:
            raise Difference(f"stats.json: {what}: {one} and {other}")


def _refuse_twice(path: Path) -> None:
    seen: set[tuple[str, int]] = set()
    with zstandard.open(path, "rb") as lines:
        for line in io.BufferedReader(lines):
            row = orjson.loads(line)
            key = row["record_id"], row["sample"]
            if key in seen:
                raise Difference(f"{path}: sample {key[1]} of record {key[0]} is there twice")
            seen.add(key)
