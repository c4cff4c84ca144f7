"""What befalls generate tasks and their nodes: the dataset is the same, or the chain says why it ended."""

from __future__ import annotations

import io
import signal

import orjson
import pytest

from tests.cluster.chain import SLOW, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]


def test_a_killed_task_is_sent_again_by_the_gate(chain: Chain, undisturbed: Dataset) -> None:
    chain.submit(*SLOW)
    chain.begun()
    chain.kill("generate")
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 2
    reason = chain.ledger("resend")[0]["reason"]
    assert reason in chain.logs()
    missing = int(reason.split(" of 96 samples are missing")[0])
    # An attempt that made half of its samples is not counted; beside other work the kill may come so late.
    assert reason.endswith("sent again, attempt 2 of 5" if missing > 48 else "sent again, half is done")


@pytest.mark.slow
def test_the_tasks_of_a_crashed_node_go_on_elsewhere(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW, "cluster.exclusive=true")
    chain.begun()
    task = cluster.job(f"{chain.job('generate')}_0")
    cluster.crash(task.node, noticed=True)
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1  # Slurm's requeue is the owner of this retry
    assert cluster.job(task.id).restarts == 1


@pytest.mark.slow
def test_where_slurm_may_not_requeue_the_gate_sends_the_work_of_a_crashed_node_again(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW, "cluster.exclusive=true", "cluster.requeue=false")
    chain.begun()
    task = cluster.job(f"{chain.job('generate')}_0")
    cluster.crash(task.node, noticed=True)
    cluster.wait_for(lambda: cluster.job(task.id).state == "NODE_FAIL", 30, "the task has failed")
    assert chain.dataset() == undisturbed
    assert "1 x node failure" in chain.logs()
    assert chain.attempts() == 2
    excluded = (chain.run / "logs").glob("generate-*.sbatch")
    assert any(f"--exclude={task.node}" in path.read_text() for path in excluded)


@pytest.mark.slow
def test_a_drained_node_finishes_its_task(cluster: Cluster, chain: Chain, undisturbed: Dataset) -> None:
    chain.submit(*SLOW, "tasks=4", "cluster.throttle=2", "cluster.exclusive=true")
    cluster.wait_for(lambda: cluster.states(chain.job("generate")) >= {"RUNNING"}, 30, "tasks run")
    node = next(row.node for row in cluster.jobs(chain.job("generate")) if row.state == "RUNNING")
    cluster.drain(node)
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1
    assert sum(row.node == node for row in cluster.jobs(chain.job("generate"))) == 1


def test_a_requeued_task_goes_on_where_it_stopped(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW)
    chain.begun()
    task = f"{chain.job('generate')}_1"
    cluster.run("scontrol", "requeue", task)
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1
    assert cluster.job(task).restarts == 1
    resumed = [m for m in chain.manifests() if m["task"] == 1]
    assert resumed[0]["samples"] < resumed[0]["keys"]  # the others were in the journal


def test_a_task_hands_back_its_work_at_every_time_limit(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    # The signal is due from the start on, and sent when Slurm next looks at time limits, each half minute;
    # there is work for longer than that.
    slow = (*SLOW, "tasks=1", "engine.max_num_seqs=1", "teacher.rehearsal.latency=0.5")
    chain.submit(*slow, "cluster.time=2", "cluster.signal_seconds=119")
    task = f"{chain.job('generate')}_0"
    cluster.wait_for(lambda: cluster.job(task).restarts == 1, 60, "the task has requeued itself")
    chain.grown()
    chain.kill("generate", signal.SIGUSR2)
    assert chain.dataset() == undisturbed
    assert cluster.job(task).restarts >= 2
    assert chain.attempts() == 1
    assert "SIGUSR2: no new samples" in chain.logs()


@pytest.mark.slow
def test_without_requeue_the_gate_sends_again_what_a_time_limit_cut_off(
    chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW, "cluster.requeue=false")
    chain.begun()
    chain.kill("generate", signal.SIGUSR2)
    assert chain.dataset() == undisturbed
    assert "2 x time limit" in chain.logs()
    assert chain.attempts() == 2


def test_a_preempted_task_is_sent_again(cluster: Cluster, chain: Chain, undisturbed: Dataset) -> None:
    chain.submit(*SLOW, "cluster.exclusive=true")
    chain.begun()
    node = cluster.job(f"{chain.job('generate')}_0").node
    urgent = cluster.submit("true", "--partition=interactive", "--exclusive", f"--nodelist={node}")
    assert chain.dataset() == undisturbed
    assert cluster.settled(urgent) == {"COMPLETED"}
    assert "SIGTERM: no new samples" in chain.logs()
    assert cluster.job(f"{chain.job('gate')}").state == "COMPLETED"


@pytest.mark.slow
def test_a_record_that_crashes_its_task_is_quarantined_and_the_others_are_made(
    chain: Chain, undisturbed: Dataset
) -> None:
    import polars as pl

    def rows(made: Dataset) -> pl.DataFrame:
        (train,) = [data for name, data in made.items() if name.startswith("data/train-")]
        return pl.read_parquet(io.BytesIO(train))

    whole = rows(undisturbed)
    victim = whole["problem"][len(whole) // 2]
    poison = f'teacher.rehearsal.poison="{victim[:60]}"'
    # A crash of the whole process, as a native one is; three of them, and the fourth attempt ends well.
    chain.submit(poison, "tasks=2", "teacher.rehearsal.poison_kills=true", "run.max_error_rate=0.5")
    found = chain.dataset()
    stats = orjson.loads(found["stats.json"])
    assert stats["counts"]["errors"] == {"EngineFailed": 4}
    assert chain.attempts() == 4
    assert rows(found).equals(whole.filter(pl.col("problem") != victim))
    assert "1 x crash" in chain.logs()
