"""The budget of a run in GPU hours: what is left of it, and what more than that is refused.

Hours are those that Slurm has allocated to the run's jobs, in all its chains; where accounting does not tell,
those that its shards have worked. What runs is never stopped for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omi_core.config import Generate
from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.slurm.estimate import estimate, measure, start_up
from omi_core.slurm.run_status import gpu_hours
from omi_core.stages.run import Run
from omi_core.store.manifests import read_manifests


@dataclass(frozen=True)
class Budget:
    """GPU hours that a run may take, and those that it has taken."""

    hours: float
    spent: float

    @property
    def left(self) -> float:
        return max(0.0, self.hours - self.spent)


def budget_of(run: Run[Any]) -> Budget | None:
    """The budget of a run as it stands; None where it has none."""
    hours = run.config.cluster.budget_gpu_hours
    if hours is None:
        return None
    known = gpu_hours(run) if run.layout.plan.exists() else {}
    return Budget(hours, known.get("allocated", known.get("worked", 0.0)))


def refuse_over_budget(run: Run[Generate], samples: int, new: bool = False) -> None:
    """Raises ConfigError when these missing samples are expected to cost more than is left of the budget.

    `new`: nothing of what lies in its place is of this run.
    """
    budget = Budget(hours, 0.0) if new and (hours := run.config.cluster.budget_gpu_hours) else budget_of(run)
    if budget is None or not samples:
        return
    name = f"cluster.budget_gpu_hours={budget.hours:g}"
    if not budget.left:
        raise ConfigError(f"{name}: {budget.spent:,.2f} GPU hours are spent; raise it to go on")
    manifests = [] if new else read_manifests(run.layout).values()
    measured = measure(manifests, run.config.engine.seats)
    expected = estimate(run.config, samples, measured, start_up(run, measured)).gpu_hours
    if expected is not None and expected > budget.left:
        left = f"{budget.left:,.2f} are left" if budget.spent else "that is all there is"
        raise ConfigError(
            f"{name}: {samples:,} samples are expected to take {'' if measured else 'up to '}{expected:,.2f} "
            f"GPU hours, and {left}; raise it, or ask for fewer samples"
        )


def spent_budget(run: Run[Generate]) -> str | None:
    """Why nothing more is sent, where the budget is spent, and how to go on; else None."""
    budget = budget_of(run)
    if budget is None or budget.left:
        return None
    again = hint("resume", run.layout.root)
    return (
        f"the budget of {budget.hours:g} GPU hours is spent ({budget.spent:,.2f}); to go on: {again} "
        "cluster.budget_gpu_hours=MORE"
    )
