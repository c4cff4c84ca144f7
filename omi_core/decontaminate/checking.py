"""What `jobs.decontaminate` does: from its options to the files, and the report on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omi_core.decontaminate.decontaminate_options import Decontaminate
from omi_core.options import ConfigError

if TYPE_CHECKING:
    from omi_core.decontaminate.results import Files, Results, SetReport

JUDGED = ("judge", "unclear")


def check(config: Decontaminate) -> int:
    """Writes the files and prints the report. Returns the exit code."""
    from omi_core.decontaminate import EmbeddingSearch, NgramSearch, load_model, read_verdicts
    from omi_core.decontaminate.questions import read_problems, read_sets
    from omi_core.decontaminate.results import Files, decontaminate
    from omi_core.inputs import Skipped

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


def _show(report: Results, methods: list[str]) -> None:
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
