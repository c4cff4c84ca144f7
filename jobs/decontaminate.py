"""Decontaminate: which problems repeat questions of test sets, word for word or nearly so.

    python -m jobs.decontaminate input=problems.jsonl test=[gsm8k=gsm8k_test.jsonl,math=math_test.jsonl]
    python -m jobs.decontaminate input=problems.jsonl test=[mine=gsm8k_test.jsonl] clean=clean.jsonl
    python -m jobs.generate teacher=rehearsal data.size=40 run.dir=runs/checked
    python -m jobs.decontaminate input=runs/checked test=[gsm8k=gsm8k_test.jsonl]

Prints a report per test set; the pairs go to contamination.jsonl. A test set is NAME=FILE, NAME=HUB_ID, or
one of gsm8k, math, amc23, aime24 and omni_math by its name alone, which is then read from the hub. model=
names a sentence-transformers model that finds the nearest questions of every problem, for a judge to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import _runs
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
    pairs: str = option("contamination.jsonl", "file for the pairs, a line each")
    top: int | None = option(5, "pairs per problem that are written; null: all", ge=1)
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
        None, "sentence-transformers model, a directory or hub id; null: no embeddings"
    )
    nearest: str = option("nearest.jsonl", "with model=: file for the nearest questions of each problem")


def main(config: Decontaminate) -> int:
    """Writes the files and prints the report. Returns the exit code."""
    from omi_core.decontaminate.nearest import EmbeddingSearch, load_model
    from omi_core.decontaminate.ngram import NgramSearch
    from omi_core.decontaminate.reading import read_problems, read_sets
    from omi_core.decontaminate.report import Files, decontaminate

    if config.input is None:
        raise ConfigError("input: missing; give a file of problems, a glob, a run or a dataset")
    files = Files(
        _target("pairs", config.pairs),
        _target("clean", config.clean) if config.clean else None,
        _target("nearest", config.nearest) if config.model else None,
    )
    _refuse_overwriting(config, files)
    model = load_model(config.model) if config.model else None
    sets = read_sets(config.test, config.test_column)
    search = NgramSearch(sets, share=config.share, length=config.length)
    near = EmbeddingSearch(sets, model) if model is not None else None
    problems = read_problems(config.input, config.column, whole_rows=files.clean is not None)
    report = decontaminate(problems, sets, search, files, config.top, near)
    _show(report)
    for path in (files.pairs, files.clean, files.nearest):
        if path is not None:
            print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


def _target(key: str, name: str) -> Path:
    path = Path(name)
    if not name or path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{key}={name}: not a file that can be written; give one in an existing folder")
    return path


def _refuse_overwriting(config: Decontaminate, files: Files) -> None:
    """Raises ConfigError when a file would be written twice, or over what is read."""
    read = {
        Path(name).resolve() for name in (config.input or "", *(t.partition("=")[2] for t in config.test))
    }
    for key in ("pairs", "clean", "nearest"):
        path: Path | None = getattr(files, key)
        if path is not None:
            if path.resolve() in read:
                raise ConfigError(f"{key}={path}: is read or written already; give another file")
            read.add(path.resolve())


def _show(report: Report) -> None:
    """A line per test set: problems by the best way in which they hit it."""
    print(f"{report.problems:,} problems, {report.contaminated:,} contaminated, {report.pairs:,} pairs")
    if report.cut:
        print(f"{report.cut:,} problems are too long; only their beginning was compared")
    width = max(8, *map(len, report.sets))
    print(f"\n{'test set':<{width}}  exact  whole  ngram  problems  share  questions hit")
    for name, one in report.sets.items():
        print(f"{name:<{width}}{_counts(one, report.problems)}")


def _counts(one: SetReport, problems: int) -> str:
    methods = "".join(f"  {one.problems[method]:>5,}" for method in ("exact", "whole", "ngram"))
    share = one.contaminated / problems if problems else 0
    return f"{methods}  {one.contaminated:>8,}  {share:>5.1%}  {len(one.hit):,} of {one.questions:,}"


if __name__ == "__main__":
    _runs.options_command(Decontaminate, main, __doc__ or "")
