"""The options of `jobs.decontaminate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.options import ConfigError, option


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
        None, "sentence-transformers model: directory, installed package or hub id; null: no embeddings"
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


def load_decontaminate(values: Mapping[str, Any]) -> Decontaminate:
    """The checked config of `jobs.decontaminate`.

    Raises:
        ConfigError: as `options.load`, or options that lack or contradict each other.
    """
    config = options.load(Decontaminate, values)
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
    return config


def refuse_same_files(configs: Sequence[Decontaminate]) -> None:
    """Raises ConfigError when two cells of a sweep would write one file."""
    written: set[Path] = set()
    for config in configs:
        files = {"pairs": config.pairs, "clean": config.clean}
        files["nearest"] = config.nearest if config.model else None
        own = {key: Path(name).resolve() for key, name in files.items() if name}
        for key, path in own.items():
            if path in written:
                raise ConfigError(
                    f"{key}={files[key]}: two runs of the sweep would write it; give one for each"
                )
        written |= set(own.values())
