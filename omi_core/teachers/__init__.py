"""Teachers: what generates samples. `open_teacher` makes the one a config names."""

from __future__ import annotations

from pathlib import Path

from omi_core.config import Engine, Sampling, Teacher
from omi_core.options import ConfigError
from omi_core.teachers import base

EMBEDDED = {"embedded:strong": "tiny", "embedded:weak": "tiny_weak"}


def open_teacher(teacher: Teacher, engine: Engine, sampling: Sampling) -> base.Teacher:
    """The running teacher; a context manager that ends its engine.

    Raises:
        ConfigError: the model cannot be had, or the engine's library is not installed.
    """
    if teacher.kind == "rehearsal":
        from omi_core.teachers.rehearsal import RehearsalTeacher

        return RehearsalTeacher(teacher.rehearsal, engine, sampling)
    from omi_core.teachers.vllm import VllmTeacher

    return VllmTeacher(teacher, engine, sampling)


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
