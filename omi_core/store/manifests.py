"""Manifests of shards: what every task that ended by itself says it did in its last session."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from omi_core.store.layout import Layout

_MANIFEST = re.compile(r"(\d{4,})-(\d{5,})\.json")
_TOTALS = ("seconds", "start_up")
_NUMBERS = ("samples", "completion_tokens", "seconds", "start_up", "last_admitted")


def read_manifests(layout: Layout) -> dict[tuple[int, int], dict[str, Any]]:
    """(attempt, task) -> manifest, of every shard that left one; a damaged one counts as none."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    folder = str(layout.generate)
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return found
    for file_name in names:
        if name := _MANIFEST.fullmatch(file_name):
            manifest = read_manifest(f"{folder}/{file_name}")
            if manifest is not None:
                found[int(name[1]), int(name[2])] = manifest
    return found


def read_manifest(path: Path | str) -> dict[str, Any] | None:
    """One shard's manifest; None where there is none, or a damaged one."""
    try:
        with open(path, "rb", buffering=0) as file:
            manifest = orjson.loads(file.read())
    except (OSError, orjson.JSONDecodeError):
        return None
    whole = isinstance(manifest, dict) and all(isinstance(manifest.get(k), (int, float)) for k in _NUMBERS)
    return manifest if whole else None


def before(last: Mapping[str, Any] | None) -> dict[str, float]:
    """What the sessions of a shard came to, up to and with the one that wrote the manifest `last`.

    A shard that is requeued begins another session. A session that was killed left nothing and is not in it.
    """
    if last is None:
        return {"sessions": 0, "seconds": 0.0, "start_up": 0.0}
    earlier = last.get("before") or before(None)
    sums = {name: round(last[name] + earlier[name], 3) for name in _TOTALS}
    return {"sessions": earlier["sessions"] + 1, **sums}


def held_seconds(manifest: Mapping[str, Any]) -> float:
    """Seconds for which a shard held its machine, start-up included, over all its sessions."""
    total = before(manifest)
    return total["seconds"] + total["start_up"]


def working_seconds(manifest: Mapping[str, Any]) -> float:
    """Seconds in which a shard's teacher was there: a server's absence says nothing of its speed."""
    return max(0.0, manifest["seconds"] - manifest.get("away", 0.0))
