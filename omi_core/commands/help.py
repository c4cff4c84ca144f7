"""Pages of help, made from the schema: `--help` fits a screen, `--help=all` has every option."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from omi_core.options import leaves

SCREEN_LINES = 50
_WIDTH = 110
# What people set most, in the order of the page. `--help=all` has the others.
OFTEN = {
    "generate": (
        *("data.path", "data.limit", "data.problem", "data.answer", "samples", "seed", "tasks"),
        *("teacher.model", "sampling.temperature", "sampling.max_tokens", "answers.expected"),
        *("publish.chat", "plan", "run.dir"),
    ),
    "evaluate": (
        *("model", "benchmarks", "limit", "samples", "temperature", "min", "tasks", "teacher.model"),
        *("sampling.max_tokens", "prompt.examples", "plan", "run.dir"),
    ),
    "score": (
        *("input", "model", "solution", "data.problem", "tasks", "teacher.max_model_len"),
        *("teacher.reward.label", "teacher.reward.steps", "plan", "run.dir"),
    ),
    "train": (
        *("training_data", "training.epochs", "training.steps", "training.batch", "training.learning_rate"),
        *("training.max_length", "training.micro_batch", "student.model", "nodes", "plan", "run.dir"),
    ),
    "tune": (
        *("data.path", "data.limit", "samples", "teacher.model", "teacher.tensor_parallel"),
        *("engine.max_num_seqs", "engine.gpu_memory_utilization", "draft", "wait", "plan", "run.dir"),
    ),
    "check": (
        *("sample", "patience_minutes", "json", "tasks", "reduce_tasks", "teacher.model", "data.hub"),
        *("run.dir", "run.root"),
    ),
    "combine": (
        *("inputs", "task", "keep_problems_of", "unique", "min_votes", "match", "problems", "rows"),
        *("noise.share", "noise.kind", "publish.splits", "publish.chat", "run.dir"),
    ),
    "reduce": (
        *("input", "solution", "data.problem", "data.answer", "data.answer_format", "answers.min_agreement"),
        *("filters.tokenizer", "publish.chat", "reduce_tasks", "plan", "run.dir", "run.fresh"),
    ),
}

Option = tuple[str, Any, dataclasses.Field[Any]]


def composed_page(name: str, schema: type, doc: str, whole: bool) -> str:
    """The page of a command that composes a config; in short where it is not the `whole` one."""
    end = "Several values with -m, e.g. -m seed=1,2; your own YAML groups with --config-dir DIR."
    every = list(leaves(schema()))
    groups = _groups(schema)
    page = "\n".join([doc.strip(), *_choices(groups), *_in_sections(every, bool(groups)), "", end])
    if whole or page.count("\n") < SCREEN_LINES:
        return page
    often = OFTEN[name]
    few = [option for key in often for option in every if option[0] == key]
    head = ["", f"The most used options (OPTION=VALUE); --help=all lists all {len(every)}", ""]
    return "\n".join([doc.strip(), *_choices(groups, short=True), *head, *_in_short(few), "", end])


def words_page(schema: type, doc: str, words: str) -> str:
    """The page of a command of few options; `words` is RUN where its words name runs."""
    parts = [doc.strip(), ""]
    if words:
        where = "a run directory, a folder that holds runs, the name of either below root=, or a glob"
        parts += [words, "", f"  {where}", ""]
    parts += ["Options (OPTION=VALUE)", ""]
    return "\n".join([*parts, *(line for option in leaves(schema()) for line in option_lines(*option))])


def option_lines(key: str, value: Any, field: dataclasses.Field[Any]) -> list[str]:
    """An option with its default, and what it is for."""
    return [f"  {key}={shown(value)}", f"      {field.metadata['help']}{_bounds(field)}"]


def _in_sections(options: list[Option], groups: bool) -> Iterator[str]:
    more = "; a group's choice may set other values" if groups else ""
    yield from ("", f"Options (OPTION=VALUE{more})")
    last = None
    for key, value, field in options:
        head = key.rpartition(".")[0]
        if head != last:
            yield ""
            last = head
        yield from option_lines(key, value, field)


def _in_short(options: list[Option]) -> Iterator[str]:
    """A line for each option, or as many as it takes."""
    for key, value, field in options:
        words = f"{field.metadata['help']}{_bounds(field)}"
        line = f"  {f'{key}={shown(value)}':<28} {words}"
        if len(line) <= _WIDTH:
            yield line
        else:
            yield f"  {key}={shown(value)}"
            yield from textwrap.wrap(words, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _choices(groups: list[tuple[str, str, Traversable]], short: bool = False) -> Iterator[str]:
    """Every group with its choices and what each is; in `short` their names alone."""
    if groups:
        yield from ("", "Groups (GROUP=CHOICE; a dot reaches inside: teacher.max_model_len=4096)")
        yield from [""] if short else []
    for title, plus, folder in groups:
        about = {file.name.removesuffix(".yaml"): summary(file) for file in _files(folder)} | _added(title)
        if short:
            head = f"  {f'{plus}{title}=':<10} "
            yield from textwrap.wrap(
                ", ".join(about), _WIDTH, initial_indent=head, subsequent_indent=" " * 13
            )
        else:
            yield from (
                "",
                f"  {plus}{title}=",
                *(f"    {name:<18} {words}" for name, words in about.items()),
            )


def _added(group: str) -> dict[str, str]:
    """Choices of a group that other packages add, and what each is."""
    from omi_core.config import added_choices

    return {name: about for name, (about, _) in added_choices().get(group, {}).items()}


def _files(folder: Traversable) -> list[Traversable]:
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda e: e.name)


def _groups(schema: type) -> list[tuple[str, str, Traversable]]:
    """(group, '+' when it has to be appended, its folder) for the groups this schema has."""
    names = {field.name for field in dataclasses.fields(schema)}
    composing = ("Generate", "Tune", "Evaluate", "Score", "SiteCheck", "Train")
    out = [
        (folder.name, "", folder)
        for folder in sorted(files("hydra_conf").iterdir(), key=lambda entry: entry.name)
        if folder.is_dir() and folder.name in names and not folder.name.startswith("__")
    ]
    if schema.__name__ not in composing:
        out = []  # the others compose no groups
    if "cluster" in names:
        out.append(("cluster", "+", files("cluster_profiles") / "cluster"))
    return out


def summary(choice: Traversable) -> str:
    """The first comment line of a group file that is not a Hydra directive."""
    for line in choice.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ")
    return ""


def shown(value: Any) -> str:
    """A default as it would be typed."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and re.search(r"\s", value):
        return repr(value)
    return str(value)


def _bounds(field: dataclasses.Field[Any]) -> str:
    if field.metadata.get("choices"):
        return f" [{', '.join(field.metadata['choices'])}]"
    words = [
        f"{sign} {field.metadata[name]:g}"
        for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if field.metadata.get(name) is not None
    ]
    return f" [{', '.join(words)}]" if words else ""
