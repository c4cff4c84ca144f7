"""The options of `jobs.combine` and `jobs.mix`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from omi_core import options
from omi_core.config import Publish, check_splits
from omi_core.options import ConfigError, option, section
from omi_core.tasks import known

_TOLERANCE = Fraction(1, 10**6)  # of the sum of shares, so that three may be 0.333333


@dataclass
class Place:
    dir: str | None = option(None, "the directory to make; null: ROOT/<name>-<fingerprint>")
    root: str = option("runs", "where directories are made")
    fresh: bool = option(False, "start anew: an old directory of that name is moved aside, not continued")


@dataclass
class Noise:
    """Rows whose solution is replaced by a bad one, to see what that does to a student."""

    share: float | None = option(
        None, "share of the rows whose solution is replaced by a bad one; null: none", ge=0, le=1, late=True
    )
    kind: str = option(
        "wrong",
        "what takes its place: a wrong solution of the same problem, or a solution of another problem",
        choices=("wrong", "other"),
        late=True,
    )
    wrong: list[str] = option(
        [],
        "where wrong solutions are: finished runs of solutions, or files of nothing else; none: the inputs",
        transient=True,
    )


@dataclass
class Combine:
    """Root of `jobs.combine`."""

    inputs: list[str] = option(
        [], "runs, datasets, files or globs of files, in the order of their rows", transient=True
    )
    name: str = option("combined", "the name of the dataset on the card")
    task: str | None = option(
        None,
        "the kind of rows; null: the kind that all inputs hold",
        choices=tuple(known()),
    )
    keep_problems_of: str | None = option(
        None,
        "keep only rows whose problem, to the letter, is also in this run, dataset or file",
        transient=True,
    )
    unique: str = option(
        "rows",
        "of equal rows the first is kept; problems: of rows with one problem, but for case and white space",
        choices=("rows", "problems"),
    )
    min_votes: int | None = option(
        None, "keep only rows with at least this many votes; also of the datasets of match", ge=1, late=True
    )
    match: list[str] = option(
        [],
        "keep only as many solutions of a problem as each of these runs, datasets or files has, too",
        transient=True,
    )
    problems: int | None = option(
        None, "keep only the rows of this many problems, which are drawn", ge=1, late=True
    )
    rows: int | None = option(
        None, "keep only this many rows, drawn fairly: first solutions first, then second ones, …", ge=1,
        late=True,
    )  # fmt: skip
    noise: Noise = section(Noise, late=True)
    seed: int = option(42, "seed of what match, problems, rows and noise draw", ge=0, late=True)
    on_bad_row: str = option(
        "stop",
        "a line that is broken, or a row without a column: stop there, or skip, count and list it",
        choices=("stop", "skip"),
        transient=True,
    )
    publish: Publish = section(Publish)
    run: Place = section(Place, transient=True)


@dataclass
class MixInput:
    """One input of a mixture: all its rows, or some, or a share of the mixture."""

    path: str | None = option(
        None, "file or glob with `messages`, or a run or dataset with chat messages", transient=True
    )
    limit: int | None = option(None, "at most this many of its rows, drawn by the seed", ge=1)
    share: float | None = option(None, "its share of the rows of the mixture", gt=0, le=1)
    repeat: int = option(1, "how often a row is taken; with share: at most this often", ge=1)


@dataclass
class Mix:
    """Root of `jobs.mix`."""

    inputs: dict[str, Any] = option(
        {}, "NAME: {path: …, limit: …, share: …, repeat: …} for each input", transient=True
    )
    name: str = option("mixture", "the name of the dataset on the card")
    rows: int | None = option(
        None, "rows of the mixture where all inputs have a share; null: as many as there can be", ge=1
    )
    seed: int = option(42, "seed of the order, and of the rows that are drawn", ge=0)
    on_bad_row: str = option(
        "stop",
        "a line that is broken, or a row without a column: stop there, or skip, count and list it",
        choices=("stop", "skip"),
        transient=True,
    )
    rows_per_file: int = option(500_000, "rows per parquet and jsonl.zst file", ge=1)
    run: Place = section(Place, transient=True)


def load_combine(values: Mapping[str, Any]) -> Combine:
    """The checked config of `jobs.combine`.

    Raises:
        ConfigError: as `options.load`, or values that do not go together.
    """
    config = options.load(Combine, values)
    if not config.inputs:
        raise ConfigError("inputs: missing; give runs, datasets or files, e.g. inputs=[runs/a,runs/b]")
    check_splits(config.publish.splits)
    for key in ("reasoning", "pass_rate"):
        if getattr(config.publish, key) != getattr(Publish(), key):
            raise ConfigError(f"publish.{key}: not read by jobs.combine, which keeps the column; omit it")
    _check_drawn(config)
    return config


def _check_drawn(config: Combine) -> None:
    """Raises ConfigError when the options of what is drawn do not go together."""
    rows, problems, noise = config.rows, config.problems, config.noise
    if rows is not None and problems is not None and rows < problems:
        raise ConfigError(f"rows={rows}: too few for a row of each of problems={problems}; raise it")
    if noise.wrong and noise.share is None:
        raise ConfigError("noise.wrong: not read without noise.share; give both, or omit it")
    if noise.wrong and noise.kind != "wrong":
        raise ConfigError(f"noise.wrong: not read with noise.kind={noise.kind}; omit it")


def load_mix(values: Mapping[str, Any]) -> Mix:
    """The checked config of `jobs.mix`; its inputs are `MixInput`s.

    Raises:
        ConfigError: as `options.load`, or an input without a path or with both a limit and a share; or the
            shares do not go together.
    """
    config = options.load(Mix, values)
    if not config.inputs:
        raise ConfigError("inputs: missing; give at least one, inputs.NAME.path=FILE")
    # By name, since the order in which they are given says nothing.
    given = sorted((str(name), value) for name, value in config.inputs.items())
    config.inputs = {name: _mix_input(name, value) for name, value in given}
    _check_shares([item.share for item in config.inputs.values()], config.rows)
    return config


def _mix_input(name: str, given: Any) -> MixInput:
    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise ConfigError(f"inputs.{name}: not a name; use letters, digits, _ and -")
    if not isinstance(given, Mapping):
        raise ConfigError(f"inputs.{name}={given}: not a mapping; give its file as inputs.{name}.path=FILE")
    try:
        item = options.load(MixInput, given)
    except ConfigError as error:
        raise ConfigError(f"inputs.{name}.{error}") from error
    if item.path is None:
        raise ConfigError(f"inputs.{name}.path: missing; give a file with messages, a run or a dataset")
    if item.limit is not None and item.share is not None:
        raise ConfigError(f"inputs.{name}: has both a limit and a share; omit one")
    return item


def decimal_share(given: float) -> Fraction:
    """A share as the decimal that the user wrote."""
    return Fraction(str(given))


def _check_shares(shares: Sequence[float | None], rows: int | None) -> None:
    """Raises ConfigError when the shares do not go together, or the rows are decided otherwise."""
    total = sum((decimal_share(share) for share in shares if share is not None), Fraction(0))
    if None in shares:
        if rows is not None:
            raise ConfigError(f"rows={rows}: is for inputs that all have shares; omit it")
        if total >= 1:
            raise ConfigError(
                f"inputs: the shares add up to {float(total):g}; nothing is left for the others"
            )
    elif abs(total - 1) > _TOLERANCE:
        raise ConfigError(
            f"inputs: the shares add up to {float(total):g}, not to 1; omit the share of one input, "
            "which then fills the rest"
        )
