"""The one schema of a run: every option with its type, default, bounds and help.

`jobs.generate` composes these sections from YAML groups; `load` turns the result into a checked `Generate`
before anything is planned. What only decides how or where a run executes is marked transient and may
change between resumes; everything else is part of the run's fingerprint.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from omi_core import options, plugins
from omi_core.answer_options import Answers
from omi_core.cluster_options import Cluster
from omi_core.dialogue_options import Documents
from omi_core.filters.registry import SECTIONS, known
from omi_core.filters.sections import Conversations, Filters, packages, token_limits
from omi_core.options import ConfigError, option, section
from omi_core.stop_strings import check_stop
from omi_core.task_options import Problems, Variants, Verdicts

__all__ = ["ConfigError", "Generate", "Reduce", "load_generate", "load_reduce"]


@dataclass
class Task:
    name: str = option(
        "solutions", "what is generated", choices=("solutions", "problems", "dialogues", "verdicts")
    )


@dataclass
class Sampling:
    temperature: float = option(1.0, "sampling temperature; 0 is greedy", ge=0)
    top_p: float = option(0.95, "nucleus sampling: smallest set of tokens with this probability", gt=0, le=1)
    top_k: int = option(0, "sample among the k likeliest tokens; 0 means all", ge=0)
    max_tokens: int = option(2048, "new tokens per sample at most (the teacher's context also limits)", ge=1)
    stop: list[str] = option(
        [], "strings that end a sample; they are cut off. A line break is typed as one: [$'\"\\n\\nQ:\"']"
    )


@dataclass
class Rehearsal:
    """Shares of `teacher=rehearsal`; what they leave of 1 are right answers."""

    wrong: float = option(0.2, "share of samples with a wrong answer", ge=0, le=1)
    malformed: float = option(0.04, "share without an answer, or with a broken one", ge=0, le=1)
    overlong: float = option(0.02, "share that runs into max_tokens", ge=0, le=1)
    hostile: float = option(0.01, "share meant to break graders: huge, deep, control characters", ge=0, le=1)
    latency: float = option(0.0, "mean seconds per sample, at max_num_seqs at once", ge=0, transient=True)
    poison: str | None = option(None, "a problem that contains this text crashes the engine")
    poison_kills: bool = option(False, "and the process with it, as a native crash does", transient=True)


@dataclass
class Endpoint:
    """Of `teacher=endpoint`: an OpenAI-compatible server, and how it is asked."""

    url: str | None = option(None, "address of the server's API, such as http://host:8000/v1", transient=True)
    key_variable: str | None = option(
        None, "environment variable that holds the key; null: no key is sent", transient=True
    )
    concurrency: int = option(64, "requests of one task at once", ge=1, transient=True)
    timeout: float = option(600.0, "seconds for one answer", gt=0, transient=True)
    patience: float = option(
        600.0, "seconds without any answer of the server before the task gives up", gt=0, transient=True
    )
    tries: int = option(
        5, "failures of one request, while others succeed, before it is quarantined", ge=1, transient=True
    )
    extra: dict[str, Any] = option({}, "any other field of a request; null leaves one away")


@dataclass
class Teacher:
    name: str = option("tiny", "the name used in run names and provenance")
    kind: str = option("vllm", "what runs it", choices=("vllm", "endpoint", "rehearsal"), transient=True)
    model: str = option(
        "embedded:strong",
        "hub id, local directory, or embedded:strong / embedded:weak; of an endpoint the name it has there",
    )
    revision: str | None = option(None, "commit or tag of the model on the hub")
    dtype: str = option(
        "auto", "precision of weights and arithmetic", choices=("auto", "float32", "bfloat16", "float16")
    )
    quantization: str | None = option(None, "vLLM's quantization method; null reads it from the checkpoint")
    max_model_len: int = option(8192, "prompt and new tokens together at most", ge=16)
    tensor_parallel: int = option(1, "GPUs that share each layer", ge=1, transient=True)
    pipeline_parallel: int = option(1, "groups of layers, each on its own GPUs", ge=1, transient=True)
    nodes: int = option(1, "nodes for one replica of the model", ge=1, transient=True)
    rehearsal: Rehearsal = section(Rehearsal)
    endpoint: Endpoint = section(Endpoint)


@dataclass
class Data:
    name: str = option("demo", "the name used in run names")
    origin: str = option("world", "where records come from", choices=("world", "hub", "file"), transient=True)
    path: str | None = option(
        None,
        "local .jsonl, .jsonl.zst or .parquet file, a glob of them, or a published run; wins over data.hub",
        transient=True,
    )
    hub: str | None = option(None, "dataset id on the hub", transient=True)
    hub_config: list[str] = option([], "the dataset's configurations to read, in order", transient=True)
    revision: str | None = option(None, "commit or tag of the dataset on the hub", transient=True)
    split: str = option("train", "split to read (hub, and the demo's train or test)", transient=True)
    size: int = option(100, "data=demo: how many problems to draw", ge=1, transient=True)
    seed: int = option(0, "data=demo: which problems to draw", ge=0, transient=True)
    problem: str = option("problem", "column that holds the problem", transient=True)
    answer: str | None = option(
        None, "column that holds the ground truth; null: there is none", transient=True
    )
    answer_format: str = option(
        "plain",
        "how the ground truth is written: as it is, after ####, in the last \\boxed{}, by answers.pattern; "
        "oracle: not at all, the demo's world solves the problem in data.answer where it can",
        choices=("plain", "gsm8k", "boxed", "pattern", "oracle"),
        transient=True,
    )
    several_answers: str | None = option(
        None,
        "a list of several answers: any of them is right, or all are the one answer; null: refused",
        choices=("any", "all"),
        transient=True,
    )
    source: str = option(
        "problem", "published as problem_source; from: COLUMN reads a column", transient=True
    )
    on_bad_row: str = option(
        "stop",
        "a row that is broken, lacks a column or holds no answer: stop there, or skip, count and list it",
        choices=("stop", "skip"),
        transient=True,
    )
    limit: int | None = option(None, "read at most so many records (jobs.reduce: rows)", ge=1, transient=True)


@dataclass
class Prompt:
    name: str | None = option(
        None,
        "a template that comes with the suite; null: concise, new_problems, mind or judge, by the task",
        transient=True,
    )
    path: str | None = option(
        None, "a template file of your own (YAML); wins over prompt.name", transient=True
    )
    examples: int | None = option(
        None, "solved examples shown; null: all of the template's", ge=0, transient=True
    )


@dataclass
class Engine:
    max_num_seqs: int = option(256, "samples the engine works on at once", ge=1)
    queue: int = option(64, "samples waiting in the engine, so that it never drains", ge=1)
    kv_cache_gb: float | None = option(
        None, "size of the KV cache; null: vLLM decides (1 GiB on a CPU)", gt=0
    )
    gpu_memory_utilization: float = option(0.92, "share of the GPU's memory for the engine", gt=0, le=1)
    enforce_eager: bool = option(False, "no compiled graphs: starts sooner, runs slower (always so on a CPU)")
    batch_invariant: bool = option(
        False, "vLLM's batch-invariant kernels: the same bytes for any batching, at a cost in speed"
    )
    restarts: int = option(4, "how often a task starts its engine again after it failed", ge=0)
    extra: dict[str, Any] = option({}, "any other argument of vLLM's EngineArgs, passed through as it is")


@dataclass
class Publish:
    rows_per_file: int = option(500_000, "rows per parquet and jsonl.zst file", ge=1)
    provenance: bool = option(True, "add columns for record, sample, votes, agreement, tokens and teacher")
    splits: dict[str, int] = option(
        {}, "further splits, NAME: ROWS, by fair downsampling: first solutions first, then second ones, …"
    )
    seed: int = option(42, "seed of these splits: which solution of a problem is its first", ge=0)
    chat: str | None = option(
        None,
        "publish all rows as chat messages, too, with the answer in a column of this name; null: do not",
        choices=("expected_answer", "answer"),
    )


@dataclass
class Run:
    dir: str | None = option(None, "the run directory; null: ROOT/<task>-<data>-<teacher>-<fingerprint>")
    root: str = option("runs", "where run directories are made")
    fresh: bool = option(False, "start anew: an old run of that name is moved aside, not continued")
    flush_samples: int = option(256, "samples per journal frame at most", ge=1)
    flush_seconds: float = option(5.0, "seconds between journal frames at most", gt=0)
    drain_seconds: float = option(10.0, "after a signal to stop: seconds for samples in flight", ge=0)
    min_coverage: float = option(
        1.0, "share of samples that must be there to go on; what is missing is recorded", gt=0, le=1
    )
    max_crashes: int = option(
        3, "crashes of the engine with a record in flight before that one is quarantined", ge=2
    )
    max_error_rate: float = option(0.1, "share of quarantined samples at which a shard stops", ge=0, le=1)


@dataclass
class Generate:
    """Root of `jobs.generate`."""

    task: Task = section(Task)
    teacher: Teacher = section(Teacher)
    data: Data = section(Data)
    prompt: Prompt = section(Prompt)
    sampling: Sampling = section(Sampling)
    style: list[str] = option(
        [], "how the prompt is varied: styles of a dialogue, of a new problem, or all; solutions have none"
    )
    samples: int = option(8, "samples per record and style", ge=1)
    seed: int = option(0, "seed of the run", ge=0)
    tasks: int = option(1, "array tasks that share the work", ge=1, transient=True)
    reduce_tasks: int = option(1, "array tasks of the reduce stage", ge=1, transient=True)
    engine: Engine = section(Engine, transient=True)
    answers: Answers = section(Answers)
    filters: Filters = section(Filters)
    problems: Problems = section(Problems)
    documents: Documents = section(Documents)
    conversations: Conversations = section(Conversations)
    variants: Variants = section(Variants)
    verdicts: Verdicts = section(Verdicts)
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
    run: Run = section(Run, transient=True)


@dataclass
class Reduce:
    """Root of `jobs.reduce`: the CPU half alone, on generations made elsewhere."""

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
    data: Data = section(Data)
    reduce_tasks: int = option(1, "array tasks of the reduce stage", ge=1, transient=True)
    answers: Answers = section(Answers)
    filters: Filters = section(Filters)
    problems: Problems = section(Problems)
    conversations: Conversations = section(Conversations)
    variants: Variants = section(Variants)
    publish: Publish = section(Publish)
    cluster: Cluster = section(Cluster, transient=True)
    plan: bool = option(False, "show what would be done; do nothing", transient=True)
    run: Run = section(Run, transient=True)


def check_packages() -> None:
    """Raises ConfigError when what another package adds cannot be used.

    To be called before options are read: those that a broken package adds are not there.
    """
    for group in plugins.GROUPS:
        plugins.load(group)
    for name in SECTIONS:
        known(name)


def load_generate(values: Mapping[str, Any]) -> Generate:
    """The checked config of `jobs.generate`.

    Raises:
        ConfigError: as `options.load`, or values that do not go together; or a package that adds something is
            broken.
    """
    check_packages()
    config = options.load(Generate, values)
    _refuse_idle(config)
    if config.samples > 1 and config.sampling.temperature == 0:
        raise ConfigError(
            f"samples={config.samples}: with sampling.temperature=0 all samples are the same; "
            "set samples=1 or a temperature above 0"
        )
    check_stop("sampling.stop", config.sampling.stop)
    check_stop("teacher.endpoint.extra.stop", config.teacher.endpoint.extra.get("stop"))
    refuse_unread(config.task.name, config)
    _check_answers(config.answers)
    check_splits(config.publish.splits)
    shares = config.teacher.rehearsal
    if shares.wrong + shares.malformed + shares.overlong + shares.hostile > 1:
        raise ConfigError("teacher.rehearsal: wrong, malformed, overlong and hostile add up to more than 1")
    return config


# The sections that only some tasks read. Those of the others stay out of a run's fingerprint.
_SECTIONS = {
    "solutions": ("answers", "filters"),
    "problems": ("problems",),
    "dialogues": ("documents", "conversations", "variants"),
    "verdicts": ("verdicts",),
}


def content(config: Generate | Reduce) -> dict[str, Any]:
    """The options that decide a run's dataset: those that its task reads."""
    values = options.content(config)
    _name_votes(config, values["answers"])
    for name in _unread(_task_name(config)):
        values.pop(name, None)
    if not values.get("style", True):
        del values["style"]
    used = {
        name: version
        for section in SECTIONS
        if section in values
        for name, version in packages(section, getattr(config, section)).items()
    }
    return values | {"packages": used} if used else values


def _name_votes(config: Generate | Reduce, answers: dict[str, Any]) -> None:
    """How many votes it takes, as the fingerprint has it.

    Once there was no limit unless one was given, and that was left out. So it still is, for 0 and 1 and where
    a ground truth decides; only the vote without a limit given has become another thing.
    """
    least = config.answers.min_votes
    # What the oracle does not know is voted on, too.
    truth = config.data.answer is not None and config.data.answer_format != "oracle"
    by_vote = not truth or config.answers.expected == "majority"
    if least is None and by_vote:
        answers["min_votes"] = None
    elif least is not None and least <= 1:
        answers.pop("min_votes", None)


AnyConfig = TypeVar("AnyConfig", Generate, Reduce, Generate | Reduce)


def reduced_again(config: AnyConfig, again: Reduce) -> tuple[AnyConfig, list[str]]:
    """`config` with what `again` says of how samples become a dataset; and the names of these sections.

    Raises:
        ConfigError: `again` sets an option that the task of `config` does not read.
    """
    task = _task_name(config)
    refuse_unread(task, again)
    sections = [name for name in (*_SECTIONS[task], "publish") if hasattr(again, name)]
    return dataclasses.replace(config, **{name: getattr(again, name) for name in sections}), sections


def _task_name(config: Generate | Reduce) -> str:
    """What was made elsewhere are solutions."""
    return config.task.name if isinstance(config, Generate) else "solutions"


def _unread(task: str) -> list[str]:
    return [name for other, names in _SECTIONS.items() if other != task for name in names]


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
    if isinstance(config, Generate) and config.style and task in ("solutions", "verdicts"):
        raise ConfigError(f"style: {task} have none; leave it away")
    if task != "solutions":
        for key in ("splits", "chat"):
            if getattr(config.publish, key):
                raise ConfigError(f"publish.{key}: only of solutions; not read by task={task}")


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
    default = Data()
    for key in ("path", "hub", "hub_config", "revision", "split", "size", "seed"):
        if getattr(config.data, key) != getattr(default, key):
            raise ConfigError(f"data.{key}: not read by jobs.reduce; give the file as input=FILE")
    if config.data.origin == "hub":
        raise ConfigError("data.origin: not read by jobs.reduce; give the file as input=FILE")
    _refuse_idle(config)
    _check_answers(config.answers)
    check_splits(config.publish.splits)
    return config


def refuse_site(cluster: Cluster) -> None:
    """Raises ConfigError when an option of a site is set, for a command that submits nothing."""
    if cluster.kind != "local":
        raise ConfigError(f"+cluster={cluster.name}: jobs.reduce runs on this machine; omit it")
    for key, value, field in options.leaves(cluster):
        if key not in ("name", "workers") and value != options.default_of(field):
            raise ConfigError(f"cluster.{key}: not read by jobs.reduce, which runs on this machine; omit it")


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


def _refuse_idle(config: Generate | Reduce) -> None:
    """Raises ConfigError when an option is set that others keep from having any effect."""
    for name in ("filters", "conversations"):
        values = getattr(config, name)
        if values.tokenizer is not None and not token_limits(name, values):
            limits = [f"{name}.{cls.key()}=null" for cls in known(name).values() if cls.takes("tokenizer")]
            raise ConfigError(f"{name}.tokenizer: counts nothing while {' and '.join(limits)}; omit it")
    if config.answers.pattern is not None and "pattern" not in config.answers.methods:
        if config.data.answer_format != "pattern":
            raise ConfigError("answers.pattern: not looked for; add pattern to answers.methods, or omit it")


def _check_answers(answers: Answers) -> None:
    from omi_core.answers import Extractor

    try:
        Extractor(answers.methods, answers.pattern)
    except ValueError as error:
        raise ConfigError(f"answers: {error}") from error
