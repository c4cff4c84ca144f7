"""The cells of a study as they were evaluated: by setting, and for each seed the problems that were right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omi_core.evaluate.figures import PASS, per_problem
from omi_core.evaluate.outcome import Scored, read_outcome
from omi_core.evaluate.tallies import Tally
from omi_core.options import ConfigError
from omi_core.study.crossed import Crossed, crossed
from omi_core.study.study_options import Gather, StudyCell, setting_of
from omi_core.training.curves import read_curve
from omi_core.training.examples import read_counts
from omi_core.training.training_directory import is_training

_SEED = 0  # of the estimates of votes; the same for all cells
Values = Mapping[str, float]  # of a problem, by its record


@dataclass
class Arm:
    """A setting. `values` are of each seed that was evaluated, `missing` names the cells that were not.

    `rows`, `tokens` and `hours` are means over the cells that have them, None where none has.
    """

    parameters: Mapping[str, Any]
    values: dict[int, Values] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    rows: float | None = None
    tokens: float | None = None
    hours: float | None = None

    @property
    def setting(self) -> str:
        return setting_of(self.parameters)

    @property
    def found(self) -> Crossed | None:
        """The mean over seeds and the problems that all of them have; None without any."""
        return None if not self.values else _mean([self.values[seed] for seed in sorted(self.values)])


def difference(first: Arm, against: Arm) -> Crossed | None:
    """How much better the first is, over the seeds and problems that both have; None without a seed."""
    seeds = sorted(first.values.keys() & against.values.keys())
    return None if not seeds else _mean([_apart(first.values[seed], against.values[seed]) for seed in seeds])


def _apart(one: Values, other: Values) -> Values:
    return {record: one[record] - other[record] for record in one if record in other}


def _mean(seeds: Sequence[Values]) -> Crossed | None:
    records = [record for record in seeds[0] if all(record in values for values in seeds)]
    return crossed(_table(seeds, records)) if records else None


def _table(seeds: Sequence[Values], records: Sequence[str]) -> npt.NDArray[np.float64]:
    return np.array([[values[record] for record in records] for values in seeds])


def arms_of(config: Gather) -> list[Arm]:
    """The settings of a study, in the order of their parameters, with what their cells came to.

    Raises:
        ConfigError: no cell is evaluated, or one lacks the benchmark, or its training.
        ValueError: an evaluation is damaged.
    """
    told: dict[str, list[Mapping[str, float]]] = {}
    arms = {arm.setting: arm for arm in settings_of(config)}
    for name, cell in config.cells.items():
        arm = arms[setting_of(cell.parameters)]
        told.setdefault(arm.setting, []).append(dict(_facts(name, cell)))
        scored = _evaluation(cell)
        if scored is None:
            arm.missing.append(name)
        else:
            arm.values[cell.seed] = _values(name, scored, config)
    if not any(arm.values for arm in arms.values()):
        raise ConfigError("cells: none is evaluated yet; finish their runs of jobs.evaluate first")
    for setting, facts in told.items():
        for key in ("rows", "tokens", "hours"):
            known = [each[key] for each in facts if key in each]
            setattr(arms[setting], key, sum(known) / len(known) if known else None)
    return list(arms.values())


def settings_of(config: Gather) -> list[Arm]:
    """The settings of a study, in the order of their parameters, before any cell is looked at."""
    arms = {setting_of(cell.parameters): Arm(cell.parameters) for cell in config.cells.values()}
    return sorted(
        arms.values(), key=lambda arm: [_order(value) for _, value in sorted(arm.parameters.items())]
    )


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return not number, float(value) if number else 0.0, str(value)


def arm_with(arms: Sequence[Arm], parameters: Mapping[str, Any], key: str) -> Arm:
    """The one setting with these parameters. Raises ConfigError: there is none, or there are several."""
    found = [arm for arm in arms if parameters.items() <= arm.parameters.items()]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(arm.setting for arm in (found or arms)[:5])
    if found:
        raise ConfigError(f"{key}: {len(found)} settings have these parameters ({shown}); give more of them")
    raise ConfigError(f"{key}: no cell has {setting_of(parameters)}; there are {shown}")


def _evaluation(cell: StudyCell) -> Scored | None:
    try:
        return read_outcome(Path(str(cell.run)) / "evaluation")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _values(name: str, scored: Scored, config: Gather) -> Values:
    tally = _benchmark(name, scored.tallies(), config.benchmark)
    values = per_problem(tally, _SEED)[config.metric][:, 0 if config.metric == PASS else -1]
    records = [problem["record_id"] for problem in tally.problems]
    return dict(zip(records, values.tolist(), strict=True))


def _benchmark(name: str, tallies: Sequence[Tally], wanted: str | None) -> Tally:
    found = [tally for tally in tallies if wanted in (None, tally.benchmark)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(tally.benchmark for tally in tallies)
    if wanted is None:
        raise ConfigError(f"benchmark: missing; cells.{name} has several, {there}: give one")
    raise ConfigError(f"benchmark={wanted}: cells.{name} has none of that name, but {there}")


def _facts(name: str, cell: StudyCell) -> Iterator[tuple[str, float]]:
    """Rows that were trained on, tokens that were seen, and hours, as far as they are known.

    Raises:
        ConfigError: its training is not there.
    """
    if cell.hours is not None:
        yield "hours", cell.hours
    if cell.training is None:
        return
    if not is_training(Path(cell.training)):
        raise ConfigError(
            f"cells.{name}.training={cell.training}: no directory of jobs.train; mend it, or omit it"
        )
    stages = sorted(Path(cell.training).glob("stage-*"))
    counts = [found for stage in stages if (found := read_counts(stage / "examples.arrow")) is not None]
    curves = [points[-1]["tokens"] for stage in stages if (points := read_curve(stage))]
    if counts:
        yield "rows", sum(found.rows for found in counts)
    if curves:
        yield "tokens", sum(curves)
