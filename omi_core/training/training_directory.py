"""What makes a directory that of a training, and how it is known that its model is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omi_core.store.files import read_json
from omi_core.store.resumable import Resumable
from omi_core.teachers.models import TRAINED

MANIFEST, PROGRESS, CARD = TRAINED, "progress.json", "README.md"


def training_directory(root: Path) -> Resumable:
    """The directory of a training, which train.json makes one."""
    return Resumable(root, "train.json", "directory of jobs.train")


def is_training(root: Path) -> bool:
    return training_directory(root).exists()


def whole_model(model: Path) -> dict[str, Any] | None:
    """What a model says that it was made of; None where it is not of jobs.train, or not whole.

    Its card does not count: a text for people, which they may change.
    """
    try:
        made = read_json(model / MANIFEST)
        sizes = made["files"].items()
        whole = all((model / name).stat().st_size == size for name, size in sizes if name != CARD)
        return made if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_made(model: Path, fingerprint: str) -> bool:
    """Whether a model is whole, and the result of a training of this fingerprint."""
    made = whole_model(model)
    return made is not None and made.get("fingerprint") == fingerprint
