"""How the jobs stand that were submitted before, and whether a command may do something about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omi_core.slurm import states
from omi_core.slurm.reasons import Kind, meaning


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
        held=tuple(str(key) for key, kind in kinds.items() if kind is Kind.HELD),
        never=waits and Kind.NEVER in kinds.values(),
        site=waits and Kind.SITE in kinds.values(),
    )
