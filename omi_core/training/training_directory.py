"""What makes a directory that of a training, and how it is known that its model is made."""

from __future__ import annotations

from pathlib import Path

from omi_core.store.files import read_json
from omi_core.store.resumable import Resumable

MANIFEST, PROGRESS = "trained.json", "progress.json"


def training_directory(root: Path) -> Resumable:
    """The directory of a training, which train.json makes one."""
    return Resumable(root, "train.json", "directory of jobs.train")


def is_training(root: Path) -> bool:
    return training_directory(root).exists()


def is_made(model: Path, fingerprint: str) -> bool:
    """Whether a model is whole, and the result of a training of this fingerprint."""
    try:
        made = read_json(model / MANIFEST)
        sizes = made["files"].items()
        return made["fingerprint"] == fingerprint and all(
            (model / name).stat().st_size == size for name, size in sizes
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
