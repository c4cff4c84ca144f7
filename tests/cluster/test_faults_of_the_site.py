"""What befalls the controller and the accounting: nothing is submitted twice, and nothing waits for ever."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.cluster.chain import SITE, SLOW, WORK, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]
# What no second try mends.
REFUSED = (
    "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"
)


def submitted(cluster: Cluster) -> set[tuple[str, str]]:
    """(id, name) of the jobs that the cluster knows, an array being one."""
    return {(row.id.split("_")[0], row.name) for row in cluster.jobs()}


ONE_CHAIN = {f"run.{stage}": 1 for stage in ("generate", "gate", "reduce", "publish", "rescue")}


@pytest.mark.slow
def test_tasks_outlive_a_controller_that_is_restarted(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW)
    chain.begun()
    cluster.stop_controller()
    cluster.start_controller()
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1


def test_tasks_that_end_while_the_controller_is_dead_are_done(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW, "teacher.rehearsal.latency=0.8")
    chain.begun()
    cluster.remembered()
    cluster.stop_controller(crash=True)
    assert "Slurm does not answer" in chain.type("status", "run").stdout
    cluster.wait_for(lambda: len(chain.manifests()) == 2, 60, "the tasks have ended")
    cluster.start_controller()
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1


def test_without_accounting_a_killed_task_is_sent_again(
    cluster_without_accounting: Cluster, tmp_path: Path, undisturbed: Dataset
) -> None:
    chain = Chain(cluster_without_accounting, tmp_path)
    chain.submit(*SLOW)
    chain.begun()
    chain.kill("generate")
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 2
    assert chain.status()["tasks"]["generate"] == {"COMPLETED": 2}


@pytest.mark.slow
def test_a_busy_controller_is_asked_again_from_the_login_node(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    before = submitted(cluster)
    cluster.refuse_sbatch(times=3)  # the question whether the site takes the jobs, and two submissions
    chain.submit("tasks=2")
    assert Counter(name for _, name in submitted(cluster) - before) == ONE_CHAIN
    assert chain.dataset() == undisturbed


def test_a_busy_controller_is_asked_again_by_the_gate(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW)
    chain.begun()
    cluster.refuse_sbatch(times=2)
    chain.kill("generate")
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 2


@pytest.mark.slow
def test_a_gate_whose_jobs_are_refused_ends_the_chain_and_leaves_none(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW)
    chain.begun()
    cluster.calls.refuse("sbatch", times=1, message=REFUSED)
    chain.kill("generate")
    assert "Invalid account" in chain.end()
    assert "Invalid account" in chain.type("status", "run").stdout
    chain.resume()
    assert chain.dataset() == undisturbed


def test_a_chain_of_which_a_job_is_refused_leaves_none(cluster: Cluster, chain: Chain) -> None:
    # What the site said when it was asked, it says no more when the gate is submitted.
    arguments = ("generate", *WORK, *SITE, "run.dir=run")
    with cluster.calls.held("sbatch"), chain.start(*arguments) as command:
        for number in (1, 2, 3):  # asks for GPU and CPU jobs, then submits the array
            cluster.wait_for(lambda n=number: cluster.calls.count("sbatch") == n, 60, f"sbatch {number}")
            cluster.calls.let_one_go("sbatch")
        cluster.wait_for(lambda: cluster.calls.count("sbatch") == 4, 60, "the gate is submitted")
        cluster.calls.refuse("sbatch", times=1, message=REFUSED)
        cluster.calls.release("sbatch")
        _, stderr = command.communicate(timeout=60)
    assert command.returncode == 2
    (line,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: +cluster=slurm: sbatch: Invalid account")
    assert chain.queued() == []


def test_a_job_that_a_hanging_controller_took_unnoticed_is_not_submitted_twice(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    before = submitted(cluster)
    arguments = ("generate", *WORK, *SITE, "run.dir=run", "tasks=2")
    with cluster.calls.held("sbatch"), chain.start(*arguments) as command:
        for number in (1, 2):  # asks for GPU and CPU jobs
            cluster.wait_for(lambda n=number: cluster.calls.count("sbatch") == n, 60, f"sbatch {number}")
            cluster.calls.let_one_go("sbatch")
        cluster.wait_for(lambda: cluster.calls.count("sbatch") == 3, 60, "the array is submitted")
        with cluster.controller_hangs():
            cluster.calls.release("sbatch")
            # Only after sbatch has given up does anybody look for what it submitted.
            looked = cluster.calls.count("squeue")
            cluster.wait_for(lambda: cluster.calls.count("squeue") > looked, 60, "a look for the job")
        shown = command.communicate(timeout=120)
    assert command.returncode == 0, shown
    assert Counter(name for _, name in submitted(cluster) - before) == ONE_CHAIN
    assert chain.dataset() == undisturbed
