"""The protocol of two nodes, played by two threads: what holds on a sound file system, and what breaks it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from omi_core.checks import notes, two_nodes
from omi_core.checks.notes import Notes


def play(place: Path) -> dict[str, Any]:
    with ThreadPoolExecutor(2) as both:
        writes = both.submit(two_nodes.try_out, Notes(place), 0)
        looks = both.submit(two_nodes.try_out, Notes(place), 1)
        writes.result()
        return looks.result()


def test_a_sound_file_system_keeps_what_is_promised(tmp_path: Path) -> None:
    found = play(tmp_path)
    assert found.pop("seconds") < notes.SYNC_S
    assert found == {"renamed": True, "grown": True, "broken": [], "held": True, "free": True}


def test_locks_that_do_not_hold_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def none(path: Path, wait: float = 0.0) -> Any:
        yield

    monkeypatch.setattr(two_nodes, "lock", none)
    assert play(tmp_path)["held"] is False


def test_files_that_are_written_in_place_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_place(path: Path, data: bytes) -> None:
        for end in (len(data) // 2, len(data)):
            path.write_bytes(data[:end])
            os.sched_yield()

    monkeypatch.setattr(two_nodes, "_VERSIONS", 250)
    monkeypatch.setattr(two_nodes, "write_atomic", in_place)
    assert "seen half written" in play(tmp_path)["broken"]


def test_a_node_that_stays_alone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes.Notes, "wait", lambda self, name, seconds=0: None)
    with pytest.raises(RuntimeError, match="nothing came from the other node"):
        two_nodes.try_out(Notes(tmp_path), 0)
