"""A module's own pauses, in place of those of the whole process.

`subprocess` and other threads sleep too: a test that replaced `time.sleep` for all would count theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest


def replace_pauses(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, sleep: Callable[[float], object]
) -> None:
    """Has `module`, which says `time.sleep`, call `sleep` instead. Nobody else's pauses are changed."""
    monkeypatch.setattr(module, "time", SimpleNamespace(**{**vars(time), "sleep": sleep}))
