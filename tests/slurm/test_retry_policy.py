"""Why a task failed, and what the gate does about it: the tables of the failure policy."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.slurm import retry_policy, states
from omi_core.slurm.retry_policy import Cause, Failure, cause_of, decide


def trouble(name: str, message: str = "") -> dict[str, str]:
    """What a task leaves when it ends with an exception."""
    return {"class": name, "message": message}


@pytest.mark.parametrize(
    ("left", "state", "code", "cause"),  # code: the exit code, or minus the signal that ended the task
    [
        # What the task wrote is believed before what Slurm says.
        (
            trouble("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2 GiB"),
            None,
            None,
            "OUT_OF_MEMORY",
        ),
        (trouble("MemoryError"), "FAILED", 1, "OUT_OF_MEMORY"),
        (trouble("RuntimeError", "CUDA error: out of memory"), "FAILED", 1, "OUT_OF_MEMORY"),
        (trouble("EngineDeadError", "EngineCore encountered an issue"), "FAILED", 1, "ENGINE"),
        (trouble("RuntimeError", "CUDA error: an illegal memory access"), "FAILED", 1, "ENGINE"),
        (trouble("AcceleratorError", "CUDA error: uncorrectable ECC"), "NODE_FAIL", None, "ENGINE"),
        (
            trouble("ServerLost", "ConnectionError: no answer; the last: CUDA out of memory"),
            None,
            1,
            "SERVER",
        ),
        (trouble("AppendFailed", "No space left on device"), "FAILED", 1, "DISK"),
        (trouble("OSError", "[Errno 122] Disk quota exceeded"), "FAILED", 1, "DISK"),
        (trouble("PermissionError", "[Errno 13]"), "FAILED", 1, "DISK"),
        # Nothing of ours to mend, and passing.
        (trouble("LockTaken", "j.lock: in use by process 5 on n1"), "FAILED", 1, "LOCKED"),
        (trouble("JournalShared", "changed under its writer"), "FAILED", 1, "LOCKED"),
        (trouble("Busy", "squeue: no answer"), "FAILED", 1, "UNKNOWN"),
        (trouble("KeyError", "'text'"), "FAILED", 1, "BUG"),
        (trouble("TooManyErrors", "6 of 10 samples were refused"), "FAILED", 1, "BUG"),
        # A task that was killed leaves no word.
        (None, "TIMEOUT", 0, "TIMEOUT"),
        (None, "DEADLINE", 0, "TIMEOUT"),
        (None, "PREEMPTED", 0, "PREEMPTED"),
        (None, "NODE_FAIL", 0, "NODE_FAIL"),
        (None, "BOOT_FAIL", None, "NODE_FAIL"),
        (None, "OUT_OF_MEMORY", 0, "OUT_OF_MEMORY"),
        (None, "CANCELLED", 0, "CANCELLED"),
        (
            None,
            "FAILED",
            retry_policy.HANDED_BACK,
            "TIMEOUT",
        ),  # handed back, more often than it may requeue itself
        (None, "FAILED", retry_policy.TERMINATED, "PREEMPTED"),  # stopped in the time of grace
        (None, "FAILED", retry_policy.SETUP_FAILED, "SETUP"),
        (None, "FAILED", retry_policy.UNWRITABLE, "DISK"),  # not even the reason could be written
        (None, "FAILED", -signal.SIGTERM, "PREEMPTED"),  # the same, before it could listen
        (None, "FAILED", -signal.SIGKILL, "UNKNOWN"),
        (None, "FAILED", -signal.SIGSEGV, "CRASH"),
        (None, "FAILED", -signal.SIGABRT, "CRASH"),
        (trouble("EngineFailed", "EngineDeadError: EngineCore encountered an issue"), "FAILED", 1, "ENGINE"),
        (trouble("EngineFailed", "OutOfMemoryError: CUDA out of memory"), "FAILED", 1, "OUT_OF_MEMORY"),
        (None, "FAILED", 9, "UNKNOWN"),
        (None, "FAILED", 11, "CRASH"),  # SIGSEGV, where accounting missed that it was a signal
        (None, "FAILED", 15, "PREEMPTED"),
        (None, "FAILED", 1, "UNKNOWN"),
        (None, "COMPLETED", 0, "UNKNOWN"),  # its samples are gone all the same
        (None, states.GONE, None, "UNKNOWN"),
        (None, None, None, "UNKNOWN"),
    ],
)
def test_the_cause_of_a_failure(
    left: dict[str, str] | None, state: str | None, code: int | None, cause: str
) -> None:
    exit_code, ended_by = (0, -code) if code is not None and code < 0 else (code, 0)
    assert cause_of(left, state, exit_code, ended_by) is Cause[cause]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (
            "slurmstepd-n1: error: StepId=86.0 exceeded memory limit (126 > 104), being killed",
            "OUT_OF_MEMORY",
        ),
        ("slurmstepd-n1: error: Exceeded job memory limit", "OUT_OF_MEMORY"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.", "OUT_OF_MEMORY"),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in step 7.0 cgroup.", "OUT_OF_MEMORY"),
        ("generate: a room kill of records", "UNKNOWN"),
        (None, "UNKNOWN"),
    ],
)
def test_slurm_may_say_only_on_the_log_that_it_killed_for_memory(said: str | None, cause: str) -> None:
    assert cause_of(None, "FAILED", 0, signal.SIGKILL, said) is Cause[cause]


def failures(*causes: Cause | tuple[Cause, str]) -> list[Failure]:
    """One task each, on a node of its own; messages differ unless they are given."""
    made = []
    for task, entry in enumerate(causes):
        cause, message = entry if isinstance(entry, tuple) else (entry, f"task {task} failed in its own way")
        made.append(Failure(task, cause, message, f"n{task}", "logs"))
    return made


@pytest.mark.parametrize(
    ("cause", "again", "excluded", "smaller"),
    [
        (Cause.TIMEOUT, True, (), False),
        (Cause.PREEMPTED, True, (), False),
        (Cause.NODE_FAIL, True, ("n0",), False),
        (Cause.OUT_OF_MEMORY, True, (), True),
        (Cause.ENGINE, True, ("n0",), False),
        (Cause.SERVER, True, (), False),
        (Cause.LOCKED, True, (), False),
        (Cause.SETUP, True, ("n0",), False),
        (Cause.CRASH, True, (), False),
        (Cause.UNKNOWN, True, (), False),
        (Cause.BUG, False, (), False),
        (Cause.DISK, False, (), False),
        (Cause.CANCELLED, False, (), False),
    ],
)
def test_every_cause_has_its_answer(
    cause: Cause, again: bool, excluded: tuple[str, ...], smaller: bool
) -> None:
    decision = decide(failures(cause), tasks=8, attempts=1, max_attempts=3)
    assert (decision.again, decision.exclude, decision.smaller) == (again, excluded, smaller)
    assert cause.value in decision.reason


def test_the_table_above_names_every_cause() -> None:
    again = {cause for cause in Cause if decide(failures(cause), 8, 1, 3).again}
    assert again == set(Cause) - set(retry_policy.GIVE_UP)


@pytest.mark.parametrize(("attempts", "again"), [(1, True), (2, True), (3, False), (4, False)])
def test_attempts_are_bounded(attempts: int, again: bool) -> None:
    decision = decide(failures(Cause.TIMEOUT), 8, attempts, max_attempts=3)
    assert decision.again == again
    assert again or "after" in decision.reason


ALIKE = (Cause.ENGINE, "EngineDeadError: no kernel image is available")


@pytest.mark.parametrize(
    ("tasks", "alike", "again"),
    [(8, 4, True), (8, 5, False), (8, 8, False), (3, 2, False), (2, 2, True), (1, 1, True)],
)
def test_the_same_error_in_most_tasks_is_nobodys_bad_luck(tasks: int, alike: int, again: bool) -> None:
    decision = decide(failures(*[ALIKE] * alike), tasks, 1, 3)
    assert decision.again == again
    assert again or "no kernel image is available" in decision.reason


def test_a_server_that_all_tasks_share_is_lost_with_the_same_words() -> None:
    lost = failures(*[(Cause.SERVER, "ConnectionError: http://host/v1: no answer")] * 8)
    assert decide(lost, 8, 1, 3).again
    assert not decide(lost, 8, 3, 3).again


@pytest.mark.parametrize(("failed", "again"), [(1, True), (3, True), (4, False)])
def test_a_line_of_the_setup_that_fails_everywhere_is_the_users_to_mend(failed: int, again: bool) -> None:
    lines = failures(*[(Cause.SETUP, f"module load {task}") for task in range(failed)])
    decision = decide(lines, 4, 1, 3)
    assert decision.again == again
    assert again or "module load 0" in decision.reason


def test_tasks_that_were_killed_without_a_word_are_not_alike() -> None:
    assert decide(failures(*[(Cause.PREEMPTED, "")] * 8), 8, 1, 3).again


def test_one_fatal_failure_stops_the_rest_and_is_shown_once() -> None:
    lost = failures(Cause.TIMEOUT, (Cause.DISK, "OSError: quota"), (Cause.DISK, "OSError: quota"))
    decision = decide(lost, 8, 1, 3)
    assert not decision.again
    assert decision.reason.count("OSError: quota") == 1
    assert "task 1, logs" in decision.reason and "1 x time limit" in decision.reason


def test_nodes_are_excluded_once_and_in_order() -> None:
    lost = [
        Failure(task, Cause.ENGINE, f"error {task}", node) for task, node in enumerate(["n7", "n2", "n7"])
    ]
    assert decide(lost, 8, 1, 3).exclude == ("n2", "n7")


def test_samples_that_are_missing_without_a_failure_are_sent_again() -> None:
    decision = decide([], 8, 1, 3)
    assert decision.again and decision.reason


@given(
    st.lists(st.sampled_from(Cause), max_size=12),
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_a_decision_is_one_line_and_bounded(
    causes: list[Cause], tasks: int, attempts: int, most: int
) -> None:
    decision = decide(failures(*causes), tasks, attempts, most)
    assert decision.reason and "\n" not in decision.reason
    if decision.again:
        assert attempts < most and not set(causes) & set(retry_policy.GIVE_UP)
