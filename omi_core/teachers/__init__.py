"""Teachers: what generates samples. `open_teacher` makes the one a config names."""

from __future__ import annotations

from omi_core.options import ConfigError
from omi_core.teachers import base
from omi_core.teachers.options import Engine, Sampling, Teacher
from omi_core.teachers.ranks import Follower, Group


def open_teacher(
    teacher: Teacher, engine: Engine, sampling: Sampling, group: Group | None = None
) -> base.Teacher:
    """The running teacher; a context manager that ends its engine. `group` is for one that spans nodes.

    Raises:
        ConfigError: the model cannot be had, the engine's library is not installed, or a key is missing.
    """
    if teacher.kind == "rehearsal":
        from omi_core.teachers.rehearsal import RehearsalTeacher

        return RehearsalTeacher(teacher.rehearsal, engine, sampling)
    if teacher.kind == "endpoint":
        from omi_core.teachers.endpoint import EndpointTeacher

        return EndpointTeacher(teacher, sampling)
    if teacher.nodes > 1 and group is None:
        raise ConfigError(f"teacher.nodes={teacher.nodes}: needs a Slurm cluster, +cluster=NAME")
    from omi_core.teachers.vllm import VllmTeacher

    return VllmTeacher(teacher, engine, sampling, group)


def serve(teacher: Teacher, engine: Engine, lead: Follower) -> None:
    """Runs a rank above 0 of a teacher that spans nodes; returns when rank 0 has ended or our part has.

    Raises:
        ConfigError: as of `open_teacher`.
    """
    if teacher.kind == "rehearsal":
        lead.wait()  # there is no model to hold a part of
        return
    from omi_core.teachers import vllm_engine

    vllm_engine.serve(teacher, engine, lead.group)
