"""`jobs.check` on a real Slurm: green on a sound site, and red in the right line for each planted fault."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cluster.chain import SITE, Chain
from tests.cluster.cluster import Cluster
from tests.conftest import Here

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

# The signal comes within half a minute: the job has one minute.
SOON = ("cluster.signal_seconds=25",)
GPUS = ("cluster.gpus_per_node=2", "cluster.cpus_per_gpu=1", "cluster.mem=8G")
# Lists the GPUs that Slurm has given, as a driver does where nodes keep others out.
DRIVER = 'for gpu in ${CUDA_VISIBLE_DEVICES//,/ }; do echo "GPU $gpu: NVIDIA H200 (UUID: GPU-$gpu)"; done'
# Lists all of a node.
ALL_GPUS = 'for gpu in {0..7}; do echo "GPU $gpu: NVIDIA H200 (UUID: GPU-$gpu)"; done'

SUGGESTED = "python -m jobs.check +cluster=slurm"

Lines = dict[str, dict[str, Any]]


def program(folder: Path, name: str, body: str) -> Path:
    """A shell script in a folder, which is returned."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{body}\n")
    (folder / name).chmod(0o755)
    return folder


class Site:
    """The throw-away Slurm as the site that is checked, from a directory of this process."""

    def __init__(self, cluster: Cluster, here: Here, place: Path) -> None:
        self.cluster, self.here, self.place = cluster, here, place
        self.bin = program(place / "bin", "nvidia-smi", DRIVER)

    def words(self, *options: str) -> list[str]:
        """The command line; programs in `bin` come first on the nodes."""
        setup = f"cluster.setup=['export PATH={self.bin}:$PATH']"
        return ["teacher=rehearsal", *SITE, *SOON, *GPUS, setup, *options]

    def check(self, *options: str) -> tuple[int, Lines, str]:
        """Exit code, lines by name, and all that is told to people."""
        code, out, err = self.here("check", *self.words(*options), "json=true")
        assert out, err
        return code, {line["name"]: line for line in orjson.loads(out)["checks"]}, err

    def left(self) -> list[str]:
        """What lies where runs are made."""
        return sorted(path.name for path in (self.place / "runs").glob("*"))


@pytest.fixture
def site(slurm: Cluster, here: Here, tmp_path: Path) -> Site:
    return Site(slurm, here, tmp_path)


def outcomes(lines: Lines, outcome: str) -> set[str]:
    return {name for name, line in lines.items() if line["outcome"] == outcome}


def test_a_sound_site_is_ready_and_nothing_but_the_report_is_left(site: Site, chain: Chain) -> None:
    plan = ("generate", *site.words("plan=true", "data.size=2"))
    assert SUGGESTED in site.here(*plan)[1]
    code, lines, told = site.check()
    assert outcomes(lines, "failed") == set(), told
    assert outcomes(lines, "skipped") == {"model", "hub", "sample"}, told
    assert code == 0
    assert SUGGESTED not in site.here(*plan)[1]
    assert site.left() == ["check-slurm.json"]
    assert chain.queued() == []


# Nothing can be sent, so that each is told in seconds.
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["cluster.partition=bach", "cluster.cpu_partition=bach"], "(did you mean batch?)"),
        (["cluster.account=nobody"], "cluster.account=nobody: refused by Slurm"),
        pytest.param(["cluster.qos=best"], "cluster.qos=best: refused by Slurm", marks=pytest.mark.slow),
        (
            ["cluster.partition=interactive", "cluster.time=1-00", "cluster.cpu_time=5-00"],
            "cluster.time=1-00: partition interactive allows 4 h 00 min",
        ),
        pytest.param(
            ["cluster.gpus_per_node=9", "cluster.cpu_mem=999G"],
            "Requested node configuration is not available",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["partition", "account", "qos", "time", "size"],
)
def test_jobs_that_the_site_does_not_take_are_told_before_any_is_sent(
    site: Site, chain: Chain, options: list[str], words: str
) -> None:
    code, lines, told = site.check(*options)
    assert code == 1
    assert outcomes(lines, "failed") == {"GPU jobs", "CPU jobs"}, told
    assert words in lines["GPU jobs"]["found"]
    assert lines["GPU jobs"]["advice"]
    assert lines["signal"]["outcome"] == lines["directory"]["outcome"] == "skipped"
    assert chain.queued() == [] and site.left() == ["check-slurm.json"]


def test_accounting_that_is_off_and_a_queue_without_room_are_told(site: Site) -> None:
    for _ in range(20):
        site.cluster.submit("true", "--hold", "--qos=few")
    site.cluster.calls.refuse("sacct", seconds=120, message="Slurm accounting storage is disabled")
    code, lines, told = site.check("cluster.qos=few")
    assert code == 1
    assert outcomes(lines, "failed") == {"queue", "accounting"}, told
    assert "accounting storage is disabled" in lines["accounting"]["found"]
    assert "you have 20 jobs there and may have 20" in lines["queue"]["found"]
    assert lines["GPUs"]["outcome"] == "skipped" and "no room" in lines["GPU jobs"]["found"]


@pytest.mark.slow
def test_a_site_without_arrays_is_told(site: Site) -> None:
    with site.cluster.configured(MaxArraySize=0):
        ready = lambda: set(site.cluster.node_states().values()) == {"idle"}  # noqa: E731
        site.cluster.wait_for(ready, 60, "the nodes are back")
        _, lines, told = site.check("cluster.partition=cpu", "cluster.gpus_per_node=0")
    assert outcomes(lines, "failed") == {"arrays"}, told


@pytest.mark.slow
def test_a_job_that_does_not_start_is_waited_for_as_long_as_asked_and_then_cancelled(
    site: Site, chain: Chain
) -> None:
    with site.cluster.closed("batch"):
        code, lines, told = site.check("patience_minutes=0.1")
        assert code == 1
        assert outcomes(lines, "failed") == set(), told
        assert {"GPU environment", "GPUs", "signal", "requeue"} <= outcomes(lines, "skipped")
        assert "PartitionDown" in lines["GPUs"]["found"]
        assert lines["locks"]["outcome"] == "ok"
        assert chain.queued() == [] and site.left() == ["check-slurm.json"]


@pytest.mark.slow
def test_a_site_that_gives_one_node_to_a_cpu_job_is_tried_with_the_login_node(site: Site) -> None:
    one = ("partitionname=cpu", "MaxNodes=1")
    site.cluster.run("scontrol", "update", *one)
    try:
        code, lines, told = site.check()
    finally:
        site.cluster.run("scontrol", "update", one[0], "MaxNodes=UNLIMITED")
    assert code == 0, told
    assert "n1 and this machine" in lines["locks"]["found"]


@pytest.mark.slow
def test_ctrl_c_cancels_the_jobs_and_leaves_nothing(site: Site, chain: Chain) -> None:
    words = [sys.executable, "-m", "jobs.check", *site.words()]
    with subprocess.Popen(words, cwd=site.place, stderr=subprocess.PIPE, text=True) as command:
        site.cluster.wait_for(lambda: len(chain.queued()) >= 3, 60, "the jobs are sent")
        command.send_signal(signal.SIGINT)
        _, told = command.communicate(timeout=90)
    assert command.returncode == 130
    assert told.splitlines()[-1] == "interrupted; its jobs are cancelled"
    assert chain.queued() == [] and site.left() == []


@pytest.mark.slow
def test_a_directory_that_nodes_do_not_share_is_told(site: Site) -> None:
    alone = f'mount -t tmpfs none {site.place}/runs && exec {sys.executable} "$@"'
    program(site.bin, "alone", f"exec unshare -m bash -c '{alone}' alone \"$@\"")
    code, lines, told = site.check(f"cluster.python={site.bin}/alone")
    assert code == 1
    assert outcomes(lines, "failed") == {"directory"}, told
    assert "not shared" in lines["directory"]["found"]
    assert {"GPU environment", "CPU environment", "locks", "signal"} <= outcomes(lines, "skipped")


@pytest.mark.slow
def test_a_python_without_the_project_is_told(site: Site) -> None:
    code, lines, told = site.check("cluster.python=/usr/bin/python3", f"cluster.cpu_python={sys.executable}")
    assert code == 1
    assert outcomes(lines, "failed") == {"GPU environment"}, told
    assert "No module named" in lines["GPU environment"]["found"]


PLANTED = """
import fcntl, os, time
if os.environ.get("SLURM_JOB_PARTITION") == "cpu":
    true_time, true_lock = time.time, fcntl.flock
    time.time = lambda: true_time() + 100
    fcntl.flock = lambda file, how: None
"""


@pytest.mark.slow
def test_faults_of_nodes_are_told_each_in_its_line(site: Site) -> None:
    """A clock, locks, packages, Slurm's commands, GPUs of others, and a requeue that is refused."""
    plants = site.place / "plants"
    (plants / "zstandard-0.1.dist-info").mkdir(parents=True)
    (plants / "zstandard-0.1.dist-info/METADATA").write_text("Name: zstandard\nVersion: 0.1\n")
    (plants / "sitecustomize.py").write_text(PLANTED)
    program(site.bin, "nvidia-smi", ALL_GPUS)
    program(site.bin, "sbatch", "echo 'sbatch: error: not from a compute node' >&2; exit 1")
    program(site.bin, "scontrol", "echo 'scontrol: error: requeue is disabled here' >&2; exit 1")
    code, lines, told = site.check(
        f"+cluster.environment={{PYTHONPATH: {plants}}}", "cluster.gpu_request=none"
    )
    assert code == 1
    assert outcomes(lines, "failed") == {
        *("clocks", "locks", "CPU environment", "GPU environment", "Slurm in jobs", "GPUs", "requeue")
    }, told
    assert "s ahead of this machine" in lines["clocks"]["found"]
    assert "zstandard 0.1, here" in lines["CPU environment"]["found"]
    assert "not from a compute node" in lines["Slurm in jobs"]["found"]
    assert "2 GPUs asked for, 8 seen" in lines["GPUs"]["found"]
    assert "requeue is disabled here" in lines["requeue"]["found"]


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_gpus_that_are_not_granted_a_missing_model_and_a_signal_that_never_comes_are_told(
    site: Site,
) -> None:
    blocked = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); "
    blocked += f'os.execv("{sys.executable}", ["{sys.executable}", *sys.argv[1:]])'
    program(site.bin, "deaf", f"exec {sys.executable} -c '{blocked}' \"$@\"")
    code, lines, told = site.check(
        "teacher=model",
        f"teacher.model={site.place}/nowhere",
        f"cluster.python={site.bin}/deaf",
        f"cluster.cpu_python={sys.executable}",
        "cluster.gpu_request=none",
    )
    assert code == 1
    assert outcomes(lines, "failed") == {"GPUs", "model", "signal"}, told
    assert "2 GPUs expected, the driver shows 0" in lines["GPUs"]["found"]
    assert "no such directory" in lines["model"]["found"]


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_the_teacher_of_a_recipe_generates_a_sample(site: Site) -> None:
    code, lines, told = site.check(
        *("teacher=tiny", "engine.kv_cache_gb=0.1", "sample=true", "cluster.gpus_per_node=0")
    )
    assert code == 0, told
    assert outcomes(lines, "skipped") == {"GPUs", "hub"}, told
    assert "tokens in" in lines["sample"]["found"]


@pytest.mark.slow
def test_generate_suggests_the_check_once_until_it_was_made(site: Site, tmp_path: Path) -> None:
    words = [*site.words(), "data.size=2", "samples=1"]
    told = f"+cluster=slurm was never checked for runs in {tmp_path / 'runs'}: python -m jobs.check +cluster="
    _, out, _ = site.here("generate", *words, "plan=true")
    assert out.count(told) == 1
    code, out, err = site.here("generate", *words)
    assert code == 0 and err.count(told) == 1 and told not in out
    code, _, _ = site.here("check", *site.words("cluster.partition=bach", "cluster.cpu_partition=bach"))
    assert code == 1
    _, out, _ = site.here("generate", *words, "plan=true", "seed=1")
    assert "+cluster=slurm has changed since its check: python -m jobs.check" in out
    other = ["cluster.partition=bach", "cluster.cpu_partition=bach", "seed=1"]
    code, _, err = site.here("generate", *words, *other, "plan=true")
    assert code == 2 and "jobs.check" not in err  # what is refused needs no other suggestion
