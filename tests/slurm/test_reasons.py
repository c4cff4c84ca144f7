"""Why jobs wait: Slurm's words, as recorded on 22.05 and named in later ones, and what they mean."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from omi_core.slurm import standing as standing_module
from omi_core.slurm import states
from omi_core.slurm.reasons import WaitingKind, meaning, stuck, waiting
from omi_core.slurm.standing import standing
from omi_core.slurm.states import TaskKey, TaskState


def pending(reason: str | None) -> TaskState:
    return TaskState("PENDING", reason=reason)


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        (
            WaitingKind.TURN,
            "Priority|Resources|Dependency|BeginTime|JobArrayTaskLimit|Reservation|None|Cleaning|Licenses"
            "|ReqNodeNotAvail, May be reserved for other job|a reason of next year",
        ),
        (
            WaitingKind.SITE,
            "ReqNodeNotAvail, UnavailableNodes:n[1-4]|ReqNodeNotAvail, Reserved for maintenance|PartitionDown"
            "|PartitionInactive|QOSGrpCpuLimit|QOSGrpWallLimit|AssocGrpGRES|AssocGrpBillingMinutes|QOSMaxJobsPerUserLimit"
            "|Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
            "|AssocMaxJobsLimit|AssocGrpJobsLimit|MaxCpuPerAccount|NodeDown|QOSUsageThreshold",
        ),
        (
            WaitingKind.HELD,
            "JobHeldUser|JobHeldAdmin|launch failed requeued held|job requeued in held state|JobHeldUser,None"
            "|launch_failed_requeued_held|JobHoldMaxRequeue",
        ),
        (
            WaitingKind.NEVER,
            "PartitionTimeLimit|PartitionNodeLimit|DependencyNeverSatisfied|InvalidAccount|InvalidQOS|BadConstraints"
            "|QOSMaxWallDurationPerJobLimit|AssocMaxWallDurationPerJobLimit|QOSMaxCpuPerJobLimit|QOSMaxGRESPerJob"
            "|Job's account not permitted to use this partition (x allows y not z)"
            "|AssocMaxNodePerJobLimit|QOSMinCpuNotSatisfied|QOSTimeLimit|QOSNotAllowed|AccountNotAllowed",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, WaitingKind) else "",
)  # fmt: skip
def test_a_reason_says_whether_waiting_helps(kind: WaitingKind, reasons: str) -> None:
    told = {reason: found.kind for reason in reasons.split("|") if (found := meaning(pending(reason)))}
    assert told == dict.fromkeys(reasons.split("|"), kind)


def test_a_task_that_does_not_wait_has_no_reason_and_a_held_one_is_known_by_its_state() -> None:
    assert meaning(TaskState("RUNNING", reason="None")) is None
    assert meaning(TaskState("COMPLETED")) is None
    for state in ("REQUEUE_HOLD", "SPECIAL_EXIT"):
        found = meaning(TaskState(state))
        assert found is not None and found.kind is WaitingKind.HELD


STAGES = {"1": ("generate", True), "2": ("gate", False), "3": ("reduce", False)}
RESUME = "python -m jobs.resume run"


def test_tasks_are_told_by_stage_and_reason_the_worst_first() -> None:
    seen = {TaskKey("1", i): pending("Priority") for i in range(3)}
    seen |= {TaskKey("1", 3): pending("JobHeldAdmin"), TaskKey("2", None): pending("Dependency")}
    seen |= {TaskKey("3", 0): pending("PartitionTimeLimit"), TaskKey("9", 0): pending("JobHeldUser")}
    groups = waiting(STAGES, seen, RESUME)
    assert [(group.stage, group.count, group.reason) for group in groups] == [
        ("reduce", 1, "PartitionTimeLimit"),
        ("generate", 1, "JobHeldAdmin"),
        ("generate", 3, "Priority"),
        ("gate", 1, "Dependency"),
    ]
    assert [group.advice for group in groups[2:]] == [None, None]
    assert stuck(groups) and not stuck(groups[2:])


@pytest.mark.parametrize(
    ("job", "reason", "advice"),
    [
        ("1", "PartitionTimeLimit", f"submit anew: {RESUME} cluster.time=…"),
        ("3", "PartitionTimeLimit", f"submit anew: {RESUME} cluster.cpu_time=…"),
        ("3", "InvalidAccount", f"submit anew: {RESUME} cluster.account=…"),
        ("2", "InvalidQOS", f"submit anew: {RESUME} cluster.cpu_qos=…"),
        ("2", "DependencyNeverSatisfied", f"submit anew: {RESUME}"),
        ("1", "launch failed requeued held", f"release: {RESUME}"),
        ("1", "PartitionDown", f"wait, or move: {RESUME} cluster.partition=…"),
    ],
)
def test_what_to_do_is_a_command_of_this_suite(job: str, reason: str, advice: str) -> None:
    (group,) = waiting(STAGES, {TaskKey(job, 0): pending(reason)}, RESUME)
    assert group.advice == advice
    assert shlex.split(advice)  # nothing in it that a shell would not take


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ({}, ((), (), False, False)),
        ({"1_0": pending("PartitionTimeLimit"), "2": pending("Dependency")}, (("1", "2"), (), True, False)),
        ({"1_0": pending("PartitionTimeLimit"), "1_1": TaskState("RUNNING")}, (("1",), (), False, False)),
        ({"1_0": pending("JobHeldUser"), "1_1": TaskState("RUNNING")}, (("1",), ("1_0",), False, False)),
        ({"1_0": pending("PartitionDown"), "1_1": pending("Priority")}, (("1",), (), False, True)),
        ({"1_0": pending("Priority"), "1_1": TaskState("FAILED")}, (("1",), (), False, False)),
        ({"1_0": TaskState("COMPLETED"), "2": pending("InvalidQOS")}, (("2",), (), True, False)),
    ],
)
def test_jobs_that_run_are_never_given_up_for_those_that_cannot_start(
    tasks: dict[str, TaskState], expected: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {
        TaskKey(job, int(index) if index else None): state
        for name, state in tasks.items()
        for job, _, index in [name.partition("_")]
    }
    monkeypatch.setattr(states, "query_submitted", lambda entries: seen)
    assert standing_module.states is states
    found = standing([{"job": "1"}, {"stage": "chain"}, {"job": "2"}])
    assert (found.live, found.held, found.never, found.site) == expected
