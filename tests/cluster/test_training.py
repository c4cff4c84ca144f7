"""jobs.train on a real Slurm: one job of two nodes with a process on each, stopped, killed and continued."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omi_core.teachers.tiny.world import draw
from omi_core.training.curves import read_curve
from tests.cluster.chain import SITE, Chain
from tests.cluster.cluster import Cluster
from tests.installed import needs
from tests.training.conftest import chat, small_model, write_rows

needs("trl")
pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(900)]
STEPS = 60
WORK = (
    *("data=rows.jsonl", "student.model=small", "student.scratch=true", "training.report_to=[]"),
    *("training.batch=64", "training.micro_batch=4", f"training.steps={STEPS}", "training.save_every=1000"),
)
TWO = (*SITE, "nodes=2", "cluster.environment.OMP_NUM_THREADS=1")


@pytest.fixture
def place(chain: Chain) -> Path:
    small_model(chain.place / "small")
    write_rows(chain.place / "rows.jsonl", [chat(each.text, each.solution) for each in draw(3, 200)])
    return chain.place


def submit(chain: Chain, *words: str) -> str:
    done = chain.type("train", *WORK, *TWO, "run.dir=run", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def reached(chain: Chain, step: int) -> None:
    """Waits until so many steps are done."""
    curve = chain.run / "stage-1"
    chain.cluster.wait_for(
        lambda: len(read_curve(curve)) >= step, 240, f"{step} steps; logs:\n{chain.logs()}"
    )


def finished(chain: Chain) -> list[dict[str, Any]]:
    """Waits for the model; its curve."""
    made = chain.run / "model/trained.json"
    try:
        chain.cluster.wait_for(made.exists, 300, "the model is there")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{chain.logs()}") from None
    return read_curve(chain.run / "stage-1")


def same_order(found: list[dict[str, Any]], place: Path, *words: str) -> None:
    """The rows of each step are those of a training in one process here, and its losses nearly."""
    one = [sys.executable, "-m", "jobs.train", *WORK, *words, "run.dir=one"]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # a second thread waits more than it works
    subprocess.run(one, cwd=place, env=alone, check=True, capture_output=True)
    expected = read_curve(place / "one/stage-1")
    assert [point["step"] for point in found] == list(range(1, STEPS + 1))
    assert [point["tokens"] for point in found] == [point["tokens"] for point in expected]
    assert [p["loss"] for p in found] == pytest.approx([p["loss"] for p in expected], rel=2e-3)


def test_stopped_before_the_time_limit_and_cancelled_it_ends_as_in_one_process(
    cluster: Cluster, chain: Chain, place: Path
) -> None:
    assert "train  job" in submit(chain)
    again = submit(chain)
    assert "waits or runs already" in again, chain.logs()
    reached(chain, 5)
    assert chain.status()["state"] == "running"
    (job,) = {entry["job"] for entry in chain.ledger("train")}
    cluster.run("scancel", "--signal=USR2", job)  # as Slurm does before the limit
    cluster.wait_for(lambda: any(chain.run.glob("stage-1/checkpoint-*")), 60, f"a checkpoint\n{chain.logs()}")
    stopped = len(read_curve(chain.run / "stage-1"))
    reached(chain, stopped + 5)  # requeued
    assert len(chain.ledger("train")) == 1
    assert chain.type("cancel", "run").returncode == 0
    cluster.wait_for(lambda: chain.status()["state"] == "stopped", 90, "it is cancelled")
    assert len(read_curve(chain.run / "stage-1")) < STEPS
    torn = chain.run / "stage-1/checkpoint-59"  # as a node that dies may leave it
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")
    assert chain.type("resume", "run").returncode == 0
    curve = finished(chain)
    assert len(chain.ledger("train")) == 2
    assert "failed" not in chain.logs()
    same_order(curve, place)
    done = chain.type("train", *WORK, *TWO, "run.dir=run")
    assert "complete, nothing to do" in done.stdout


def test_the_time_limit_is_hit_once_and_the_job_goes_on(cluster: Cluster, chain: Chain, place: Path) -> None:
    """A limit of a minute, of which the signal leaves half."""
    more = ("training.steps=400", "cluster.time=1", "cluster.signal_seconds=20")
    submit(chain, *more)
    curve = finished(chain)
    assert [point["step"] for point in curve] == list(range(1, 401))
    assert len(chain.ledger("train")) == 1
    (job,) = {entry["job"] for entry in chain.ledger("train")}
    assert int(cluster.run("scontrol", "show", "job", job).stdout.split("Restarts=")[1].split()[0]) >= 1
