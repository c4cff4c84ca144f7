"""What `jobs.tune` takes, and the trial runs that its options mean: one for each setting.

Each is a run of `jobs.generate` on the first problems, with one replica of the teacher.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from omi_core import options
from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError, option
from omi_core.records import digest128
from omi_core.teachers.models import model_path
from omi_core.teachers.teacher_options import CPU_SEATS

_MOST_MEMORY = 0.95
_DRAFTED = (3, 5)
# Sections that say where and when, not what.
_ELSEWHERE = ("cluster", "run", "plan", "wait", "notify", "canary", "reduce_tasks")


@dataclass
class Tune(Generate):
    """Root of `jobs.tune`."""

    draft: str | None = option(
        None, "hub id or directory of a small model of the same family: tries speculative decoding with it"
    )


@dataclass(frozen=True)
class TuneCell:
    """What a command line asks for: a run, and a draft model to try."""

    generate: Generate
    draft: str | None = None

    @property
    def plan(self) -> bool:
        return self.generate.plan


@dataclass(frozen=True)
class Trial:
    """One setting: the options that tell it from the other trials, KEY → value, and its run."""

    setting: Mapping[str, Any]
    config: Generate

    @property
    def words(self) -> str:
        """The setting as people type it in a shell; empty: nothing is changed."""
        return shlex.join(self.typed)

    @property
    def typed(self) -> list[str]:
        """The setting as words of the command line."""
        return [f"{key}={_typed(value)}" for key, value in self.setting.items()]


def load_tune(values: Mapping[str, Any]) -> TuneCell:
    """The checked config of a cell. Raises ConfigError as `load_generate`; or several tasks are asked for."""
    config = options.load(Tune, values)
    given = options.written(config)
    draft = given.pop("draft")
    generate = load_generate(given)
    if generate.tasks != 1:
        raise ConfigError(f"tasks={generate.tasks}: a trial is one task; omit it")
    return TuneCell(generate, draft)


def trials(asked: Sequence[TuneCell]) -> list[Trial]:
    """The trials of a command line: of one config the usual ones around it, of several these.

    Raises:
        ConfigError: two of them are the same, or `draft` comes with settings of one's own.
    """
    first = asked[0]
    if len(asked) == 1:
        configs = [first.generate, *_around(first)]
    else:
        configs = [each.generate for each in asked]
        if first.draft is not None:
            raise ConfigError("draft: only without -m; give engine.extra.speculative_config there")
    flat = [dict((key, value) for key, value, _ in options.leaves(config)) for config in configs]
    told = [key for key in flat[0] if any(each[key] != flat[0][key] for each in flat[1:])]
    made = []
    for config, values in zip(configs, flat, strict=True):
        changed = {key: values[key] for key in told}
        if len(asked) == 1:  # around one: what is not its own
            changed = {key: value for key, value in changed.items() if value != flat[0][key]}
        made.append(Trial(changed, config))
    root = _root(first.generate)
    names: set[str] = set()
    for trial in made:
        name = _name(trial)
        if name in names:
            raise ConfigError(f"-m: tries {trial.words or 'the same setting'} twice; omit one of them")
        names.add(name)
        trial.config.run.dir = str(root / name)
    return made


def _around(asked: TuneCell) -> Iterator[Generate]:
    """One change at a time: half and twice the seats and GPUs, more memory, a draft model.

    Two at once are for a second command, of what the first one has shown to matter.
    """
    base = asked.generate
    seats = _seats(base)
    for each in (seats // 4, seats // 2, seats * 2, seats * 4):
        if each >= 1:
            yield _with(base, "engine", max_num_seqs=each)
    parallel, gpus = base.teacher.tensor_parallel, base.cluster.gpus_per_node
    for each in (parallel // 2, parallel * 2):
        if 1 <= each <= gpus and base.teacher.nodes == 1:
            yield _with(base, "teacher", tensor_parallel=each)
    if gpus and base.engine.gpu_memory_utilization < _MOST_MEMORY:
        yield _with(base, "engine", gpu_memory_utilization=_MOST_MEMORY)
    for tokens in _DRAFTED if asked.draft else ():
        drafted = {"model": model_path(asked.draft or ""), "num_speculative_tokens": tokens}
        yield _with(base, "engine", extra={**base.engine.extra, "speculative_config": drafted})


def _seats(config: Generate) -> int:
    """As the engine has them where nothing is said."""
    model, gpus = config.teacher.model, config.cluster.gpus_per_node
    on_cpu = config.teacher.kind == "vllm" and not gpus and not model.startswith("embedded:")
    return config.engine.max_num_seqs or (CPU_SEATS if on_cpu else config.engine.seats)


def _with(config: Generate, section: str, **values: Any) -> Generate:
    changed = dataclasses.replace(getattr(config, section), **values)
    return dataclasses.replace(config, **{section: changed}, run=dataclasses.replace(config.run))


def _root(config: Generate) -> Path:
    name = f"tune-{config.task.name}-{config.data.name}-{config.teacher.name}"
    return Path(config.run.dir) if config.run.dir else Path(config.run.root) / name


def _name(trial: Trial) -> str:
    """A directory for a trial: of another setting another one, also where only what is not told differs."""
    known = {key: value for key, value in options.written(trial.config).items() if key not in _ELSEWHERE}
    told = "_".join(f"{key.rpartition('.')[2]}-{value}" for key, value in trial.setting.items())
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in told)[:60]
    return f"{plain or 'as-given'}-{digest128(orjson.dumps(known, option=orjson.OPT_SORT_KEYS))[:8]}"


def _typed(value: Any) -> str:
    """A value as the command line takes it."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_typed(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    return f"[{','.join(map(_typed, value))}]" if isinstance(value, list) else str(value)
