"""The throw-away Slurm proves itself: what the tests of the suite's cluster side rely on does happen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import processes
from tests.cluster.calls import BUSY
from tests.cluster.cluster import Cluster

pytestmark = pytest.mark.slurm


def overlap(cluster: Cluster, array: str) -> int:
    """The most tasks of an array that ran at once, from the `<start> <end>` that each printed."""
    events: list[tuple[float, int]] = []
    for row in cluster.jobs(array):
        start, end = (float(word) for word in cluster.output(row.id).split()[-2:])
        events += [(start, 1), (end, -1)]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


STAMPED = "start=$EPOCHREALTIME; {}; echo $start $EPOCHREALTIME"


def test_concurrent_tasks_of_a_node_have_different_gpus(cluster: Cluster) -> None:
    array = cluster.submit(
        "echo $SLURMD_NODENAME:$CUDA_VISIBLE_DEVICES; sleep 30", "--array=0-15", "--gres=gpu:1"
    )
    ids = [f"{array}_{i}" for i in range(16)]
    cluster.wait_for(lambda: all(cluster.output(i) for i in ids), 30, "all 16 tasks have printed their GPU")
    assert cluster.states(array) == {"RUNNING"}
    assert len({cluster.output(i).strip() for i in ids}) == 16


def test_a_throttle_is_respected(cluster: Cluster) -> None:
    array = cluster.submit(STAMPED.format("sleep 0.5"), "--array=0-5%2")
    assert cluster.settled(array) == {"COMPLETED"}
    assert overlap(cluster, array) == 2


def test_usr2_before_the_limit_reaches_what_srun_started_and_not_the_script(cluster: Cluster) -> None:
    watch = "bash -c \"trap 'echo {0}; exit' USR2; for i in {{1..600}}; do sleep 0.1; done\""
    # Due from the start on, so sent when the controller next looks at time limits, each half minute.
    stepped = cluster.submit("srun " + watch.format("stepped"), "--time=1", "--signal=USR2@60")
    scripted = cluster.submit(watch.format("scripted"), "--time=1", "--signal=USR2@60")
    cluster.wait_for(lambda: "stepped" in cluster.output(stepped), 45, "the step has been signalled")
    assert cluster.output(scripted) == ""


def test_a_job_that_waits_for_a_success_that_never_comes_is_cancelled(cluster: Cluster) -> None:
    first = cluster.submit("exit 3")
    second = cluster.submit("true", f"--dependency=afterok:{first}")
    assert cluster.settled(first) == {"FAILED"}
    assert cluster.settled(second) == {"CANCELLED"}


def test_a_job_outlives_the_controller(cluster: Cluster) -> None:
    job = cluster.submit("sleep 4; echo lived")
    cluster.wait_for(lambda: cluster.states(job) == {"RUNNING"}, 20)
    cluster.stop_controller()
    assert not cluster.done(job)  # nobody answers, which must not read as "no such job"
    cluster.start_controller()
    assert cluster.settled(job) == {"COMPLETED"}
    assert cluster.output(job) == "lived\n"


def test_the_task_of_a_crashed_node_runs_again_on_another(cluster: Cluster) -> None:
    script = 'echo run on $SLURMD_NODENAME; [ -n "$SLURM_RESTART_COUNT" ] || sleep 300'
    array = cluster.submit(script, "--array=0-1", "--gres=gpu:8", "--open-mode=append")
    cluster.wait_for(lambda: all("run on" in cluster.output(f"{array}_{i}") for i in (0, 1)), 20)
    node = cluster.job(f"{array}_0").node
    cluster.crash(node)
    cluster.wait_for(lambda: cluster.job(f"{array}_0").state == "COMPLETED", 75, "the task has run elsewhere")
    assert cluster.job(f"{array}_0").restarts == 1
    assert cluster.job(f"{array}_0").node != node
    assert cluster.job(f"{array}_1").restarts == 0


def test_a_crash_that_slurm_is_told_of_requeues_at_once_and_leaves_nothing_running(cluster: Cluster) -> None:
    job = cluster.submit("setsid sleep 301 & sleep 302", "--export=NONE")
    cluster.wait_for(lambda: cluster.states(job) == {"RUNNING"}, 20)
    node = cluster.job(job).node
    cluster.wait_for(lambda: len(processes.belonging_to(cluster.directory, node)) == 5, 20, "both sleep")
    cluster.crash(node, noticed=True)
    assert processes.belonging_to(cluster.directory, node) == []
    assert cluster.job(job).restarts == 1
    cluster.start(node)


def test_an_interactive_job_takes_the_place_of_a_batch_job(cluster: Cluster) -> None:
    batch = cluster.submit("trap '' TERM; sleep 300", "--array=0-3", "--gres=gpu:8")
    cluster.wait_for(lambda: cluster.states(batch) == {"RUNNING"}, 20)
    urgent = cluster.submit("true", "--partition=interactive", "--gres=gpu:8")
    assert cluster.settled(urgent, 40) == {"COMPLETED"}
    assert sum(row.restarts for row in cluster.jobs(batch)) == 1


def test_a_drained_node_takes_nothing_new(cluster: Cluster) -> None:
    for node in cluster.nodes[1:]:
        cluster.drain(node)
    array = cluster.submit("echo $SLURMD_NODENAME", "--array=0-3", "--gres=gpu:8")
    cluster.settled(array)
    assert {cluster.output(f"{array}_{i}") for i in range(4)} == {"n1\n"}


def test_sacct_tells_how_jobs_ended(cluster: Cluster) -> None:
    job = cluster.submit("exit 3")
    cluster.settled(job)
    cluster.wait_for(
        lambda: cluster.sacct(job, "State", "ExitCode") == [["FAILED", "3:0"]], 20, "sacct knows"
    )


def test_without_accounting_sacct_fails_and_jobs_run(cluster_without_accounting: Cluster) -> None:
    job = cluster_without_accounting.submit("true")
    assert cluster_without_accounting.settled(job) == {"COMPLETED"}
    refused = cluster_without_accounting.run("sacct", "-j", job, check=False)
    assert (refused.returncode, refused.stderr) == (1, "Slurm accounting storage is disabled\n")


def test_two_clusters_run_side_by_side(cluster: Cluster, cluster_without_accounting: Cluster) -> None:
    job = cluster.submit("sleep 20", "--job-name=only-here")
    assert cluster.job(job).name == "only-here"
    assert "only-here" not in {row.name for row in cluster_without_accounting.jobs()}


def test_the_qos_bounds_how_many_jobs_a_user_submits(cluster: Cluster) -> None:
    cluster.submit("sleep 60", "--qos=few", "--array=0-19")
    refused = cluster.run("sbatch", "--qos=few", "--wrap=true", check=False)
    assert refused.returncode == 1
    assert "QOSMaxSubmitJobPerUserLimit" in refused.stderr


def test_the_largest_array_is_a_setting_that_a_test_can_change(cluster: Cluster) -> None:
    def shown() -> str:
        lines = cluster.run("scontrol", "show", "config").stdout.splitlines()
        return next(line.split("=")[1].strip() for line in lines if line.startswith("MaxArraySize"))

    assert shown() == "20001"
    with cluster.configured(MaxArraySize=11):
        assert shown() == "11"
        refused = cluster.run("sbatch", "--array=0-11", "--wrap=true", check=False)
        assert "Invalid job array specification" in refused.stderr
        cluster.run("sbatch", "--array=0-10", "--wrap=true")
    assert shown() == "20001"


def test_calls_are_counted_with_their_arguments_and_own_questions_are_not(cluster: Cluster) -> None:
    cluster.jobs()
    cluster.run("squeue", "--name", "two words\nand a line")
    cluster.run("sinfo")
    assert cluster.calls() == [["squeue", "--name", "two words\nand a line"], ["sinfo"]]
    assert cluster.calls.count("squeue") == 1
    assert cluster.calls.count("sacct") == 0


def test_sbatch_can_be_refused_a_number_of_times(cluster: Cluster) -> None:
    cluster.refuse_sbatch(times=2)
    tries = [cluster.run("sbatch", "--wrap=true", check=False) for _ in range(3)]
    assert [done.returncode for done in tries] == [1, 1, 0]
    assert tries[0].stderr == BUSY + "\n"
    assert cluster.calls.count("sbatch") == 3


def test_sbatch_can_be_refused_for_a_time(cluster: Cluster) -> None:
    cluster.refuse_sbatch(seconds=2)
    assert cluster.run("sbatch", "--wrap=true", check=False).returncode == 1
    cluster.wait_for(lambda: cluster.run("sbatch", "--wrap=true", check=False).returncode == 0, 10)


def test_a_job_may_exist_although_sbatch_gave_up_on_a_hanging_controller(cluster: Cluster) -> None:
    with cluster.controller_hangs():
        gave_up = cluster.run("sbatch", "--job-name=ghost", "--wrap=true", check=False, timeout=60)
    assert gave_up.returncode == 1
    assert BUSY in gave_up.stderr
    cluster.wait_for(lambda: "ghost" in {row.name for row in cluster.jobs()}, 20, "the job turns up")


def test_a_failed_wait_shows_the_queue_and_the_logs(cluster: Cluster) -> None:
    job = cluster.submit("sleep 60", "--job-name=stuck")
    with pytest.raises(AssertionError, match="until job .* ends") as failure:
        cluster.settled(job, seconds=0.2)
    assert "stuck" in str(failure.value)
    assert "slurmctld.log" in str(failure.value)


OWNER = """
import json, os, signal, sys, time
from tests.cluster.cluster import Cluster
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
with Cluster(nodes=1, accounting=False) as cluster:
    begun = cluster.directory / "begun"
    cluster.submit(f"setsid sleep 303 & touch {begun}; sleep 304")
    cluster.wait_for(begun.exists, 30)
    print(json.dumps(str(cluster.directory)), flush=True)
    time.sleep(300)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_of_a_cluster_outlives_its_owner_for_long(cluster: Cluster, how: signal.Signals) -> None:
    root = Path(__file__).resolve().parents[2]
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    directory = Path(json.loads(owner.stdout.readline()))
    assert len(processes.belonging_to(directory)) > 4
    owner.send_signal(how)
    owner.communicate(timeout=60)
    if how == signal.SIGKILL:
        assert processes.belonging_to(directory)
        assert directory in processes.end_leftovers()
    assert processes.belonging_to(directory) == []
    assert not directory.exists()
    assert cluster.directory.exists()  # the owner of this one lives
