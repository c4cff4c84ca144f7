"""Arrays larger than what the site takes at once, carried out window by window."""

from __future__ import annotations

import pytest

from tests.cluster.chain import SITE, WORK, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]


@pytest.mark.slow
def test_an_array_larger_than_the_queue_has_room_for_goes_window_by_window(
    cluster: Cluster, chain: Chain, undisturbed: dict[str, bytes]
) -> None:
    held = [cluster.submit("sleep 600", "--qos=few", "--hold") for _ in range(10)]
    # 20 jobs at most and 10 there: the first window is 9 tasks, the second the rest.
    done = chain.submit("tasks=14", "reduce_tasks=12", "cluster.qos=few")
    assert "33 more samples: submitted by the gate" in " ".join(done.stdout.split())
    assert chain.dataset() == undisturbed
    arrays = [(entry["stage"], entry["array"][1] + 1) for entry in chain.ledger() if entry.get("array")]
    assert arrays == [
        ("generate", 9),
        ("generate", 5),
        ("reduce", 1),
    ]  # beside a gate at work, the next gate, publish and rescue
    assert not any(entry.get("again") for entry in chain.ledger())
    cluster.run("scancel", *held)


def test_an_array_larger_than_the_largest_index_is_several(
    cluster: Cluster, chain: Chain, undisturbed: dict[str, bytes]
) -> None:
    with cluster.configured(MaxArraySize=5):
        chain.submit("tasks=12", "reduce_tasks=7", "cluster.throttle=4")
        assert chain.dataset() == undisturbed
    generate = [entry for entry in chain.ledger() if entry["stage"] == "generate"]
    assert [entry["array"] for entry in generate] == [[0, 4, 4], [0, 4, 4], [0, 1, 4]]
    # With a throttle one after the other, or twice as many would run.
    assert [entry["after"] for entry in generate][1:] == [
        f"afterany:{entry['job']}" for entry in generate[:-1]
    ]
    (reduce,) = [entry for entry in chain.ledger() if entry["stage"] == "reduce"]
    assert reduce["array"] == [0, 4, 0]


def test_a_queue_without_room_is_said_so_before_anything_is_submitted(cluster: Cluster, chain: Chain) -> None:
    held = [cluster.submit("sleep 600", "--qos=few", "--hold") for _ in range(19)]
    done = chain.type("generate", *WORK, *SITE, "run.dir=run", "cluster.qos=few")
    assert done.returncode == 2
    assert "you have 19 jobs there and may have 20: no room for 2 more" in done.stderr
    assert {job.id for job in chain.queued()} == set(held)
    cluster.run("scancel", *held)
