"""Teachers that span nodes, on a real Slurm: jobs of two nodes, and the same bytes as on one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.chain import SLOW, WORK, Chain, files
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]
TWO_NODES = (
    "teacher.nodes=2",
    "teacher.tensor_parallel=16",
    "cluster.gpus_per_node=8",
    "cluster.cpus_per_gpu=1",
    "canary=false",
)


def rank(chain: Chain, number: int) -> int:
    """The process of a rank of the only generate job."""
    wanted = f"SLURM_PROCID={number}".encode()
    (found,) = [
        pid
        for pid in chain.processes("generate")
        if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    ]
    return found


def test_jobs_of_two_nodes_publish_what_one_machine_would(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*TWO_NODES, "tasks=2", "canary=true", "cluster.canary.min_answers=0.1")
    assert chain.dataset() == undisturbed
    others = [path.read_text() for path in (chain.run / "logs").glob("*_1.log")]
    assert (
        sum("rank 1: rank 0 has ended" in text for text in others) == 3
    )  # the canary's, and two of the array
    for stage in ("canary", "generate", "gate", "publish"):
        assert cluster.settled(chain.job(stage)) == {"COMPLETED"}


@pytest.mark.slow
def test_a_job_of_two_nodes_hands_back_its_work_before_the_time_limit(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*SLOW, *TWO_NODES, "tasks=1")
    chain.begun()
    cluster.run("scancel", "--signal=USR2", chain.job("generate"))  # as Slurm does before the limit
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1  # requeued, not resent
    assert "SIGUSR2: no new samples" in chain.logs()
    assert "failed" not in chain.logs()


@pytest.mark.parametrize(
    ("number", "cause"), [pytest.param(0, "unknown", marks=pytest.mark.slow), (1, "engine failure")]
)
def test_a_rank_that_is_killed_ends_its_job_which_is_sent_again(
    chain: Chain, undisturbed: Dataset, number: int, cause: str
) -> None:
    chain.submit(*SLOW, *TWO_NODES, "tasks=1")
    chain.begun()
    os.kill(rank(chain, number), signal.SIGKILL)
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 2
    assert f"1 x {cause}" in chain.logs(), chain.logs()


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(900)
def test_a_model_over_two_nodes_publishes_what_one_machine_would(chain: Chain) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    work = (
        "teacher=tiny",
        "data.size=6",
        "samples=2",
        "engine.kv_cache_gb=0.25",
        "teacher.tensor_parallel=2",
    )
    chain.submit(*work, "teacher.nodes=2", "cluster.mem=8G")
    one = [sys.executable, "-m", "jobs.generate", *WORK, *work, "run.dir=one"]
    subprocess.run(one, cwd=chain.place, check=True, capture_output=True)
    assert chain.dataset(600) == files(chain.place / "one/dataset")
