"""Where a teacher's model lies: embedded in the package, in a local directory, or on the hub."""

from __future__ import annotations

from pathlib import Path

from omi_core.options import ConfigError

EMBEDDED = {
    "embedded:strong": "tiny",
    "embedded:weak": "tiny_weak",
    "embedded:thinking": "tiny_thinking",
}


def model_path(model: str) -> str:
    """What the engine is given: the installed directory of an embedded model, else the name itself.

    Raises:
        ConfigError: an unknown embedded model.
    """
    if not model.startswith("embedded:"):
        return model
    if model not in EMBEDDED:
        raise ConfigError(f"teacher.model={model}: no such embedded model; one of {', '.join(EMBEDDED)}")
    from omi_core.teachers import tiny

    return str(tiny.path(EMBEDDED[model]))


def local_directory(model: str) -> Path | None:
    """The model's directory when it lies on this machine, else None (a hub id)."""
    path = Path(model_path(model))
    return path if path.is_dir() else None
