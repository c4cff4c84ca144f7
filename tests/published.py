"""Published files by the part of their name that a test can know: all but the piece of the content hash."""

from __future__ import annotations

from pathlib import Path


def published_file(folder: Path, split: str = "train", number: int = 0) -> Path:
    """The file of a split in a `data` or `jsonl` folder."""
    (path,) = folder.glob(f"{split}-{number:05d}-*")
    return path
