"""Options of the input: where records come from, and which columns are read."""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.options import option


@dataclass
class Data:
    """Where records come from, and which columns hold what."""

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
    pass_rate: list[float] = option(
        [],
        "data.path=RUN of solutions: those of its problems with a share of right samples in [least, most]; "
        "without a ground truth, of samples in the majority",
        transient=True,
    )
    limit: int | None = option(
        None, "read at most this many records (jobs.reduce: rows)", ge=1, transient=True
    )
