"""Ten thousand tasks: how often Slurm is asked, and how long that takes (printed; run with -s)."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.cluster.chain import Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]


def test_ten_thousand_tasks_are_one_array_and_a_handful_of_calls(cluster: Cluster, chain: Chain) -> None:
    started = time.monotonic()
    chain.submit(
        "tasks=10000", "data.size=2500", "cluster.throttle=2", "+cluster.options={hold: true}", "canary=true"
    )
    submitted = time.monotonic() - started
    assert Counter(call[0] for call in cluster.calls()) == {
        "sbatch": 8,  # two questions (--test-only); canary, generate, gate, reduce, publish, rescue
        "scontrol": 3,  # what the site allows, and its partitions
        "sacctmgr": 3,
    }
    array = chain.ledger("generate")[0]["array"]
    assert array[0] == 0 and array[1] + 1 >= 9968  # the canary has taken 32 samples

    cluster.calls.forget()
    started = time.monotonic()
    status = chain.status()
    asked = time.monotonic() - started
    assert status["tasks"]["generate"] == {"PENDING": array[1] + 1}
    assert cluster.calls.count("squeue") == 1
    assert cluster.calls.count("sacct") <= 1
    assert {call[0] for call in cluster.calls()} <= {"squeue", "sacct"}

    cluster.calls.forget()
    started = time.monotonic()
    assert chain.type("cancel", "run").returncode == 0
    cancelled = time.monotonic() - started
    chain.idle()
    print(f"\n10,000 tasks: submit {submitted:.1f} s, status {asked:.1f} s, cancel {cancelled:.1f} s")
    assert cluster.calls.count("scancel") == 6  # one for each job, the last of the chain first
