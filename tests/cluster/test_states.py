"""What `omi_core.slurm.states` and `commands` tell of a real Slurm, also when things go wrong on it."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from omi_core.slurm import commands, states
from omi_core.slurm.commands import Busy, SlurmError
from omi_core.slurm.states import TaskKey, TaskState
from tests.cluster.cluster import Cluster

pytestmark = pytest.mark.slurm

# What squeue says of ids that it has all forgotten; here it can be made to forget at once.
FORGOTTEN = "slurm_load_jobs error: Invalid job id specified"
# A script that ends at once may outrun what its step tells slurmctld, and accounting then lacks the signal.
MANY_WAYS = """
case $SLURM_ARRAY_TASK_ID in
    1) exit 1 ;;
    2) srun bash -c 'kill -9 $$'; code=$?; sleep 1; exit $code ;;
    3 | 4) srun sleep 300 ;;
esac
"""


def one(job: str, index: int | None = None) -> TaskState:
    return states.query([job])[TaskKey(job, index)]


def words(found: dict[TaskKey, TaskState]) -> dict[str, str]:
    return {str(key): state.state for key, state in found.items()}


def test_every_task_of_an_array_is_told_however_it_ended(slurm: Cluster) -> None:
    array = commands.sbatch("--array=0-6%5", "--gres=gpu:2", "--hold", f"--wrap={MANY_WAYS}")
    alone = commands.sbatch("--hold", "--wrap=true")
    slurm.run("scontrol", "release", array)
    slurm.run("scontrol", "hold", f"{array}_5,{array}_6")
    for index in range(3):
        slurm.wait_for(lambda i=index: slurm.done(f"{array}_{i}"), 20, f"task {index} has ended")
    slurm.wait_for(lambda: slurm.job(f"{array}_3").state == "RUNNING", 20)
    commands.scancel([f"{array}_3", f"{array}_6"])
    slurm.wait_for(lambda: slurm.done(f"{array}_3"), 20, "task 3 has been cancelled")
    slurm.calls.forget()
    found = states.query([array, alone], {array: 7})
    assert (slurm.calls.count("squeue"), slurm.calls.count("sacct")) in {(1, 0), (1, 1)}

    told = words(found)
    assert told.pop(f"{array}_6") in ("CANCELLED", "GONE")  # accounting is late
    assert told == {
        f"{array}_0": "COMPLETED",
        f"{array}_1": "FAILED",
        f"{array}_2": "FAILED",
        f"{array}_3": "CANCELLED",
        f"{array}_4": "RUNNING",
        f"{array}_5": "PENDING",
        alone: "PENDING",
    }
    ends = [(found[TaskKey(array, i)].exit_code, found[TaskKey(array, i)].signal) for i in (0, 1, 2, 4)]
    assert ends == [(0, 0), (1, 0), (0, 9), (None, None)]
    assert {found[TaskKey(array, i)].gpus for i in range(6)} == {2}
    assert found[TaskKey(array, 4)].node in slurm.nodes
    first = found[TaskKey(array, 0)]
    assert first.start is not None and first.end is not None and first.start <= first.end


def test_sacct_tells_the_same_of_what_squeue_has_forgotten(slurm: Cluster) -> None:
    array = commands.sbatch("--array=0-2", "--gres=gpu:2", f"--wrap={MANY_WAYS}")
    slurm.settled(array)
    in_queue = states.query([array], {array: 3})
    slurm.wait_for(lambda: len(slurm.sacct(array, "End")) == 3, 20, "sacct has a row of each")
    slurm.wait_for(lambda: ["Unknown"] not in slurm.sacct(array, "End"), 20, "and their ends")
    slurm.calls.forget()
    slurm.calls.refuse("squeue", times=1, message=FORGOTTEN)
    in_accounting = states.query([array], {array: 3})
    assert (slurm.calls.count("squeue"), slurm.calls.count("sacct")) == (1, 1)
    # squeue gives a reason for a failure where sacct gives none.
    for key, state in in_accounting.items():
        queued = in_queue[key]
        assert (state.state, state.exit_code, state.signal) == (queued.state, queued.exit_code, queued.signal)
        assert (state.start, state.end, state.node) == (queued.start, queued.end, queued.node)
        assert (state.gpus, state.restarts) == (2, 0)


def test_a_task_of_a_crashed_node_has_not_failed_while_slurm_requeues_it(slurm: Cluster) -> None:
    job = commands.sbatch("--wrap=sleep 300")
    final = commands.sbatch("--no-requeue", "--wrap=sleep 300")
    slurm.wait_for(lambda: {one(job).state, one(final).state} == {"RUNNING"}, 20)
    node = slurm.job(job).node
    assert slurm.job(final).node == node
    slurm.crash(node, noticed=True)
    slurm.wait_for(lambda: slurm.sacct(job, "State")[:1] == [["NODE_FAIL"]], 20, "sacct calls it a failure")
    again = one(job)
    assert again.state in states.ACTIVE and again.restarts == 1
    assert (one(final).state, one(final).node) == ("NODE_FAIL", node)


def test_a_task_that_is_requeued_has_not_ended(slurm: Cluster) -> None:
    array = commands.sbatch("--array=0-1", "--wrap=sleep 300")
    slurm.wait_for(lambda: words(states.query([array])).get(f"{array}_1") == "RUNNING", 20)
    slurm.run("scontrol", "requeue", f"{array}_1")
    slurm.wait_for(lambda: ["REQUEUED"] in slurm.sacct(f"{array}_1", "State"), 20, "sacct has its first run")
    again = one(array, 1)
    assert not again.ended and again.restarts == 1
    assert one(array, 0).state == "RUNNING"
    ran = sum(int(row[0]) for row in slurm.sacct(f"{array}_1", "ElapsedRaw", "State") if row[1] == "REQUEUED")
    assert again.elapsed_before_s == ran


def test_ten_thousand_tasks_take_one_question(slurm: Cluster) -> None:
    array = commands.sbatch("--array=0-9999%32", "--hold", "--wrap=true")
    commands.scancel([f"{array}_[7,9,500-504]"])
    slurm.calls.forget()
    found = states.query([array], {array: 10_000})
    assert (slurm.calls.count("squeue"), slurm.calls.count("sacct")) == (1, 1)
    counts = Counter(state.state for state in found.values())
    assert counts["PENDING"] == 9_993 and counts["CANCELLED"] + counts["GONE"] == 7


def test_without_accounting_squeue_alone_tells_and_the_forgotten_are_gone(
    slurm_without_accounting: Cluster,
) -> None:
    slurm = slurm_without_accounting
    array = commands.sbatch("--array=0-1", "--gres=gpu:1", f"--wrap={MANY_WAYS}")
    slurm.settled(array)
    found = states.query([array])
    assert words(found) == {f"{array}_0": "COMPLETED", f"{array}_1": "FAILED"}
    assert found[TaskKey(array, 1)].exit_code == 1
    slurm.calls.refuse("squeue", times=1, message=FORGOTTEN)
    assert words(states.query([array], {array: 2})) == {f"{array}_0": "GONE", f"{array}_1": "GONE"}


def test_a_controller_that_hangs_is_busy_and_not_an_empty_queue(
    slurm: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = commands.sbatch("--hold", "--wrap=true")
    with monkeypatch.context() as hurried, slurm.controller_hangs():
        hurried.setattr(states, "run", partial(commands.run, timeout=1))
        with pytest.raises(Busy, match="no answer within 1 s"):
            states.query([job])
    assert one(job).state == "PENDING"


def test_a_submission_that_got_no_answer_is_found_and_not_made_twice(
    slurm: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_options = ("--comment=token-17 and a user's words", "--hold", "--wrap=true")

    def submit() -> str:
        if slurm.calls.count("sbatch"):
            return commands.sbatch(*job_options)
        with slurm.controller_hangs(), monkeypatch.context() as hurried:
            hurried.setattr(commands, "SBATCH_TIMEOUT_S", 2)
            return commands.sbatch(*job_options)

    job = commands.retry(submit, 60, found=lambda: commands.find_job("token-17"))
    assert [row.id for row in slurm.jobs()].count(job) == 1
    assert slurm.calls.count("sbatch") == 1
    assert commands.find_job("token-1") is None


def test_a_refused_submission_is_tried_again_while_it_is_worth_it(slurm: Cluster) -> None:
    slurm.refuse_sbatch(times=2)
    job = commands.retry(lambda: commands.sbatch("--hold", "--wrap=true"), 30)
    assert one(job).state == "PENDING"
    assert slurm.calls.count("sbatch") == 3
    with pytest.raises(SlurmError, match="sbatch: invalid partition specified: none; "):
        commands.retry(lambda: commands.sbatch("--partition=none", "--wrap=true"), 30)
    assert slurm.calls.count("sbatch") == 4


def test_jobs_are_cancelled_in_order_and_those_that_have_ended_count_as_cancelled(slurm: Cluster) -> None:
    ended = commands.sbatch("--wrap=true")
    waits = commands.sbatch("--array=0-3", "--hold", "--wrap=true")
    slurm.settled(ended)
    commands.scancel([waits, ended, "99999"])
    assert [call[1:] for call in slurm.calls("scancel")] == [[waits], [ended], ["99999"]]
    assert set(words(states.query([waits], {waits: 4})).values()) == {"CANCELLED"}
    assert one(ended).state == "COMPLETED"
