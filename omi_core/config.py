"""The one schema of a run: every option with its type, default, bounds and help.

`jobs.generate` composes these sections from YAML groups; `load` turns the result into a checked `Generate`
before anything is planned. What only decides how or where a run executes is marked transient and may
change between resumes; everything else is part of the run's fingerprint.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from omi_core import options, plugins, tasks, teachers
from omi_core.cluster_options import Cluster
from omi_core.filters import registry
from omi_core.filters.sections import packages
from omi_core.inputs.data_options import Data
from omi_core.options import ConfigError, option, section
from omi_core.prompts.prompt_options import Prompt
from omi_core.publish.publish_options import Publish
from omi_core.stop_strings import check_stop
from omi_core.tasks.adaptive_options import Adaptive
from omi_core.teachers.checkpoint import name_of_model
from omi_core.teachers.models import EMBEDDED
from omi_core.teachers.teacher_options import OFF, TAGGED, Engine, Sampling, TeacherOptions
from omi_core.text.reasoning import TAGS

T = TypeVar("T")

__all__ = ["ConfigError", "Generate", "Reduce", "load_generate", "load_reduce"]


@dataclass
class TaskOptions:
    """What a run generates."""

    name: str = option(tasks.DEFAULT_TASK, "what is generated", choices=tuple(tasks.known()))


@dataclass
class RunOptions:
    """The run directory, and when a task flushes, stops or gives up."""

    dir: str | None = option(None, "the run directory; null: ROOT/<task>-<data>-<teacher>-<fingerprint>")
    root: str = option("runs", "where run directories are made")
    fresh: bool = option(False, "start anew: an old run of that name is moved aside, not continued")
    flush_samples: int = option(256, "most samples per journal frame", ge=1)
    flush_seconds: float = option(5.0, "most seconds between journal frames", gt=0)
    drain_seconds: float = option(10.0, "after a signal to stop: seconds for samples in flight", ge=0)
    min_coverage: float = option(
        1.0, "share of samples that must be on disk to go on; what is missing is recorded", gt=0, le=1
    )
    max_crashes: int = option(
        3, "crashes of the engine with a record in flight before the record is quarantined", ge=2
    )
    max_error_rate: float = option(0.1, "share of quarantined samples at which a shard stops", ge=0, le=1)
    repeat: float = option(
        0.0, "share of samples that are drawn a second time, to see how many texts differ", ge=0, le=1
    )


def _teachers() -> type[TeacherOptions]:
    """The section `teacher`, with the kinds of other packages and their options."""
    added = teachers.added()
    if not added:
        return TeacherOptions
    (kind,) = (field for field in dataclasses.fields(TeacherOptions) if field.name == "kind")
    choices = {**kind.metadata, "choices": (*teachers.KINDS, *added)}
    fields: list[Any] = [("kind", str, dataclasses.field(default=kind.default, metadata=choices))]
    for name, each in added.items():
        if each.options is not None:
            package = plugins.package(teachers.GROUP, name)
            fields.append((name, each.options, section(each.options, package=package)))
    return dataclasses.make_dataclass("Teacher", fields, bases=(TeacherOptions,))


AnyTeacher = _teachers()


def _with_sections(reduced: bool) -> Callable[[type[T]], type[T]]:
    """Puts the option sections of all tasks before `publish`; those alone, where asked, that reduce reads."""

    def extended(cls: type[T]) -> type[T]:
        own, fields = cls.__annotations__, {}
        for name, kind in own.items():
            if name == "publish":
                for task in tasks.known().values():
                    for each in task.reduced if reduced else task.sections:
                        if each not in own and each not in fields:  # else it is refused: check_packages
                            fields[each] = task.sections[each]
                            setattr(cls, each, section(fields[each], package=tasks.package_of(task)))
            fields[name] = kind
        cls.__annotations__ = fields
        return cls

    return extended


@dataclass
@_with_sections(reduced=False)
class Generate:
    """Root of `jobs.generate`. The sections that single tasks read stand beside these tasks."""

    if TYPE_CHECKING:

        def __getattr__(self, section: str) -> Any: ...

    task: TaskOptions = section(TaskOptions)
    teacher: AnyTeacher = section(AnyTeacher)  # type: ignore[valid-type]
    data: Data = section(Data)
    prompt: Prompt = section(Prompt)
    sampling: Sampling = section(Sampling)
    style: list[str] = option(
        [], "how the prompt is varied: styles of a dialogue, of a new problem, or all; solutions have none"
    )
    samples: int = option(8, "samples per record and style", ge=1)
    adaptive: Adaptive = section(Adaptive, late=True)
    seed: int = option(0, "seed of the run", ge=0)
    tasks: int = option(1, "array tasks that share the work", ge=1, transient=True)
    reduce_tasks: int = option(1, "array tasks of the reduce stage", ge=1, transient=True)
    engine: Engine = section(Engine, transient=True)
    publish: Publish = section(Publish)
    cluster: Cluster = section(Cluster, transient=True)
    plan: bool = option(
        False, "show what would be done, with the text of every job; do nothing", transient=True
    )
    canary: bool | None = option(
        None,
        "on Slurm: a few samples first, and the array only if they pass; null: where GPUs are asked for",
        transient=True,
    )
    wait: bool = option(
        False, "on Slurm: return when the run has ended, with an exit code that says how", transient=True
    )
    notify: str | None = option(
        None,
        "shell command that is run once at the end; OMI_RUN, OMI_STATE and others tell it",
        transient=True,
    )
    run: RunOptions = section(RunOptions, transient=True)


@dataclass
@_with_sections(reduced=True)
class Reduce:
    """Root of `jobs.reduce`: the CPU half alone, on existing generations."""

    if TYPE_CHECKING:

        def __getattr__(self, section: str) -> Any: ...

    input: str | None = option(
        None,
        "problems with solutions: .jsonl, .jsonl.zst or .parquet file, a glob of them, or a run directory",
        transient=True,
    )
    solution: list[str] = option(
        ["generated_solution"],
        "columns that hold solutions: each a text or a list of texts; a.b reaches inside",
        transient=True,
    )
    finish_reason: str | None = option(
        None,
        "column with the finish reason(s) that an engine or server gave; null: all solutions are finished",
        transient=True,
    )
    reasoning: list[str] = option(
        [],
        "columns that hold what was thought before the solutions, one for each of `solution`; []: none, or "
        "thinking stands in the solution between tags",
        transient=True,
    )
    reasoning_tags: list[str] = option(
        list(TAGS),
        "tags around thinking inside a solution: the opening and the closing one",
        transient=True,
    )
    data: Data = section(Data)
    reduce_tasks: int = option(1, "array tasks of the reduce stage", ge=1, transient=True)
    publish: Publish = section(Publish)
    cluster: Cluster = section(Cluster, transient=True)
    plan: bool = option(False, "show what would be done; do nothing", transient=True)
    run: RunOptions = section(RunOptions, transient=True)


def check_packages() -> None:
    """Raises ConfigError when what another package adds cannot be used.

    To be called before options are read: those that a broken package adds are not there.
    """
    for group in plugins.GROUPS:
        plugins.load(group)
    for name in registry.SECTIONS:
        registry.known(name)
    teachers.check_added()
    tasks.check_added()
    for task in tasks.known().values():
        for name, kind in task.sections.items():
            if type(getattr(Generate(), name)) is not kind:
                raise ConfigError(
                    f"package {tasks.package_of(task)}: task {task.name} has a section {name}, "
                    "a name that is taken; give it another"
                )


def added_choices() -> dict[str, dict[str, tuple[str, dict[str, Any]]]]:
    """What other packages add to the groups of the command line.

    GROUP → CHOICE → what it is, and what it sets, from the root of the config.
    """
    chosen = {name: task for name, task in tasks.known().items() if tasks.package_of(task) is not None}
    return {
        "task": {
            name: (task.about, {"task": {"name": name}, **task.settings}) for name, task in chosen.items()
        },
        "teacher": {
            name: (kind.about, {"teacher": dict.fromkeys(("name", "kind", "model"), name)})
            for name, kind in teachers.added().items()
        },
    }


def load_generate(values: Mapping[str, Any]) -> Generate:
    """The checked config of `jobs.generate`.

    Raises:
        ConfigError: as `options.load`, or values that do not go together; or a package that adds something is
            broken.
    """
    check_packages()
    config = options.load(Generate, values)
    _name_teacher(config.teacher)
    for task in tasks.known().values():
        task.check(config)
    if not config.sampling.from_model:  # else it is not known yet
        check_temperature(config)
    check_tags("teacher.reasoning_tags", config.teacher.reasoning_tags)
    if config.sampling.thinking_tokens is not None and config.teacher.reasoning == OFF:
        raise ConfigError("sampling.thinking_tokens: not with teacher.reasoning=none; omit one of them")
    if config.teacher.kind == "endpoint" and config.teacher.reasoning not in (TAGGED, OFF):
        raise ConfigError(
            f"teacher.reasoning={config.teacher.reasoning}: give the parser to the server; omit it here"
        )
    _check_adaptive(config)
    check_stop("sampling.stop", config.sampling.stop)
    check_stop("teacher.endpoint.extra.stop", config.teacher.endpoint.extra.get("stop"))
    refuse_unread(config.task.name, config)
    check_splits(config.publish.splits)
    shares = config.teacher.rehearsal
    if shares.wrong + shares.malformed + shares.overlong + shares.hostile > 1:
        raise ConfigError("teacher.rehearsal: wrong, malformed, overlong and hostile add up to more than 1")
    return config


def check_temperature(config: Generate) -> None:
    """Raises ConfigError when all samples of a record would be the same."""
    if config.samples > 1 and config.sampling.temperature == 0:
        raise ConfigError(
            f"samples={config.samples}: with sampling.temperature=0 all samples are the same; "
            "set samples=1 or a temperature above 0"
        )


def _check_adaptive(config: Generate) -> None:
    """Raises ConfigError when the options of adaptive sampling do not go together, or with the task."""
    adaptive, plain, given = config.adaptive, Adaptive(), f"adaptive.first={config.adaptive.first}"
    if adaptive.first is None:
        for key, value, _ in options.leaves(adaptive):
            if value != getattr(plain, key):
                raise ConfigError(f"adaptive.{key}: not used; give adaptive.first, or omit it")
        return
    if not tasks.task_of(config).settles:
        raise ConfigError(f"{given}: not read by task={config.task.name}; omit it")
    if adaptive.first >= config.samples:
        raise ConfigError(f"{given}: samples={config.samples} is the most, give more of these; or omit it")
    for key, until in (("right", "right"), ("confidence", "vote")):
        if adaptive.until != until and getattr(adaptive, key) != getattr(plain, key):
            raise ConfigError(f"adaptive.{key}: only of adaptive.until={until}; omit it")
    least = config.answers.min_votes
    if adaptive.until == "vote" and least is not None and least > adaptive.first:
        raise ConfigError(
            f"answers.min_votes={least}: a record may end with adaptive.first={adaptive.first} samples; give "
            f"adaptive.first={least} or more"
        )


def _name_teacher(teacher: TeacherOptions) -> None:
    """Names the teacher after its model where it has no name of its own.

    Raises:
        ConfigError: the model of an embedded teacher was replaced and the rest of it kept: it is of no use to
            another model.
    """
    model = teacher.model
    if not teacher.name:
        teacher.name = name_of_model(model)
    elif teacher.kind == "vllm" and teacher.name in EMBEDDED.values() and not model.startswith("embedded:"):
        raise ConfigError(
            f"teacher.model={model}: teacher={teacher.name} brings the prompt, precision and context of the "
            f"embedded model; type teacher=model teacher.model={model}"
        )


def content(config: Generate | Reduce) -> dict[str, Any]:
    """The options that decide a run's dataset: those that its task reads."""
    values = options.content(config)
    task = tasks.task_of(config)
    task.content(config, values)
    for name in _unread(task.name):
        values.pop(name, None)
    if not values.get("style", True):
        del values["style"]
    used = {
        name: version
        for section in registry.SECTIONS
        if section in values
        for name, version in packages(section, getattr(config, section)).items()
    }
    names = [plugins.package(tasks.GROUP, task.name)] if tasks.package_of(task) else []
    if isinstance(config, Generate):
        for name in teachers.added():
            if name == config.teacher.kind:
                names.append(plugins.package(teachers.GROUP, name))
            else:
                values["teacher"].pop(name, None)
    used |= {package.name: package.version for package in names}
    return values | {"packages": used} if used else values


AnyConfig = TypeVar("AnyConfig", Generate, Reduce, Generate | Reduce)


def reduced_again(config: AnyConfig, again: Reduce) -> tuple[AnyConfig, list[str]]:
    """`config` with what `again` says of how samples become a dataset; and the names of these sections.

    Raises:
        ConfigError: `again` sets an option that the task of `config` does not read.
    """
    task = tasks.task_of(config)
    refuse_unread(task.name, again)
    sections = [*task.reduced, "publish"]
    return dataclasses.replace(config, **{name: getattr(again, name) for name in sections}), sections


def _unread(task: str) -> list[str]:
    """The sections that only other tasks read. They stay out of a run's fingerprint."""
    own = tasks.known()[task].sections
    return [name for other in tasks.known().values() for name in other.sections if name not in own]


def refuse_unread(task: str, config: Generate | Reduce) -> None:
    """Raises ConfigError when an option is set that the task does not read."""
    plain = type(config)()
    for name in _unread(task):
        if not hasattr(plain, name):
            continue
        default = {key: value for key, value, _ in options.leaves(getattr(plain, name))}
        for key, value, _ in options.leaves(getattr(config, name)):
            if value != default[key]:
                raise ConfigError(f"{name}.{key}: not read by task={task}")
    known = tasks.known()
    if isinstance(config, Generate) and config.style and not known[task].has_styles:
        raise ConfigError(f"style: {task} have none; omit it")
    for key in ("splits", "chat", "reasoning", "reasoning_key", "pass_rate"):
        reading = [name for name in known if known[name].solves or key in known[name].schema.optional]
        if task not in reading and getattr(config.publish, key) != getattr(Publish(), key):
            raise ConfigError(f"publish.{key}: only of {', '.join(reading)}; not read by task={task}")


def load_reduce(values: Mapping[str, Any]) -> Reduce:
    """The checked config of `jobs.reduce`.

    Raises:
        ConfigError: as `load_generate`, or no input.
    """
    check_packages()
    config = options.load(Reduce, values)
    if not config.input:
        raise ConfigError("input: missing; give the generations to reduce, e.g. input=samples.jsonl")
    if not config.solution:
        raise ConfigError("solution: names no column; give those that hold solutions, solution=[a,b]")
    if config.reasoning and len(config.reasoning) != len(config.solution):
        counts = f"names {len(config.reasoning)} columns, solution {len(config.solution)}"
        raise ConfigError(f"reasoning: {counts}; give one for each of solution")
    check_tags("reasoning_tags", config.reasoning_tags)
    _refuse_unread_by_reduce(config)
    for task in tasks.known().values():
        if task.reduced:
            task.check(config)
    check_splits(config.publish.splits)
    return config


# Of the sections that `jobs.reduce` shares with `jobs.generate`: what it does read.
_READ_BY_REDUCE = {
    "data": (
        *("origin", "name", "limit", "problem", "answer", "answer_format", "several_answers", "source"),
        "on_bad_row",
    ),
    "cluster": ("name", "workers"),
    "run": ("dir", "root", "fresh", "drain_seconds"),
}


def _refuse_unread_by_reduce(config: Reduce) -> None:
    if config.cluster.kind != "local":
        raise ConfigError(f"+cluster={config.cluster.name}: jobs.reduce runs on this machine; omit it")
    if config.data.origin == "hub":
        raise ConfigError("data.origin: not read by jobs.reduce; give the file as input=FILE")
    hints = {"data": "give the file as input=FILE", "cluster": "it submits nothing: omit it"}
    for name, read in _READ_BY_REDUCE.items():
        for key, value, field in options.leaves(getattr(config, name)):
            if key not in read and value != options.default_of(field):
                raise ConfigError(f"{name}.{key}: not read by jobs.reduce; {hints.get(name, 'omit it')}")


def refuse_for_imports(config: Reduce) -> None:
    """Raises ConfigError when an option is set that says how files are read, for samples of a run."""
    columns = ("solution", "finish_reason", "reasoning", "reasoning_tags")
    # What hydra_conf/reduce.yaml itself says of its data.
    said = {"data.name": "import", "data.origin": "file"}
    for key, value, field in options.leaves(config):
        if key in columns or (key.startswith("data.") and value != said.get(key)):
            if value != options.default_of(field):
                raise ConfigError(f"{key}: not read with input=RUN, whose samples are there; omit it")


def check_tags(key: str, tags: Sequence[str]) -> None:
    """Raises ConfigError unless these are two different tags."""
    if len(tags) != 2 or not all(tags) or tags[0] == tags[1]:
        raise ConfigError(f"{key}: not an opening and a closing tag, as in ['<think>','</think>']")


def check_splits(splits: Mapping[str, int]) -> None:
    """Names go into names of files and into `load_dataset(split=…)`, which takes "all" for itself."""
    for name, size in splits.items():
        if not re.fullmatch(r"\w+", name, re.ASCII) or name in ("train", "all"):
            raise ConfigError(
                f"publish.splits.{name}: not a name for a split; use letters, digits and _, "
                "and neither train, which holds all rows, nor all"
            )
        if size < 1:
            raise ConfigError(f"publish.splits.{name}={size}: must be at least 1")
