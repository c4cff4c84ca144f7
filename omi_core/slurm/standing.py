"""The jobs that were submitted before: how they stand, what a command may do about them, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.slurm import commands, states
from omi_core.slurm.links import own_job
from omi_core.slurm.reasons import WaitingKind, meaning


@dataclass(frozen=True)
class Standing:
    """Jobs that wait or run, as Slurm has them.

    `live` are their ids in the order of submission, `held` the jobs or array tasks that somebody has to
    release. `never` and `site` say that some can never start, or not as the site is now; both are False
    while one of the jobs runs, for then there is something to lose.
    """

    live: tuple[str, ...]
    held: tuple[str, ...]
    never: bool
    site: bool


def standing(entries: Iterable[Mapping[str, Any]]) -> Standing:
    """How the jobs of these entries of a ledger stand. Asks and raises as `states.query`."""
    submitted = [entry for entry in entries if entry.get("job")]
    found = {
        key: task for key, task in states.query_submitted(submitted).items() if task.state in states.ACTIVE
    }
    ids = {key.job_id for key in found}
    kinds = {key: told.kind for key, task in found.items() if (told := meaning(task)) is not None}
    waits = len(kinds) == len(found)
    return Standing(
        live=tuple(dict.fromkeys(entry["job"] for entry in submitted if entry["job"] in ids)),
        held=tuple(str(key) for key, kind in kinds.items() if kind is WaitingKind.HELD),
        never=waits and WaitingKind.NEVER in kinds.values(),
        site=waits and WaitingKind.SITE in kinds.values(),
    )


def live_ids(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Ids of the jobs of these entries that wait or run, but for this one, in the order of submission.

    Asks and raises as `standing`.
    """
    return [job for job in standing(entries).live if job != own_job()]


def cancel_live(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Cancels the jobs of these entries that wait or run, the first of a chain last; returns their ids.

    Were the array cancelled first, its gate would wake up and send it again. Raises SlurmError.
    """
    jobs = live_ids(entries)
    commands.scancel(jobs[::-1])
    return jobs


def refuse_at_work(root: Path, active: Sequence[str]) -> None:
    """Raises ConfigError where run.fresh would take a directory away under jobs that write to it."""
    if active:
        jobs = ", ".join(active)
        raise ConfigError(
            f"run.fresh=true: jobs of {root} wait or run ({jobs}); {hint('cancel', root)} first"
        )


def tell_cancelled(root: Path, cancel: Callable[[], list[str]]) -> int:
    """Says which jobs `cancel` has cancelled of a run or pipeline; returns the exit code.

    Raises:
        ConfigError: Slurm does not answer, or another process holds the lock.
    """
    try:
        jobs = cancel()
    except commands.SlurmError as error:
        raise ConfigError(str(error)) from error
    if jobs:
        print(f"cancelled {', '.join(jobs)}; resume: {hint('resume', root)}")
    else:
        print("no job of it waits or runs")
    return 0
