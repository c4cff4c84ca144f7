"""Real problems and model outputs for the tests of this folder, where the checkout has them beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def rows() -> Rows:
    """Reads a jsonl file of ../shared/data by its name there; skips where the folder is missing."""
    data = Path(__file__).resolve().parents[2] / "../shared/data"

    def read(name: str) -> list[dict[str, Any]]:
        if not data.is_dir():
            pytest.skip("../shared/data is not here")
        lines = (data / name).read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line]

    return read
