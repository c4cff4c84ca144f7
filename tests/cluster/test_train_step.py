"""A recipe with a training on a real Slurm: its job behind the data, the evaluation behind the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.training.curves import read_curve
from tests.cluster.chain import SITE, Chain
from tests.cluster.cluster import Cluster
from tests.cluster.test_training import STEPS, reached, same_order
from tests.installed import needs
from tests.jobs.evaluating import benchmark, sums
from tests.training.conftest import small_model

needs("trl", "vllm")
pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(1200)]

TRAINING = {
    "student.model": "small",
    "student.scratch": True,
    "training.report_to": [],
    "training.batch": 64,
    "training.micro_batch": 4,
    "training.steps": STEPS,
    "training.save_every": 1000,
}
WORDS = ("recipe=r.yaml", *SITE, "run.dir=all", "cluster.environment.OMP_NUM_THREADS=1")


@pytest.fixture
def place(chain: Chain) -> Path:
    """r.yaml: data of a rehearsal, a student on two nodes, and its evaluation."""
    small_model(chain.place / "small")
    benchmark(chain.place, "mine", sums(3))
    solve = {"teacher": "rehearsal", "data.size": 100, "samples": 2, "cluster.workers": 1}
    graded = {"teacher.dtype": "float32", "teacher.max_model_len": 256, "sampling.max_tokens": 8}
    steps: dict[str, Any] = {
        "solve": {"command": "generate", "options": solve},
        "student": {"command": "train", "options": {"data": "${step:solve}", "nodes": 2, **TRAINING}},
        "graded": {
            "command": "evaluate",
            "options": {"model": "${step:student}", "benchmarks": ["mine.yaml"], **graded},
        },
    }
    (chain.place / "r.yaml").write_bytes(orjson.dumps({"steps": steps}))
    return chain.place


def status(chain: Chain) -> dict[str, Any]:
    return orjson.loads(chain.type("status", "all", "json=true").stdout)[0]


def logs(place: Path) -> str:
    return "\n".join(f"== {path}\n{path.read_text()}" for path in sorted((place / "all").rglob("logs/*.log")))


def test_stopped_cancelled_and_resumed_it_ends_as_in_one_process_and_is_evaluated(
    cluster: Cluster, chain: Chain, place: Path
) -> None:
    done = chain.type("pipeline", *WORDS)
    assert done.returncode == 0, done.stdout + done.stderr
    whole, training = Chain(cluster, place, "all"), Chain(cluster, place / "all", "02-student")
    cluster.wait_for(lambda: bool(whole.ledger("train")), 120, "the training is submitted")
    reached(training, 5)
    shown = status(chain)["steps"][1]
    assert (shown["state"], shown["training"]["state"]) == ("running", "running"), logs(place)
    (job,) = {entry["job"] for entry in whole.ledger("train")}
    assert "NumNodes=2" in cluster.run("scontrol", "show", "job", job).stdout
    cluster.run("scancel", "--signal=USR2", job)  # as Slurm does before the limit
    cluster.wait_for(
        lambda: any(training.run.glob("stage-1/checkpoint-*")), 60, f"a checkpoint\n{logs(place)}"
    )
    reached(training, len(training_curve(training)) + 5)  # requeued
    assert len(whole.ledger("train")) == 1
    cluster.run("scancel", job)
    chain.idle(120)
    shown = status(chain)
    assert shown["state"] == "stopped", logs(place)
    assert "cancelled" in shown["steps"][1]["reason"]
    assert len(training_curve(training)) < STEPS and whole.ledger("sent")[-1]["step"] == "student"
    assert chain.type("resume", "all/02-student").returncode == 0  # its job is the pipeline's
    try:
        cluster.wait_for(
            lambda: any(entry["step"] == "graded" for entry in whole.ledger("done")), 500, "it is evaluated"
        )
    except AssertionError as error:
        raise AssertionError(f"{error}\n{logs(place)}") from None
    chain.idle(60)
    shown = status(chain)
    assert shown["state"] == "finished"
    assert [step["state"] for step in shown["steps"]] == ["done"] * 3
    assert "## Evaluation of model" in (training.run / "model/README.md").read_text()
    assert shown["steps"][1]["rows_in"] == shown["steps"][0]["rows_out"]
    assert "complete, nothing to do" in chain.type("pipeline", *WORDS).stderr
    same_order(training_curve(training), place, "data=all/01-solve")


def training_curve(training: Chain) -> list[dict[str, Any]]:
    return read_curve(training.run / "stage-1")
