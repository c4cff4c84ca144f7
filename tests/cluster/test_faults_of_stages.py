"""What befalls the jobs behind the array, and what a user cancels: no chain hangs or publishes a hole."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cluster.chain import SLOW, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]


def continued(chain: Chain, undisturbed: Dataset) -> bool:
    """Whether status says how to go on, and going on makes the dataset of an undisturbed run."""
    shown = chain.type("status", "run").stdout
    assert "python -m jobs.resume run" in shown, shown
    assert not (chain.run / "dataset").exists()
    chain.resume()
    return chain.dataset() == undisturbed


@pytest.mark.parametrize(
    "which",
    [pytest.param("running", marks=pytest.mark.slow), pytest.param("pending", marks=pytest.mark.slow), "all"],
)
def test_what_a_user_cancels_ends_the_chain_and_is_not_sent_again(
    cluster: Cluster, chain: Chain, undisturbed: Dataset, which: str
) -> None:
    # So slow that no task has ended before the command to cancel is typed.
    chain.submit(*SLOW, "teacher.rehearsal.latency=1.5", "tasks=3", "cluster.throttle=2")
    array = chain.job("generate")
    cluster.wait_for(lambda: cluster.job(f"{array}_1").state == "RUNNING", 30, "two tasks run, one waits")
    cluster.run("scancel", {"running": f"{array}_0", "pending": f"{array}_2", "all": array}[which])
    reason = chain.end()
    assert f"{3 if which == 'all' else 1} x cancelled" in reason
    assert chain.attempts() == 1
    assert continued(chain, undisturbed)


def test_a_killed_gate_opens_nothing(cluster: Cluster, chain: Chain, undisturbed: Dataset) -> None:
    chain.submit("tasks=2")
    with chain.locked():
        chain.kill("gate")
    chain.idle()
    assert cluster.states(chain.job("gate")) == {"FAILED"}
    assert chain.dataset() == undisturbed


def test_a_gate_killed_while_samples_are_missing_publishes_no_hole(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW)
    chain.begun()
    chain.kill("generate")
    with chain.locked():
        chain.kill("gate")
    assert chain.dataset() == undisturbed


def test_a_killed_reduce_task_is_sent_again(chain: Chain, undisturbed: Dataset) -> None:
    chain.submit("tasks=2", "reduce_tasks=2")
    chain.kill("reduce")
    assert chain.dataset() == undisturbed
    assert "parts are missing" in chain.logs()
    assert len(chain.ledger("reduce")) == 2


@pytest.mark.slow
def test_a_publish_that_is_killed_again_and_again_is_sent_again(chain: Chain, undisturbed: Dataset) -> None:
    chain.submit("tasks=2")
    for _ in range(2):
        sent = len(chain.ledger("publish"))
        chain.kill("publish")
        chain.cluster.wait_for(lambda n=sent: len(chain.ledger("publish")) > n, 60, "it is sent again")
    assert chain.dataset() == undisturbed
    assert len(chain.ledger("publish")) == 3
    chain.idle()
    status = chain.status()
    assert (status["state"], status["failures"]) == ("published", [])


@pytest.mark.slow
def test_a_publish_that_fails_for_a_reason_of_its_own_ends_the_chain_with_it(chain: Chain) -> None:
    shares = {"wrong": 0, "malformed": 1, "overlong": 0, "hostile": 0}
    chain.submit("tasks=2", *(f"teacher.rehearsal.{name}={share}" for name, share in shares.items()))
    assert "NothingToPublish" in chain.end()
    assert len(chain.ledger("publish")) == 1
    assert "NothingToPublish" in chain.type("status", "run").stdout


@pytest.mark.slow
def test_a_chain_that_is_sent_again_and_not_to_its_end_is_completed(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW)
    chain.begun()
    with cluster.calls.held("sbatch"):
        before = cluster.calls.count("sbatch")
        chain.kill("generate")
        cluster.wait_for(lambda: cluster.calls.count("sbatch") > before, 60, "the gate sends the array")
        cluster.calls.release("sbatch")
        cluster.wait_for(lambda: len(chain.ledger("generate")) == 2, 60, "the array is there")
        chain.kill("gate")
    assert chain.dataset() == undisturbed
    chain.idle()
    assert chain.attempts() <= 3 and chain.status()["failures"] == []


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[None]:
    """For a while another disk of that size lies in `place`; skips where it cannot be mounted."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_ends_the_chain_and_with_room_it_goes_on(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    for node in cluster.nodes:
        cluster.drain(node)
    chain.submit("tasks=2", "run.flush_samples=2")
    journals = chain.run / "generate"
    attempt = (journals / "0001.json").read_bytes()
    with small_disk(journals, 20):
        (journals / "0001.json").write_bytes(attempt)
        for node in cluster.nodes:
            cluster.resume(node)
        reason = chain.end()
        assert "x disk" in reason
        subprocess.run(["mount", "-o", "remount,size=64m", journals], check=True)
        assert continued(chain, undisturbed)


@pytest.mark.slow
def test_a_disk_that_is_full_when_publish_begins_is_told_as_such(
    cluster: Cluster, tmp_path: Path, undisturbed: Dataset
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place, 64 << 10):
        chain = Chain(cluster, place)
        chain.submit("tasks=2", "reduce_tasks=1")
        part = chain.run / "reduce/of-00001/part-00000.json"
        cluster.wait_for(part.exists, 90, "the part is made")
        with chain.locked():
            cluster.wait_for(lambda: bool(chain.processes("publish")), 60, "publish waits")
            filled = place / "filled"
            with suppress(OSError), filled.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        chain.idle()
        status = chain.status()
        # The end of the chain is in the ledger where that still had room for a line.
        told = [f"{group['cause']} {group['message']}" for group in status["failures"]]
        assert told and all("disk" in words for words in told), told
        assert len(chain.ledger("publish")) == 1
        filled.unlink()
        assert continued(chain, undisturbed)
