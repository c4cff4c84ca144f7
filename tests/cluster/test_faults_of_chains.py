"""Links that are taken out of a chain, and two at once: nothing is sent that a live job is making."""

from __future__ import annotations

import pytest

from tests.cluster.chain import LONG, SLOW, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]


def running(chain: Chain, stage: str) -> bool:
    return "RUNNING" in chain.cluster.states(chain.job(stage))


@pytest.mark.slow
def test_a_cancelled_gate_ends_the_chain_and_a_resume_waits_for_the_array(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*LONG)
    chain.begun()
    gate = chain.job("gate")
    cluster.run("scancel", gate)
    cluster.wait_for(lambda: bool(chain.ledger("end")), 60, "the chain ends")
    assert f"the gate (job {gate}) was cancelled" in chain.ledger("end")[-1]["reason"]
    assert running(chain, "generate")  # the tasks finish
    assert "a new gate waits for it" in chain.resume().stdout
    assert "nothing submitted" in chain.resume().stdout
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1


@pytest.mark.slow
def test_a_gate_that_starts_while_its_array_runs_leaves_the_work_to_another(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*LONG)
    chain.begun()
    cluster.run("scontrol", "update", f"jobid={chain.job('gate')}", "dependency=")
    cluster.wait_for(lambda: len(chain.ledger("gate")) == 2, 60, "another gate is sent")
    assert running(chain, "generate")
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1
    assert "still waits or runs; another gate waits for it" in chain.logs()
    chain.idle()
    assert chain.status()["failures"] == []


@pytest.mark.slow
def test_a_publish_job_that_starts_while_the_array_runs_sends_nothing_again(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*LONG)
    chain.begun()
    cluster.run("scontrol", "update", f"jobid={chain.job('publish')}", "dependency=")
    cluster.wait_for(lambda: len(chain.ledger("publish")) == 2, 60, "another one is sent")
    assert running(chain, "generate")
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1


@pytest.mark.parametrize(
    "stage", [*(pytest.param(stage, marks=pytest.mark.slow) for stage in ("canary", "reduce")), "publish"]
)
def test_a_job_that_a_person_cancels_ends_the_chain(
    cluster: Cluster, chain: Chain, undisturbed: Dataset, stage: str
) -> None:
    with cluster.closed("cpu"), cluster.closed("batch"):
        chain.submit("tasks=2", "canary=true")
        if stage != "reduce":
            cluster.run("scancel", chain.job(stage))
    if stage == "reduce":
        chain.cluster.wait_for(lambda: bool(chain.processes("reduce")), 90, "reduce runs")
        cluster.run("scancel", chain.job("reduce"))
    reason = chain.end(120)
    assert "cancelled" in reason and "python -m jobs.resume" in reason
    assert len(chain.ledger(stage)) == 1
    chain.resume()
    assert chain.dataset() == undisturbed


@pytest.mark.slow
def test_without_its_rescue_job_a_chain_runs_as_well(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit("tasks=2")
    cluster.run("scancel", chain.job("rescue"))
    assert chain.dataset() == undisturbed


def test_a_killed_canary_is_sent_again_with_what_waited_for_it(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW, "canary=true")
    chain.kill("canary")
    assert chain.dataset() == undisturbed
    assert len(chain.ledger("canary")) == 2
    assert "the canary: 1 x unknown" in chain.logs()


@pytest.mark.slow
def test_what_is_left_of_a_task_on_a_node_that_lost_touch_is_waited_for(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW, "tasks=1", "engine.max_num_seqs=1", "cluster.exclusive=true")
    chain.begun()
    task = cluster.job(f"{chain.job('generate')}_0")
    cluster.cut_off(task.node)
    cluster.wait_for(lambda: len(chain.processes("generate")) == 2, 60, "the task runs twice")
    cluster.wait_for(lambda: "waiting for it" in chain.logs(), 60, "the second one waits")
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1
    assert not chain.ledger("end")


@pytest.mark.slow
def test_a_run_that_is_cancelled_and_resumed_at_once_goes_on(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*LONG)
    chain.begun()
    assert chain.type("cancel", "run").returncode == 0
    resumed = chain.resume("tasks=3")
    assert "nothing submitted" not in resumed.stdout
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 2


def test_what_a_gate_sends_while_the_run_is_cancelled_is_cancelled_too(
    cluster: Cluster, chain: Chain
) -> None:
    chain.submit(*SLOW)
    chain.begun()
    with cluster.calls.held("sbatch"):
        before = cluster.calls.count("sbatch")
        chain.kill("generate")
        cluster.wait_for(lambda: cluster.calls.count("sbatch") > before, 60, "the gate sends the array")
        with chain.start("cancel", "run") as cancel:
            cluster.wait_for(lambda: cluster.calls.count("scancel") > 0, 60, "jobs are cancelled")
            cluster.calls.release("sbatch")
            assert cancel.wait(100) == 0
    chain.idle()
    assert chain.status()["state"] == "cancelled"
    assert not (chain.run / "dataset").exists()


def test_a_line_of_the_setup_that_fails_is_the_reason(chain: Chain) -> None:
    chain.submit("tasks=2", "cluster.setup=[module load Nowhere]")
    chain.idle(120)
    shown = chain.type("status", "run").stdout
    assert "failed: cluster.setup: module load Nowhere: exit code 127" in shown
    assert "setup" in {group["cause"] for group in chain.status()["failures"]}
    assert chain.attempts() == 1
