"""`cluster.after`: the jobs that the first jobs of a chain wait for.

They wait until those have ended, well or not (afterany). What a run reads is there when it is planned, so
nothing in it depends on how the others end; with afterok one that fails would keep the chain from ever
starting.
"""

from __future__ import annotations

import re
from pathlib import Path

from omi_core.options import ConfigError
from omi_core.slurm import states
from omi_core.store import ledger
from omi_core.store.layout import Layout

_JOBS = re.compile(r"\d+(_\d+)?(:\d+(_\d+)?)*", re.ASCII)


def dependency(after: str | None, own: Path) -> str | None:
    """What `cluster.after` is for sbatch; None where there is nothing (more) to wait for.

    A run means all of its jobs that wait or run now, of which publish is the last. `own` is the run that
    is to wait.

    Raises:
        ConfigError: it is neither job ids nor a run, or it is the run itself.
        SlurmError: Slurm does not answer.
    """
    check_after(after)
    if after is None or _JOBS.fullmatch(after):
        return after and f"afterany:{after}"
    layout = Layout(Path(after))
    if layout.root.resolve() == own.resolve():
        raise ConfigError(f"cluster.after={after}: the run itself; it cannot wait for its own jobs")
    found = states.query_submitted(ledger.read(layout.ledger))
    live = {key.job_id for key, state in found.items() if state.state in states.ACTIVE}
    return "afterany:" + ":".join(sorted(live, key=int)) if live else None


def check_after(after: str | None) -> None:
    """Raises ConfigError when it is neither job ids nor a run."""
    if after is None or _JOBS.fullmatch(after):
        return
    layout = Layout(Path(after))
    if (layout.root / "pipeline.json").is_file():
        raise ConfigError(
            f"cluster.after={after}: a pipeline submits its later jobs later; give the run of a step"
        )
    if not layout.plan.is_file():
        raise ConfigError(
            f"cluster.after={after}: neither a job id (12, or several as 12:13) nor a run directory"
        )
