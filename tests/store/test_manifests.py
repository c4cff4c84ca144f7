"""Manifests of shards: what the sessions of a shard that was requeued come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.store.layout import Layout
from omi_core.store.manifests import before, held_seconds, read_manifest, read_manifests


def session(seconds: float, start_up: float, last: dict[str, Any] | None) -> dict[str, Any]:
    numbers = {"samples": 1, "completion_tokens": 2, "last_admitted": 0.0}
    return numbers | {"seconds": seconds, "start_up": start_up, "before": before(last)}


def test_a_requeued_shard_counts_every_session() -> None:
    first = session(10.0, 3.0, None)
    second = session(5.0, 2.0, first)
    third = session(1.0, 1.0, second)
    assert held_seconds(first) == 13.0
    assert third["before"] == {"sessions": 2, "seconds": 15.0, "start_up": 5.0}
    assert held_seconds(third) == 22.0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"samples": 1}', b'{"seconds": "x"}'])
def test_a_damaged_manifest_is_none(tmp_path: Path, content: bytes) -> None:
    layout = Layout(tmp_path)
    layout.generate.mkdir()
    layout.shard_manifest(1, 0).write_bytes(content)
    layout.shard_manifest(1, 1).write_bytes(orjson.dumps(session(1.0, 0.5, None)))
    assert read_manifest(layout.shard_manifest(1, 0)) is None
    assert read_manifest(layout.shard_manifest(1, 7)) is None
    assert list(read_manifests(layout)) == [(1, 1)]


def test_files_of_a_very_large_array_are_seen(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.generate.mkdir()
    layout.journal(10_000, 123_456).touch()
    layout.shard_manifest(10_000, 123_456).write_bytes(orjson.dumps(session(1.0, 0.5, None)))
    assert layout.journals() == [layout.journal(10_000, 123_456)]
    assert list(read_manifests(layout)) == [(10_000, 123_456)]
