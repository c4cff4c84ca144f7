"""Teachers that span nodes, on a real Slurm: jobs of two nodes, and the same bytes as on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.test_chain import SITE, WORK, Command, command, files, ledger, logs, published, undisturbed

__all__ = ["command", "undisturbed"]  # fixtures

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

TWO_NODES = [
    "teacher.nodes=2",
    "teacher.tensor_parallel=16",
    "cluster.gpus_per_node=8",
    "cluster.cpus_per_gpu=1",
]
SLOW = [
    "teacher.rehearsal.latency=0.5",
    "engine.max_num_seqs=4",
    "run.flush_samples=2",
    "tasks=1",
    "canary=false",
]


def rank(run: Path, number: int) -> psutil.Process | None:
    """The generate task of a rank, if it runs."""
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if line[1:5] == ["-m", "jobs._task", str(run), "generate"]:
            try:
                if process.environ().get("SLURM_PROCID") == str(number):
                    return process
            except psutil.Error:
                continue
    return None


def test_jobs_of_two_nodes_publish_what_one_machine_would(
    cluster: Cluster, command: Command, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    options = ["tasks=2", "canary=true", "cluster.canary.records=3", "cluster.canary.min_answers=0.1"]
    done = command("generate", *WORK, *SITE, *TWO_NODES, *options, "run.dir=run")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    assert published(cluster, run) == undisturbed
    ranks = sorted(
        path.name for path in (run / "logs").glob("*_1.log") if "rank 0 has ended" in path.read_text()
    )
    assert len(ranks) == 3  # of the canary and of both array tasks
    for entry in ledger(run)[1:]:
        assert cluster.settled(entry["job"]) == {"COMPLETED"}


def test_a_time_limit_hands_back_the_work_of_a_job_of_two_nodes(
    cluster: Cluster, command: Command, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    assert command("generate", *WORK, *SITE, *TWO_NODES, *SLOW, "run.dir=run").returncode == 0
    run = tmp_path / "run"
    cluster.wait_for(lambda: any((run / "generate").glob("*.zst")), 60, "a journal")
    cluster.run("scancel", "--signal=USR2", ledger(run)[1]["job"])  # as Slurm does before the limit
    assert published(cluster, run) == undisturbed
    assert len([entry for entry in ledger(run) if entry["stage"] == "generate"]) == 1  # requeued, not resent
    assert "SIGUSR2: no new samples" in logs(run)


@pytest.mark.parametrize("number", [0, 1])
def test_a_rank_that_is_killed_takes_the_other_with_it_and_is_sent_again(
    cluster: Cluster, command: Command, tmp_path: Path, undisturbed: dict[str, bytes], number: int
) -> None:
    assert command("generate", *WORK, *SITE, *TWO_NODES, *SLOW, "run.dir=run").returncode == 0
    run = tmp_path / "run"
    cluster.wait_for(lambda: any((run / "generate").glob("*.zst")), 60, "a journal")
    process = rank(run, number)
    assert process is not None
    process.kill()
    assert published(cluster, run) == undisturbed
    assert len([entry for entry in ledger(run) if entry["stage"] == "generate"]) == 2
    why = "engine failure" if number == 1 else "unknown"
    assert f"1 x {why}); sent again, attempt 2 of 3" in logs(run)


@pytest.mark.long
@pytest.mark.vllm
def test_a_model_over_two_nodes_publishes_what_one_machine_would(
    cluster: Cluster, command: Command, tmp_path: Path
) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    work = ["teacher=tiny", "data.size=6", "samples=2", "cluster.workers=1"]
    work += ["engine.kv_cache_gb=0.25", "teacher.tensor_parallel=2"]
    one = [sys.executable, "-m", "jobs.generate", *work, "run.dir=one"]
    subprocess.run(one, cwd=tmp_path, env=os.environ, check=True, capture_output=True)
    done = command("generate", *work, *SITE, "teacher.nodes=2", "cluster.mem=8G", "run.dir=run")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    cluster.wait_for(lambda: (run / "dataset/stats.json").exists(), 280, f"the dataset; logs:\n{logs(run)}")
    assert files(run / "dataset") == files(tmp_path / "one/dataset")
