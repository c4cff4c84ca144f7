"""The cells of a pipeline as a matrix: a line per setting, a column per step, in it a mark for each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omi_core.terminal import plain_table

if TYPE_CHECKING:
    from rich.table import Table

    from omi_core.pipeline.state import StepStatus

_TO_DO, _AT_WORK, _WAITS, _DONE, _TROUBLE = ".", ">", "~", "#", "!"
_MARKS = {"to do": _TO_DO, "planned": _TO_DO, "running": _AT_WORK, "waiting": _WAITS, "done": _DONE}
LEGEND = f"{_DONE} done  {_AT_WORK} running  {_WAITS} waiting  {_TROUBLE} failed or stopped  {_TO_DO} to do"
_SEED = "seed"


def cells_table(steps: Sequence[StepStatus]) -> Table:
    """The table of the steps that are made for cells, at least one."""
    from rich.text import Text

    columns = list(dict.fromkeys(step.of for step in steps))
    settings = _settings(steps)
    names = list(dict.fromkeys(name for setting in settings for name in setting))
    table = plain_table(columns=(*names, *columns))
    for setting in settings:
        marks = ("".join(_mark(step) for step in steps if _is_for(step, of, setting)) for of in columns)
        table.add_row(*(Text(f"{setting.get(name, '')}") for name in names), *marks)
    return table


def _mark(step: StepStatus) -> str:
    return _MARKS.get(step.state, _TROUBLE)


def _is_for(step: StepStatus, of: str, setting: Mapping[str, Any]) -> bool:
    return step.of == of and _parameters(step).items() <= setting.items()


def _parameters(step: StepStatus) -> dict[str, Any]:
    return {name: value for name, value in step.cell.items() if name != _SEED}


def _settings(steps: Sequence[StepStatus]) -> list[dict[str, Any]]:
    """The parameters of the cells; a step that uses some of them only is part of several."""
    found: list[dict[str, Any]] = []
    for step in steps:
        if (parameters := _parameters(step)) not in found:
            found.append(parameters)
    return [one for one in found if not any(one.items() < other.items() for other in found)]
