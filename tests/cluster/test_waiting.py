"""Jobs that do not start by themselves: the reason is told, and resume releases them or takes their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from tests.cluster.chain import LONG, SITE, WORK, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]


@contextmanager
def updated(cluster: Cluster, partition: str, **changes: str) -> Iterator[None]:
    """For a while a partition has other settings."""
    shown = cluster.run("scontrol", "-o", "show", "partition", partition).stdout
    before = dict(word.split("=", 1) for word in shown.split() if "=" in word)
    try:
        _update(cluster, partition, changes)
        yield
    finally:
        _update(cluster, partition, {name: before[name] for name in changes})


def _update(cluster: Cluster, partition: str, changes: dict[str, str]) -> None:
    words = [f"{name}={value}" for name, value in changes.items()]
    cluster.run("scontrol", "update", f"partitionname={partition}", *words)


def waits(chain: Chain, reason: str | tuple[str, ...]) -> str:
    """Waits until jobs of the run wait for that reason; what `jobs.status` then shows."""

    def told() -> bool:
        return any(group["reason"].startswith(reason) for group in chain.status()["waiting"])

    chain.cluster.wait_for(told, 60, f"a job waits for {reason}")
    return chain.type("status", chain.name).stdout


def ids(chain: Chain) -> set[str]:
    return {job.id for job in chain.queued()}


def test_a_time_limit_above_the_partitions_is_told_refused_and_replaced(
    chain: Chain, cluster: Cluster, undisturbed: Dataset
) -> None:
    with cluster.closed():
        chain.submit("tasks=2", "cluster.time=60")
        with updated(cluster, "batch", MaxTime="00:30:00"):
            cluster.run("scontrol", "update", "partitionname=batch", "state=up")
            shown = waits(chain, "PartitionTimeLimit")
            assert chain.status()["state"] == "stuck"
            assert "can never start: its time limit is above the partition's (PartitionTimeLimit)" in shown
            assert "generate: submit anew: python -m jobs.resume run cluster.time=…" in shown.splitlines()

            before = ids(chain)
            done = chain.type("resume", "run")  # by the same options it would be the same again
            assert done.returncode == 2
            line = done.stderr.splitlines()[-1]
            assert line.startswith("error: cluster.time=60: partition batch allows 30 min")
            assert ids(chain) == before
            assert chain.ledger()[-1]["stage"] == "refused"
            shown = chain.type("status", "run").stdout  # on a line of its own, beside why the jobs wait
            assert "1 x submission" in shown and "partition batch allows 30 min" in shown

            chain.resume("cluster.time=10", "engine.max_num_seqs=3", "run.flush_samples=5")
            options = orjson.loads((chain.run / "config.json").read_bytes())
            assert (options["engine"]["max_num_seqs"], options["run"]["flush_samples"]) == (3, 5)
            assert chain.dataset() == undisturbed
            assert not before & ids(chain)
            assert chain.status()["state"] == "published"


def test_held_tasks_are_told_and_released(chain: Chain, cluster: Cluster, undisturbed: Dataset) -> None:
    with cluster.closed():
        chain.submit("tasks=2")
        array = chain.job("generate")
        cluster.run("scontrol", "hold", f"{array}_1")
    cluster.wait_for(lambda: cluster.done(f"{array}_0"), 60, "the other task has ended")
    assert "held: held by an administrator (JobHeldAdmin)" in waits(chain, "JobHeldAdmin")
    assert chain.status()["state"] == "stuck"
    assert f"released {array}_1" in chain.resume().stdout
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1


@pytest.mark.slow
def test_a_launch_that_failed_holds_a_job_until_it_is_released(
    chain: Chain, cluster: Cluster, undisturbed: Dataset
) -> None:
    with cluster.configured(Prolog="/bin/false"):
        cluster.run("scontrol", "reconfigure")
        chain.submit()
        shown = waits(chain, "launch failed requeued held")
        assert "held by Slurm: its launch failed on a node" in shown
        assert "generate: release: python -m jobs.resume run" in shown.splitlines()
    cluster.run("scontrol", "reconfigure")
    for node in cluster.nodes:
        cluster.start(node)  # a failed prolog drains it
    assert "released" in chain.resume().stdout
    assert chain.dataset() == undisturbed


@pytest.mark.slow
def test_jobs_that_wait_for_the_site_are_moved_when_told_to(
    chain: Chain, cluster: Cluster, undisturbed: Dataset
) -> None:
    with cluster.closed():
        chain.submit()
        shown = waits(chain, "PartitionDown")
        assert chain.status()["state"] == "waiting"
        assert "cannot start as the site is now: its partition is closed (PartitionDown)" in shown
        before = ids(chain)
        assert "nothing submitted; python -m jobs.status run tells why" in chain.resume().stdout
        assert ids(chain) == before
        chain.resume("cluster.partition=interactive")
        assert chain.dataset() == undisturbed


@pytest.mark.slow
def test_drained_nodes_are_told_and_waited_for(chain: Chain, cluster: Cluster, undisturbed: Dataset) -> None:
    for node in cluster.nodes:
        cluster.drain(node)
    done = chain.submit()  # taken all the same: nodes come back
    assert "warning: Slurm could not place the generate jobs now" in done.stderr
    # One or the other, as the scheduler or its backfill part looked last.
    shown = waits(chain, ("ReqNodeNotAvail", "Nodes required for job are DOWN"))
    assert "cannot start as the site is now: its nodes are down" in shown
    for node in cluster.nodes:
        cluster.resume(node)
    assert chain.dataset() == undisturbed


@pytest.mark.slow
def test_running_tasks_are_not_given_up_for_one_that_cannot_start(
    chain: Chain, cluster: Cluster, undisturbed: Dataset
) -> None:
    # The first task is still at work when the command is typed, on a busy machine as well.
    chain.submit(*LONG, "tasks=2", "cluster.throttle=1", "cluster.time=60")
    cluster.wait_for(lambda: bool(chain.processes("generate")), 60, "a task runs")
    with updated(cluster, "batch", MaxTime="00:30:00"):
        before = ids(chain)
        assert "nothing submitted" in chain.resume("cluster.time=10").stdout
        assert before & ids(chain)
    assert chain.dataset() == undisturbed


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            "cluster.partition=bach",
            "cluster.partition=bach: refused by Slurm (invalid partition specified: bach",
        ),
        (
            "cluster.cpu_partition=nowhere",
            "cluster.cpu_partition=nowhere: refused by Slurm (invalid partition",
        ),
        ("cluster.account=nobody", "cluster.account=nobody: refused by Slurm (Invalid account"),
        ("cluster.qos=none", "cluster.qos=none: refused by Slurm (Invalid qos specification)"),
        (
            "cluster.constraint=h300",
            "cluster.constraint=h300: refused by Slurm (Invalid feature specification)",
        ),
        (
            "cluster.reservation=none",
            "cluster.reservation=none: refused by Slurm (Requested reservation is invalid)",
        ),
        ("cluster.time=3-00:00:00", "cluster.time=3-00:00:00: partition batch allows 2 days 00 h"),
        ("cluster.cpu_time=0", "cluster.cpu_time=0: partition cpu allows 2 days 00 h"),
    ],
)
def test_what_the_site_does_not_have_is_refused_by_plan_and_before_anything_is_submitted(
    chain: Chain, cluster: Cluster, given: str, line: str
) -> None:
    for plan in ("plan=true", "plan=false"):
        done = chain.type("generate", *WORK, *SITE, "run.dir=run", given, plan)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith(f"error: {line}")
    assert all("--test-only" in call for call in cluster.calls("sbatch"))
    assert chain.queued() == []


def test_a_plan_says_that_the_site_takes_the_jobs(chain: Chain, cluster: Cluster) -> None:
    done = chain.type("generate", *WORK, *SITE, "run.dir=run", "plan=true")
    assert done.returncode == 0, done.stderr
    assert "site       takes such jobs" in done.stdout.splitlines()
    assert not chain.run.exists() and chain.queued() == []
