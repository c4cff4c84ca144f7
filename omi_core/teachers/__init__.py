"""Teachers: what generates samples. `open_teacher` makes the one a config names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import isabstract

from omi_core import plugins
from omi_core.options import ConfigError
from omi_core.teachers.ranks import Follower, RankGroup
from omi_core.teachers.teacher import Request, Teacher, Texts
from omi_core.teachers.teacher_options import LOADED, OFF, REWARD, Engine, Sampling, TeacherOptions

__all__ = ["GROUP", "KINDS", "Request", "Teacher", "Texts", "added", "check_added", "open_teacher", "serve"]

GROUP = "omi.teachers"
KINDS = ("vllm", REWARD, "endpoint", "rehearsal")


@cache
def added() -> Mapping[str, type[Teacher]]:
    """The kinds of teachers of other packages, by name; none where one of these packages is broken."""
    try:
        return check_added()
    except ConfigError:
        return {}


def check_added() -> dict[str, type[Teacher]]:
    """As `added`. Raises ConfigError, which names the package, when a kind cannot be used."""
    out: dict[str, type[Teacher]] = {}
    for name, kind in plugins.load(GROUP).items():
        label = f"package {plugins.package(GROUP, name)}: teacher {name}"
        if not (isinstance(kind, type) and issubclass(kind, Teacher)) or isabstract(kind):
            raise ConfigError(f"{label} is not a class made from omi_core.teachers.Teacher; repair it")
        if kind.name != name:
            raise ConfigError(f"{label} has the name {kind.name!r}, not that of its entry point; repair it")
        if hasattr(TeacherOptions(), name) or name in KINDS:
            raise ConfigError(f"{label} has a name that is taken; give it another")
        out[name] = kind
    return out


def open_teacher(
    teacher: TeacherOptions, engine: Engine, sampling: Sampling, group: RankGroup | None = None
) -> Teacher:
    """The running teacher; a context manager that ends its engine. `group` is for one that spans nodes.

    Raises:
        ConfigError: the model is not available, the engine's library is not installed, or a key is missing.
    """
    if teacher.kind == "rehearsal":
        from omi_core.teachers.rehearsal import RehearsalTeacher

        tags = None if teacher.reasoning == OFF else teacher.reasoning_tags
        return RehearsalTeacher(teacher.rehearsal, engine, sampling, tags)
    if teacher.kind == "endpoint":
        from omi_core.teachers.endpoint import EndpointTeacher

        return EndpointTeacher(teacher, sampling)
    if (kind := added().get(teacher.kind)) is not None:
        return kind(teacher, engine, sampling)
    if teacher.nodes > 1 and group is None:
        raise ConfigError(f"teacher.nodes={teacher.nodes}: needs a Slurm cluster, +cluster=NAME")
    if teacher.kind == REWARD:
        from omi_core.teachers.reward import RewardTeacher as Loaded
    else:
        from omi_core.teachers.vllm import VllmTeacher as Loaded
    return Loaded(teacher, engine, sampling, group)


def serve(teacher: TeacherOptions, engine: Engine, sampling: Sampling, lead: Follower) -> None:
    """Runs a rank above 0 of a teacher that spans nodes; returns when rank 0 has ended or our part has.

    Raises:
        ConfigError: as of `open_teacher`.
    """
    if teacher.kind not in LOADED:
        lead.wait()  # there is no model to hold a part of
        return
    from omi_core.teachers import vllm_engine

    vllm_engine.serve(teacher, engine, lead.group, sampling.max_tokens)
