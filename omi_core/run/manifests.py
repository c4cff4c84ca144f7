"""Manifests of shards: what every task that ended by itself says it did in its last session."""

from __future__ import annotations

import re
from typing import Any

import orjson

from omi_core.run.layout import Layout

_MANIFEST = re.compile(r"(\d{4})-(\d{5})\.json")
_NUMBERS = ("samples", "completion_tokens", "seconds", "start_up", "last_admitted")


def read_manifests(layout: Layout) -> dict[tuple[int, int], dict[str, Any]]:
    """(attempt, task) -> manifest, of every shard that left one; a damaged one counts as none."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    if not layout.generate.is_dir():
        return found
    for path in layout.generate.iterdir():
        if name := _MANIFEST.fullmatch(path.name):
            try:
                manifest = orjson.loads(path.read_bytes())
            except (OSError, orjson.JSONDecodeError):
                continue
            if isinstance(manifest, dict) and all(
                isinstance(manifest.get(key), (int, float)) for key in _NUMBERS
            ):
                found[int(name[1]), int(name[2])] = manifest
    return found
