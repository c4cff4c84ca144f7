"""Why a job waits: Slurm's word for it, told in ours, with what to do where waiting does not help.

| kind | is | jobs.resume |
|---|---|---|
| TURN | it waits for its turn: for nodes, a job before it, a time | leaves it alone |
| SITE | the site is not ready: nodes or a partition are down, a limit is used up | moves it, if told to |
| HELD | somebody or something has to release it | releases it |
| NEVER | it asks for what it cannot get | submits it anew, if the site takes it now |

Slurm has more than 150 reasons, and each version some more. Those that are not known here count as TURN, and
are shown as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from omi_core.slurm.states import TaskKey, TaskState


class WaitingKind(Enum):
    """What becomes of a job that waits for a reason."""

    TURN = "waits for its turn"
    SITE = "cannot start as the site is now"
    HELD = "held"
    NEVER = "can never start"


class Meaning(NamedTuple):
    """A reason told: what becomes of the job, and why in words; `option` is the end of what may mend it.

    `option` is a word such as `time`, of which `option_of` makes `cluster.time` or `cluster.cpu_time`.
    """

    kind: WaitingKind
    words: str
    option: str | None = None


TURN, SITE, HELD, NEVER = WaitingKind
# The first pattern that matches the beginning of the reason counts, whatever its capitals.
_PATTERNS: tuple[tuple[str, WaitingKind, str, str | None], ...] = (
    ("JobHeldUser", HELD, "held by its user", None),
    ("JobHeldAdmin", HELD, "held by an administrator", None),
    ("launch failed requeued held", HELD, "held by Slurm: its launch failed on a node", None),
    ("job requeued in held state", HELD, "held by whoever requeued it", None),
    ("JobHoldMaxRequeue", HELD, "held by Slurm: requeued too often", None),
    ("Reservation ?Deleted", HELD, "held by Slurm: its reservation is gone", None),
    ("DependencyNeverSatisfied", NEVER, "the job before it failed or was cancelled", None),
    ("PartitionTimeLimit", NEVER, "its time limit is above the partition's", "time"),
    (r"(QOS|Assoc)Max\w*Wall|\w+TimeLimit", NEVER, "its time limit is not allowed", "time"),
    ("PartitionNodeLimit", NEVER, "the partition does not allow this many nodes", "partition"),
    (
        r"InvalidAccount|AccountNotAllowed|Job's account not",
        NEVER,
        "its account is not valid there",
        "account",
    ),
    (r"InvalidQOS|QOSNotAllowed|Job's QOS not", NEVER, "its qos is not valid there", "qos"),
    (r"(QOS|Assoc)Max\w*Per(Job|Node)|QOSMin|MaxMemPerLimit", NEVER, "no job may be of its size", "qos"),
    ("BadConstraints", NEVER, "no node has what it asks for", "constraint"),
    ("PartitionDown|PartitionInactive", SITE, "its partition is closed", "partition"),
    ("ReqNodeNotAvail, May be reserved", TURN, "its nodes may be reserved for another job", None),
    ("ReqNodeNotAvail, Reserved for", SITE, "its nodes are reserved for maintenance", "partition"),
    ("ReqNodeNotAvail|NodeDown|FrontEndDown", SITE, "its nodes are down or drained", "partition"),
    ("Nodes required for job are", SITE, "its nodes are down, drained or taken", "partition"),
    (r"QOS|Assoc|Max\w+PerAccount", SITE, "a limit of qos or account is reached", "qos"),
    ("Reservation", TURN, "waits for its reservation to begin", None),
    ("Priority", TURN, "other jobs are before it", None),
    ("Resources", TURN, "waits for free nodes", None),
    ("Dependency", TURN, "waits for the job before it", None),
    ("JobArrayTaskLimit", TURN, "the array's throttle", None),
    ("BeginTime|Cleaning", TURN, "starts again in a while", None),
)
_MEANINGS = [
    (re.compile(pattern, re.IGNORECASE), Meaning(kind, words, option))
    for pattern, kind, words, option in _PATTERNS
]
# Held by their state, whatever the reason says.
_HELD_STATES = ("REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
_ALSO_OF_CPU_JOBS = ("time", "partition", "qos", "constraint")


@dataclass
class WaitingGroup:
    """Tasks of a stage that wait for one reason: how many, Slurm's word, and what it means.

    `advice` is what to do, None where waiting is all. `starts` is when Slurm expects the first of them to
    start, in seconds since the epoch, None where it does not say.
    """

    stage: str
    count: int
    reason: str
    kind: str
    words: str
    advice: str | None = None
    starts: float | None = None


def meaning(task: TaskState) -> Meaning | None:
    """Why a task waits; None for one that does not."""
    if task.state in _HELD_STATES:
        return Meaning(HELD, "held")
    if task.state != "PENDING":
        return None
    reason = (task.reason or "").replace("_", " ")  # some versions print launch_failed_requeued_held
    return next((found for pattern, found in _MEANINGS if pattern.match(reason)), Meaning(TURN, ""))


def option_of(found: Meaning, on_gpus: bool) -> str | None:
    """The option that may mend it: of GPU jobs `cluster.time`, of CPU jobs `cluster.cpu_time`."""
    if found.option is None:
        return None
    return f"cluster.{'' if on_gpus or found.option not in _ALSO_OF_CPU_JOBS else 'cpu_'}{found.option}"


def waiting(
    stages: Mapping[str, tuple[str, bool]], seen: Mapping[TaskKey, TaskState], resume: str
) -> list[WaitingGroup]:
    """Waiting tasks by stage and reason, the worst first; `stages` maps job -> (stage, whether on GPUs).

    `resume` is the command that continues the run.
    """
    groups: dict[tuple[str, str], WaitingGroup] = {}
    for key, task in seen.items():
        if key.job_id not in stages or (found := meaning(task)) is None:
            continue
        stage, on_gpus = stages[key.job_id]
        reason = task.reason or task.state
        if (stage, reason) not in groups:
            advice = _advice(found, option_of(found, on_gpus), resume)
            groups[stage, reason] = WaitingGroup(stage, 0, reason, found.kind.value, found.words, advice)
        group = groups[stage, reason]
        group.count += 1
        if task.expected is not None:
            group.starts = min(task.expected, group.starts or task.expected)
    order = [NEVER.value, HELD.value, SITE.value, TURN.value]
    return sorted(groups.values(), key=lambda group: order.index(group.kind))


def stuck(groups: Iterable[WaitingGroup]) -> bool:
    """Whether some of them wait for a person, not for their turn."""
    return any(group.kind in (HELD.value, NEVER.value) for group in groups)


def _advice(found: Meaning, option: str | None, resume: str) -> str | None:
    if found.kind is HELD:
        return f"release: {resume}"
    if found.kind is NEVER:
        return f"submit anew: {resume}" + (f" {option}=…" if option else "")
    if found.kind is SITE:
        return "wait" + (f", or move: {resume} {option}=…" if option else "")
    return None
