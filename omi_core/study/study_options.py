"""The options of `jobs.gather`: the cells of a study, and what is claimed of them before it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from omi_core import options
from omi_core.evaluate.figures import MAJORITY, PASS
from omi_core.options import ConfigError, option

MORE, SAME = "more", "same"
_FACTS = (str, int, float, bool)
T = TypeVar("T")


@dataclass
class StudyCell:
    """One training of a study, with one setting and one seed, as it was evaluated."""

    run: str | None = option(None, "its run of jobs.evaluate")
    parameters: dict[str, Any] = option({}, "NAME: VALUE of its setting, the same for all its seeds")
    seed: int = option(0, "its seed; cells of two settings with the same seed are compared")
    training: str | None = option(
        None, "its directory of jobs.train, for rows and tokens; null: none are shown"
    )
    hours: float | None = option(None, "what it cost, in hours; null: not shown", ge=0)


@dataclass
class Claim:
    """A finding as it is claimed: one setting against another. Margins are in points."""

    first: dict[str, Any] = option({}, "parameters of one setting, as many as tell it from the others")
    against: dict[str, Any] = option({}, "those of the setting that it is compared to")
    claim: str = option(
        MORE,
        "more: the first is better by more than the margin; same: they differ by less than the margin",
        choices=(MORE, SAME),
    )
    margin: float = option(
        0.0, "points; below 0, more claims that no more than so much is lost", ge=-100, le=100
    )


@dataclass
class Gather:
    """Root of `jobs.gather`."""

    name: str = option("study", "the title of the page")
    cells: dict[str, Any] = option(
        {}, "NAME: {run: …, parameters: {…}, seed: …, training: …, hours: …} for each cell"
    )
    findings: dict[str, Any] = option(
        {}, "NAME: {first: {…}, against: {…}, claim: …, margin: …} for each finding"
    )
    benchmark: str | None = option(
        None, "the benchmark by which the cells are judged; null: the one that they have"
    )
    metric: str = option(
        PASS,
        "what is to be right: a sample (pass@1), or the vote of all samples of a problem",
        choices=(PASS, MAJORITY),
    )
    level: float = option(
        0.05, "the probability that any verdict of the study is wrong, at most", gt=0, lt=0.5
    )
    min_seeds: int = option(5, "with fewer seeds in common a finding is not resolved", ge=2)
    out: str = option("study", "the directory to make; what was gathered there before is replaced")


def load_gather(values: Mapping[str, Any]) -> Gather:
    """The checked config of `jobs.gather`; its cells are `StudyCell`s, its findings `Claim`s.

    Raises:
        ConfigError: as `options.load`, or a cell or a finding lacks something, or two cells are the same.
    """
    config = options.load(Gather, values)
    if not config.cells:
        raise ConfigError("cells: missing; give at least two, cells.NAME.run=RUN")
    config.cells = {name: _cell(name, given) for name, given in _sorted(config.cells)}
    config.findings = {name: _claim(name, given) for name, given in _sorted(config.findings)}
    seen: dict[str, str] = {}
    for name, cell in config.cells.items():
        same = seen.setdefault(f"{setting_of(cell.parameters)}, seed {cell.seed}", name)
        if same != name:
            raise ConfigError(
                f"cells.{name}: has the parameters and the seed of {same}; give each seed of a setting once"
            )
    return config


def setting_of(parameters: Mapping[str, Any]) -> str:
    """The parameters in words, in the order of their names."""
    return " ".join(f"{key}={value}" for key, value in sorted(parameters.items())) or "all"


def _sorted(given: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    return sorted((str(name), value) for name, value in given.items())


def _cell(name: str, given: Any) -> StudyCell:
    cell = _loaded(StudyCell, f"cells.{name}", given)
    if cell.run is None:
        raise ConfigError(f"cells.{name}.run: missing; give its run of jobs.evaluate")
    for key, value in cell.parameters.items():
        if not isinstance(value, _FACTS):
            raise ConfigError(f"cells.{name}.parameters.{key}={value}: neither a text nor a number")
    return cell


def _claim(name: str, given: Any) -> Claim:
    claim = _loaded(Claim, f"findings.{name}", given)
    for key in ("first", "against"):
        if not getattr(claim, key):
            raise ConfigError(f"findings.{name}.{key}: missing; give parameters, {{NAME: VALUE}}")
    if claim.claim == SAME and claim.margin <= 0:
        raise ConfigError(f"findings.{name}.margin: claim=same needs one above 0, in points")
    return claim


def _loaded(schema: type[T], key: str, given: Any) -> T:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{key}={given}: not a mapping; give its options, such as {key}.NAME=VALUE")
    try:
        return options.load(schema, given)
    except ConfigError as error:
        raise ConfigError(f"{key}.{error}") from error
