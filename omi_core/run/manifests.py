"""Manifests of shards: what every task that ended by itself says it did in its last session."""

from __future__ import annotations

import os
import re
from typing import Any

import orjson

from omi_core.run.layout import Layout

_MANIFEST = re.compile(r"(\d{4})-(\d{5})\.json")
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
            try:
                with open(f"{folder}/{file_name}", "rb", buffering=0) as file:
                    manifest = orjson.loads(file.read())
            except (OSError, orjson.JSONDecodeError):
                continue
            if isinstance(manifest, dict) and all(
                isinstance(manifest.get(key), (int, float)) for key in _NUMBERS
            ):
                found[int(name[1]), int(name[2])] = manifest
    return found
