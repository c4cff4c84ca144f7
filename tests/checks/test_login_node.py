"""What is asked before any job is sent: each refusal of a site in its line. Programs stand in for Slurm's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omi_core.checks import login_node
from omi_core.checks.check_lines import CheckLine
from omi_core.checks.probing import jobs_of, probe_limit
from omi_core.cluster_options import Cluster
from tests.slurm.composing import compose

SITE = ("+cluster=slurm", "cluster.partition=gpu", "cluster.cpu_partition=cpu", "teacher=rehearsal")
CONFIG = "ClusterName = site\nMaxArraySize = 11\nMaxJobCount = 100\nAccountingStorageType = slurmdbd\n"
PARTITIONS = (
    "PartitionName=gpu MaxTime=1-00:00:00 Default=YES QoS=N/A\nPartitionName=cpu MaxTime=12:00:00 QoS=N/A\n"
)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Bodies of Slurm's programs, which a test may change until it asks."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    tell = f'case "$*" in *partition*) printf "{PARTITIONS}";; *) printf "{CONFIG}";; esac'
    return {"scontrol": tell, "sbatch": "cat >/dev/null", "sacct": "", "sacctmgr": "", "squeue": ""}


def ask(slurm: dict[str, str], place: Path, *options: str) -> dict[str, CheckLine]:
    (place / "bin").mkdir()
    for name, body in slurm.items():
        (place / "bin" / name).write_text(f"#!/bin/bash\n{body}\n".replace("\n' ", " "))
        (place / "bin" / name).chmod(0o755)
    config = compose(*SITE, *options)
    jobs = jobs_of(config, place)
    return {line.name: line for line in login_node.ask_slurm(config, jobs["gpu"], jobs["cpu"])}


def refuse(when: str, message: str) -> str:
    """An sbatch that refuses a script with such a line."""
    return f'if grep -q -e "{when}"; then echo "allocation failure: {message}" >&2; exit 1; fi'


def test_a_sound_site_takes_the_jobs(slurm: dict[str, str], tmp_path: Path) -> None:
    found = ask(slurm, tmp_path, "tasks=25")
    assert {line.outcome for line in found.values()} == {"ok"}
    assert found["arrays"].found == "up to 11 jobs each; 25 tasks are 3 of them"


@pytest.mark.parametrize(
    ("program", "body", "options", "failed", "words", "advice"),
    [
        (
            "sbatch",
            refuse("partition=gpu", "Invalid partition name"),
            (),
            "GPU jobs",
            "partition=gpu",
            "choose",
        ),
        ("sbatch", refuse("partition=cpu", "Invalid account"), (), "CPU jobs", "needs one", "set it"),
        ("sbatch", refuse("partition=cpu", "Nodes are down"), (), "CPU jobs", "Nodes are down", "sinfo"),
        ("sbatch", "exit 0", ("cluster.time=2-00",), "GPU jobs", "allows 24 h", "set cluster.time"),
        ("sbatch", "exit 0", ("cluster.cpu_time=2-00",), "CPU jobs", "allows 12 h", "set cluster.cpu_time"),
        ("sbatch", refuse("array=0-4", "Invalid job array"), ("tasks=5",), "arrays", "array of 5", "arrays"),
        ("sbatch", refuse("array=0-3", "Invalid array"), ("reduce_tasks=4",), "arrays", "of 4 is", "arrays"),
        ("sacct", "echo accounting is disabled >&2; exit 1", (), "accounting", "is disabled", "do without"),
    ],
)
def test_a_refusal_is_told_in_its_line(
    slurm: dict[str, str],
    tmp_path: Path,
    program: str,
    body: str,
    options: tuple[str, ...],
    failed: str,
    words: str,
    advice: str,
) -> None:
    slurm[program] = body
    found = ask(slurm, tmp_path, *options)
    assert [name for name, line in found.items() if line.outcome == "failed"] == [failed]
    assert words in found[failed].found and advice in found[failed].advice


def test_a_queue_without_room_is_told(slurm: dict[str, str], tmp_path: Path) -> None:
    slurm["sacctmgr"] = 'case "$*" in *user*) echo "lab|lab||normal|3|";; esac'
    slurm["squeue"] = "echo 1; echo 2"
    line = ask(slurm, tmp_path)["queue"]
    assert line.outcome == "failed" and "you have 2 jobs there and may have 3" in line.found


def test_a_controller_that_is_busy_answers_nothing(slurm: dict[str, str], tmp_path: Path) -> None:
    slurm["scontrol"] = slurm["sbatch"] = "echo Unable to contact slurm controller >&2; exit 1"
    found = ask(slurm, tmp_path)
    assert {line.outcome for name, line in found.items() if name != "accounting"} == {"skipped"}
    assert "does not answer" in found["queue"].found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["cluster.partition=null"], "this site needs partition"),
        (["cluster.time=1"], "cluster.signal_seconds=300: not less than"),
        (["cluster.setup=['if']"], "cluster.setup: not valid shell"),
        (["cluster.gpus_per_node=2", "teacher.tensor_parallel=4"], "one replica takes 4 GPUs"),
        (["cluster.after=nowhere"], "cluster.after=nowhere: neither a job id"),
    ],
)
def test_a_profile_that_is_not_complete_is_told(options: list[str], words: str, tmp_path: Path) -> None:
    line = login_node.ask_profile(compose(*SITE, *options), tmp_path)
    assert line.outcome == "failed" and words in line.found


@pytest.mark.parametrize(("signal", "minutes"), [(25, 1), (60, 2), (300, 7), (600, 13)])
def test_a_probe_has_time_to_start_before_its_signal_and_waits_not_long_for_it(
    signal: int, minutes: int
) -> None:
    limit = probe_limit(Cluster(signal_seconds=signal))
    assert limit == minutes
    assert 5 <= limit * 60 - signal <= 180
