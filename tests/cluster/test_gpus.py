"""Replicas on pretended GPUs, rehearsed and with vLLM: none takes another's GPU; dead engines are mended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import combinations
from typing import Any

import psutil
import pytest

from tests.cluster.chain import SITE, Chain, files
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

Dataset = dict[str, bytes]
# One core for each GPU, whatever the machine has.
GPUS = ("cluster.cpus_per_gpu=1", "cluster.mem=8G", "canary=false")


def together(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two tasks were at work at the same time on the same node."""
    if one["node"] != other["node"]:
        return False
    (start, end), (other_start, other_end) = (
        (task["started"] - task["start_up"], task["started"] + task["seconds"]) for task in (one, other)
    )
    return start < other_end and other_start < end


def clashes(tasks: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Pairs of tasks that had a GPU in common at the same time."""
    return [
        (one["task"], other["task"])
        for one, other in combinations(tasks, 2)
        if together(one, other) and set(one["gpus"]) & set(other["gpus"])
    ]


# Two whole nodes, or four jobs that share nodes.
@pytest.mark.parametrize(("per_node", "jobs"), [(8, 2), pytest.param(4, 4, marks=pytest.mark.slow)])
def test_sixteen_replicas_at_once_have_a_gpu_each(
    cluster: Cluster, chain: Chain, undisturbed: Dataset, per_node: int, jobs: int
) -> None:
    for node in cluster.nodes[2:]:
        cluster.drain(node)
    slow = ("teacher.rehearsal.latency=2", "engine.max_num_seqs=1")
    chain.submit(*GPUS, f"cluster.gpus_per_node={per_node}", f"tasks={jobs}", *slow)
    assert chain.dataset() == undisturbed
    tasks = chain.manifests()
    assert [task["task"] for task in tasks] == list(range(16))
    assert {len(task["gpus"]) for task in tasks} == {1}
    assert len({(task["node"], *task["gpus"]) for task in tasks}) == 16
    assert clashes(tasks) == []
    assert any(together(one, other) for one, other in combinations(tasks, 2))


TINY = ("teacher=tiny", "data.size=8", "samples=2", "cluster.workers=1", "engine.kv_cache_gb=0.1")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The dataset of TINY as one machine makes it."""
    place = tmp_path_factory.mktemp("tiny")
    command = [sys.executable, "-m", "jobs.generate", *TINY, "run.dir=run"]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return files(place / "run/dataset")


def submit(chain: Chain, *options: str) -> None:
    done = chain.type("generate", *TINY, *SITE, *GPUS, "run.dir=run", *options)
    assert done.returncode == 0, done.stderr


# A job of two replicas, or two that share a node.
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_vllm_in_several_replicas_makes_what_one_does(
    cluster: Cluster, chain: Chain, tiny: Dataset, jobs: int
) -> None:
    for node in cluster.nodes[1:]:
        cluster.drain(node)
    submit(chain, "cluster.gpus_per_node=2", f"tasks={jobs}")
    assert chain.dataset(600) == tiny
    tasks = chain.manifests()
    assert sorted(gpu for task in tasks for gpu in task["gpus"]) == [str(gpu) for gpu in range(2 * jobs)]
    assert {task["teacher"]["engine"] for task in tasks} == {"vllm"}
    assert clashes(tasks) == []


def engines(chain: Chain) -> list[int]:
    """Ids of the engine processes that the chain's tasks have started."""
    started = [child for pid in chain.processes("generate") for child in psutil.Process(pid).children()]
    return [child.pid for child in started if "EngineCore" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_an_engine_that_is_killed_is_started_again_by_its_task(
    cluster: Cluster, chain: Chain, tiny: Dataset
) -> None:
    # In a process of its own, as on GPUs.
    own = "cluster.environment={VLLM_ENABLE_V1_MULTIPROCESSING: 1}"
    submit(chain, "+" + own, "cluster.gpus_per_node=1", "run.flush_samples=1", "engine.max_num_seqs=1")
    cluster.wait_for(lambda: bool(engines(chain)), 90, "the engine runs")
    chain.begun()
    (engine,) = engines(chain)
    os.kill(engine, signal.SIGKILL)
    assert chain.dataset(600) == tiny
    (task,) = chain.manifests()
    assert task["restarts"] == 1
    assert chain.attempts() == 1
