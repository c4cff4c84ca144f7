"""Teachers: what generates samples. `open_teacher` makes the one a config names."""

from __future__ import annotations

from omi_core.config import Engine, Sampling, Teacher
from omi_core.teachers import base


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
