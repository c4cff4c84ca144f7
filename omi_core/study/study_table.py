"""What came of a study, and its table of settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omi_core.metrics import count_text
from omi_core.study.arms import Arm
from omi_core.study.findings import Judgement

HEADINGS = ("setting", "seeds", "right %", "spread", "95 % interval", "rows", "tokens", "hours")


@dataclass(frozen=True)
class Study:
    """What came of a study: its settings, the verdicts, and cells that were not evaluated."""

    name: str
    arms: Sequence[Arm]
    judged: Sequence[Judgement]
    rule: str

    @property
    def missing(self) -> list[str]:
        return sorted(name for arm in self.arms for name in arm.missing)


def table_of(study: Study) -> list[list[str]]:
    """A row for each setting, under `HEADINGS`."""
    rows = []
    for arm in study.arms:
        found = arm.found
        mean = spread = interval = "–"
        if found is not None:
            mean = f"{found.mean * 100:.1f}"
            spread = f"{found.spread * 100:.1f}" if found.seeds > 1 else "–"
            low, high = (each * 100 for each in found.interval)
            interval = f"{low:.1f} to {high:.1f}" if high < float("inf") else "–"
        seeds = f"{len(arm.values)}" + (f" of {len(arm.values) + len(arm.missing)}" if arm.missing else "")
        told = ["–" if value is None else count_text(value) for value in (arm.rows, arm.tokens)]
        hours = "–" if arm.hours is None else f"{arm.hours:.3g}"
        rows.append([arm.setting, seeds, mean, spread, interval, *told, hours])
    return rows
