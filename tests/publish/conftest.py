"""Rows, parts and cards that the publish tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omi_core.publish import CardInfo, PartWriter

Rows = list[dict[str, Any]]


@pytest.fixture(scope="session")
def card() -> CardInfo:
    return CardInfo(
        name="sums",
        task="solutions",
        teacher="tiny",
        prompt="concise",
        source="demo",
        samples=4,
        sampling={"temperature": 0.7, "top_p": 1.0},
        filters={"unfinished": {}, "max_tokens": {"limit": 1024}},
        figures={"accuracy": 0.75},
    )


@pytest.fixture(scope="session")
def write_parts() -> Callable[..., list[Path]]:
    """(directory, rows of each part) -> the parts' paths."""

    def write(directory: Path, parts: list[Rows], fingerprint: str = "f1", **counts: int) -> list[Path]:
        directory.mkdir(exist_ok=True)
        paths = []
        for number, rows in enumerate(parts):
            provenance = [name for name in ("votes", "agreement", "teacher") if rows and name in rows[0]]
            with PartWriter(directory, number, fingerprint=fingerprint, provenance=provenance) as part:
                for row in rows:
                    part.write(row)
                paths.append(part.finish(counts).path)
        return paths

    return write
