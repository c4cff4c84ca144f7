"""The main job on a real Slurm: the chain, its gates, resume, and the same bytes as on one machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

WORK = ["teacher=rehearsal", "data.size=24", "samples=4", "cluster.workers=1"]
SITE = [
    "+cluster=slurm",
    "cluster.partition=batch",
    "cluster.cpu_partition=cpu",
    "cluster.cpus=1",
    "cluster.time=10",
    "cluster.cpu_time=10",
]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(cluster: Cluster, tmp_path: Path) -> Command:
    """Runs `python -m jobs.<command>` on the cluster's login node; the run is tmp_path/run."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", f"jobs.{name}", *arguments],
            cwd=tmp_path,
            env=cluster.env | {"COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done

    return run


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def ledger(run: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (run / "ledger.jsonl").read_bytes().splitlines()]


def waiting(cluster: Cluster) -> list[str]:
    """Jobs that wait or run."""
    return [job.id for job in cluster.jobs() if job.state in ("PENDING", "RUNNING", "COMPLETING")]


def logs(run: Path) -> str:
    return "\n".join(path.read_text() for path in sorted((run / "logs").glob("*.log")))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The dataset as one machine makes it."""
    place = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-m", "jobs.generate", *WORK, "run.dir=run"]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return files(place / "run/dataset")


def published(cluster: Cluster, run: Path) -> dict[str, bytes]:
    cluster.wait_for(lambda: (run / "dataset/stats.json").exists(), 120, f"the dataset; logs:\n{logs(run)}")
    return files(run / "dataset")


def test_the_chain_publishes_what_one_machine_would(
    cluster: Cluster, command: Command, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    done = command("generate", *WORK, *SITE, "tasks=3", "reduce_tasks=2", "run.dir=run", "cluster.throttle=2")
    assert done.returncode == 0, done.stderr
    assert "jobs.resume run" in done.stdout
    assert published(cluster, tmp_path / "run") == undisturbed
    assert [entry["stage"] for entry in ledger(tmp_path / "run")] == [
        "chain",
        "generate",
        "gate",
        "reduce",
        "publish",
    ]
    for entry in ledger(tmp_path / "run")[1:]:
        assert cluster.settled(entry["job"]) == {"COMPLETED"}
    again = command("generate", *WORK, *SITE, "run.dir=run")
    assert "complete, nothing to do" in again.stderr


def test_a_canary_goes_first_and_its_samples_are_kept(
    cluster: Cluster, command: Command, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    options = [
        "tasks=2",
        "run.dir=run",
        "canary=true",
        "cluster.canary.records=3",
        "cluster.canary.samples=2",
    ]
    assert command("generate", *WORK, *SITE, *options).returncode == 0
    assert published(cluster, tmp_path / "run") == undisturbed
    assert "canary: 6 samples" in logs(tmp_path / "run")


def test_a_canary_that_fails_ends_the_chain_with_the_reason(
    cluster: Cluster, command: Command, tmp_path: Path
) -> None:
    options = [
        "run.dir=run",
        "canary=true",
        "cluster.canary.min_answers=1",
        "teacher.rehearsal.malformed=0.9",
    ]
    assert command("generate", *WORK, *SITE, *options, "teacher.rehearsal.wrong=0").returncode == 0
    run = tmp_path / "run"
    cluster.wait_for(lambda: ledger(run)[-1]["stage"] == "end", 60, "the canary's end")
    assert "the canary failed" in ledger(run)[-1]["reason"]
    cluster.wait_for(lambda: not waiting(cluster), 30, "an empty queue")
    status = command("status", "run")
    assert "ended" in status.stdout
    assert "the canary failed" in status.stdout


def test_a_killed_task_is_sent_again_by_the_gate(
    cluster: Cluster, command: Command, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    slow = ["teacher.rehearsal.latency=0.5", "engine.max_num_seqs=4", "tasks=2", "run.dir=run"]
    assert command("generate", *WORK, *SITE, *slow, "run.flush_samples=4").returncode == 0
    run = tmp_path / "run"
    cluster.wait_for(lambda: any((run / "generate").glob("*.zst")), 60, "a journal")
    subprocess.run(["pkill", "-KILL", "-f", f"_task {run} generate"], check=True)
    assert published(cluster, run) == undisturbed
    attempts = [entry for entry in ledger(run) if entry["stage"] == "generate"]
    assert len(attempts) == 2
    assert "sent again, attempt 2 of 3" in logs(run)


def test_a_cancelled_run_stays_cancelled_until_it_is_resumed(
    cluster: Cluster, command: Command, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    slow = ["teacher.rehearsal.latency=1", "engine.max_num_seqs=2", "tasks=2", "run.dir=run"]
    assert command("generate", *WORK, *SITE, *slow, "run.flush_samples=2").returncode == 0
    run = tmp_path / "run"
    cluster.wait_for(lambda: any((run / "generate").glob("*.zst")), 60, "a journal")
    assert "nothing submitted" in command("resume", "run").stdout
    assert command("cancel", "run").returncode == 0
    cluster.wait_for(lambda: not waiting(cluster), 60, "an empty queue")
    assert "cancelled" in command("status", "run").stdout
    assert command("resume", "run", "tasks=6").returncode == 0
    assert published(cluster, run) == undisturbed


def test_a_time_limit_hands_back_work_and_goes_on(
    cluster: Cluster, command: Command, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    slow = ["teacher.rehearsal.latency=0.4", "engine.max_num_seqs=1", "tasks=1", "run.dir=run"]
    assert command("generate", *WORK, *SITE, *slow, "run.flush_samples=2").returncode == 0
    run = tmp_path / "run"
    cluster.wait_for(lambda: any((run / "generate").glob("*.zst")), 60, "a journal")
    cluster.run("scancel", "--signal=USR2", ledger(run)[1]["job"])  # as Slurm does before the limit
    assert published(cluster, run) == undisturbed
    assert len([entry for entry in ledger(run) if entry["stage"] == "generate"]) == 1  # requeued, not resent
    assert "SIGUSR2: no new samples" in logs(run)
