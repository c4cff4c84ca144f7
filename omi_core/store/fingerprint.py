"""The fingerprint of a run: a hash of everything that decides the content of its dataset.

Where and how a run executes (cluster, task counts, paths) stays out, so it may change between resumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from omi_core.records import digest128

# Raised when the meaning of a stage changes, so that old runs are not continued with new rules.
FORMAT = 1
# Weights up to this size are hashed whole; larger files by name and size, since a hub revision names them.
_HASH_WHOLE = 64 << 20


def fingerprint(content: Mapping[str, Any]) -> str:
    """32 hex digits over the canonical JSON of the content."""
    return digest128("run", orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


def directory_digest(directory: Path) -> str:
    """Digest of a local checkpoint: its files' names and bytes (of large files, their sizes)."""
    parts: list[str | bytes | int] = ["checkpoint"]
    for path in sorted(path for path in directory.iterdir() if path.is_file()):
        if path.suffix not in (".json", ".safetensors", ".model", ".jinja", ".bin", ".txt"):
            continue
        size = path.stat().st_size
        parts += [path.name, size if size > _HASH_WHOLE else path.read_bytes()]
    return digest128(*parts)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """'key old → new' for every leaf that differs, in sorted order."""
    out: list[str] = []
    for key in sorted(set(old) | set(new)):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            out += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            out.append(f"{prefix}{key} {_short(a)} → {_short(b)}")
    return out


def _short(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "…"
