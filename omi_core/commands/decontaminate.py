"""`jobs.decontaminate`: options, checks of them, and the report on a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omi_core.options import ConfigError, option

if TYPE_CHECKING:
    from omi_core.decontaminate.report import Files, Report, SetReport


@dataclass
class Decontaminate:
    input: str | None = option(None, "file of problems, a glob of files, a run or a dataset")
    test: list[str] = option([], "test sets: NAME=FILE, NAME=HUB_ID or a known NAME")
    column: str = option("problem", "column of the input that holds the problem")
    test_column: str | None = option(
        None, "column of the test sets that holds the question; null: problem, or question"
    )
    methods: list[str] = option(
        ["exact", "whole", "ngram"], "how problems and questions are compared by words; docs/decontaminate.md"
    )
    pairs: str = option("contamination.jsonl", "file for the pairs, a line each")
    top: int | None = option(
        5, "pairs and, with model=, nearest questions per problem that are written; null: all pairs", ge=1
    )
    clean: str | None = option(None, "file for the rows of problems that hit nothing")
    share: float = option(
        0.6, "share of common words above which a 13-gram in common is contamination", ge=0, le=1
    )
    length: str = option(
        "shorter",
        "the text that share= refers to: the shorter one or the problem",
        choices=("shorter", "problem"),
    )
    model: str | None = option(
        None,
        "sentence-transformers model: directory, installed package or hub id; null: no embeddings",
    )
    nearest: str = option("nearest.jsonl", "with model=: file for the nearest questions of each problem")
    nearest_of: str = option(
        "clean", "which problems get a line there: those that hit nothing, or all", choices=("clean", "all")
    )
    verdicts: str | None = option(
        None, "run with task=verdicts, its dataset or files of it: what the judge found counts as well"
    )
    on_bad_row: str = option(
        "stop",
        "a row of the input that is broken, or has no problem: stop there, or skip, count and name it",
        choices=("stop", "skip"),
    )


def main(config: Decontaminate) -> int:
    """Writes the files and prints the report. Returns the exit code."""
    from omi_core.decontaminate import EmbeddingSearch, NgramSearch, load_model, read_verdicts
    from omi_core.decontaminate.reading import read_problems, read_sets
    from omi_core.decontaminate.report import Files, decontaminate
    from omi_core.inputs import Skipped

    _check(config)
    assert config.input is not None
    files = Files(
        _target("pairs", config.pairs),
        _target("clean", config.clean) if config.clean else None,
        _target("nearest", config.nearest) if config.model else None,
    )
    _refuse_overwriting(config, files)
    sets = read_sets(config.test, config.test_column)
    judged = read_verdicts(config.verdicts, sets) if config.verdicts else None
    # Last, since it takes longest.
    model = load_model(config.model) if config.model else None
    search = NgramSearch(sets, share=config.share, length=config.length, methods=config.methods)
    near = EmbeddingSearch(sets, model) if model is not None else None
    skipped = Skipped(config.on_bad_row, "on_bad_row")
    problems = read_problems(config.input, config.column, skipped, whole_rows=files.clean is not None)
    near_all = config.nearest_of == "all"
    report = decontaminate(problems, sets, search, files, config.top, near, near_all, judged)
    for reason, count in skipped.counts.items():
        print(f"left out: {count:,} rows, {reason} ({', '.join(skipped.examples[reason])})")
    _show(report, [*config.methods, *(JUDGED if judged else ())])
    if files.nearest:
        print(f"\n{report.candidates:,} problems with their nearest questions, for a judge")
    for path in (files.pairs, files.clean, files.nearest):
        if path is not None:
            print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


JUDGED = ("judge", "unclear")


def _check(config: Decontaminate) -> None:
    """Raises ConfigError for options that lack or contradict each other."""
    from omi_core.decontaminate.ngram import METHODS

    if config.input is None:
        raise ConfigError("input: missing; give a file of problems, a glob, a run or a dataset")
    for method in config.methods:
        if method not in METHODS:
            raise ConfigError(f"methods={method}: no such method; some of {', '.join(METHODS)}")
    if not config.methods:
        raise ConfigError(f"methods=[]: missing; some of {', '.join(METHODS)}")
    if config.model is not None and config.top is None:
        raise ConfigError("top=null: with model= every question is near; give a number, such as top=5")


def _target(key: str, name: str) -> Path:
    path = Path(name)
    if not name or path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{key}={name}: not a file that can be written; give one in an existing folder")
    return path


def _refuse_overwriting(config: Decontaminate, files: Files) -> None:
    """Raises ConfigError when a file would be written twice, or over what is read."""
    read = {
        Path(name).resolve()
        for name in (config.input or "", config.verdicts or "", *(t.partition("=")[2] for t in config.test))
    }
    for key in ("pairs", "clean", "nearest"):
        path: Path | None = getattr(files, key)
        if path is not None:
            if path.resolve() in read:
                raise ConfigError(f"{key}={path}: is read or written already; give another file")
            read.add(path.resolve())


def _show(report: Report, methods: list[str]) -> None:
    """A line per test set: problems by the best way in which they hit it."""
    print(f"{report.problems:,} problems, {report.contaminated:,} contaminated, {report.pairs:,} pairs")
    if report.cut:
        print(f"{report.cut:,} problems are too long; only their beginning was compared")
    width = max(8, *map(len, report.sets))
    heads = "".join(f"  {method:>{_width(method)}}" for method in methods)
    print(f"\n{'test set':<{width}}{heads}  problems  share  questions hit")
    for name, one in report.sets.items():
        print(f"{name:<{width}}{_counts(one, report.problems, methods)}")


def _counts(one: SetReport, problems: int, methods: list[str]) -> str:
    counts = "".join(f"  {one.problems[method]:>{_width(method)},}" for method in methods)
    share = one.contaminated / problems if problems else 0
    return f"{counts}  {one.contaminated:>8,}  {share:>5.1%}  {len(one.hit):,} of {one.questions:,}"


def _width(method: str) -> int:
    return max(5, len(method))
