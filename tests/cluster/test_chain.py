"""The main job on a real Slurm, undisturbed: the chain, its canary, and the same bytes as on one machine."""

from __future__ import annotations

import orjson
import pytest

from tests.cluster.chain import SITE, WORK, Chain, files
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]


def test_the_chain_publishes_what_one_machine_would(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    done = chain.submit("tasks=3", "reduce_tasks=2")
    assert "jobs.resume run" in done.stdout
    assert chain.dataset() == undisturbed
    stages = [entry["stage"] for entry in chain.ledger()]
    assert stages == ["chain", "generate", "gate", "reduce", "publish", "rescue"]
    for entry in chain.ledger()[1:-1]:
        assert cluster.settled(entry["job"]) == {"COMPLETED"}
    assert cluster.settled(chain.job("rescue")) == {"CANCELLED"}  # by Slurm: nothing was to be rescued
    assert chain.status()["state"] == "published"
    again = chain.type("generate", *WORK, *SITE, "run.dir=run")
    assert "complete, nothing to do" in again.stderr
    log = chain.run / f"logs/{chain.job('publish')}_0.log"
    for words in ("majority answers equal to the ground truth", "content hash", "samples/s", "run/dataset"):
        assert words in log.read_text() and words in again.stdout


def test_a_command_that_waits_ends_with_a_code_that_says_how(chain: Chain, undisturbed: Dataset) -> None:
    tell = "notify=echo $OMI_STATE $OMI_RUN >> ../../told"  # jobs start in the run's logs
    done = chain.type("generate", *WORK, *SITE, "run.dir=run", "tasks=2", "wait=true", tell)
    assert done.returncode == 0, done.stderr
    assert files(chain.run / "dataset") == undisturbed
    assert "run: published" in done.stdout and "agreement" in done.stdout
    assert chain.type("resume", "run", "wait=true").returncode == 0
    assert chain.type("status", "run", "exit_code=true").returncode == 0
    assert (chain.place / "told").read_text() == f"published {chain.run}\n"

    worse = ("teacher.rehearsal.malformed=0.9", "teacher.rehearsal.wrong=0", "canary=true")
    words = (*WORK, *SITE, *worse, "cluster.canary.min_answers=1", "run.dir=bad", "wait=true")
    done = chain.type("generate", *words, tell)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "the canary failed" in done.stdout
    assert (chain.place / "told").read_text().splitlines()[1:] == [f"ended {chain.place / 'bad'}"]


@pytest.mark.slow
def test_dialogues_are_published_by_style_as_one_machine_would(chain: Chain) -> None:
    talk = (
        "task=dialogues",
        "teacher=rehearsal",
        "data.size=12",
        "style=debate,interview",
        "variants.mix=0.4",
    )
    done = chain.type("generate", *talk, *SITE, "run.dir=run", "tasks=2", "reduce_tasks=3")
    assert done.returncode == 0, done.stderr
    alone = chain.type("generate", *talk, "run.dir=alone")
    assert alone.returncode == 0, alone.stderr
    assert {name.partition("/")[0] for name in chain.dataset()} >= {"debate", "interview", "mix"}
    assert chain.dataset() == files(chain.place / "alone/dataset")


def test_no_more_tasks_run_at_once_than_the_throttle_allows(
    cluster: Cluster, chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit("tasks=6", "cluster.throttle=2", "teacher.rehearsal.latency=0.1", "engine.max_num_seqs=1")
    most = 0

    def sampled() -> bool:
        nonlocal most
        rows = cluster.jobs(chain.job("generate"))
        most = max(most, sum(row.state in ("RUNNING", "COMPLETING") for row in rows))
        return bool(rows) and {row.state for row in rows} == {"COMPLETED"}

    cluster.wait_for(sampled, 90, "the array has ended")
    assert most == 2
    assert chain.dataset() == undisturbed


def test_a_canary_goes_first_and_its_samples_are_kept(chain: Chain, undisturbed: Dataset) -> None:
    nodes = ("cluster.gpus_per_node=2", "cluster.cpus_per_gpu=1")
    chain.submit("tasks=2", "canary=true", "cluster.canary.records=3", "cluster.canary.samples=2", *nodes)
    assert chain.dataset() == undisturbed
    assert "canary: 6 samples" in chain.logs()
    number = chain.ledger("canary")[0]["attempt"]  # asks for the GPU of its one replica
    assert [len(task["gpus"]) for task in chain.manifests() if task["attempt"] == number] == [1]
    chain.idle()  # the job that publishes tells of it at its end
    summary = orjson.loads((chain.run / "summary.json").read_bytes())
    assert summary["GPU hours"]["allocated"] >= summary["GPU hours"]["worked"] > 0


def test_a_canary_that_fails_ends_the_chain_with_the_reason(chain: Chain) -> None:
    chain.submit(
        "canary=true",
        "cluster.canary.min_answers=1",
        "teacher.rehearsal.malformed=0.9",
        "teacher.rehearsal.wrong=0",
    )
    assert "the canary failed" in chain.end()
    shown = chain.type("status", "run").stdout
    assert "ended" in shown
    assert "the canary failed" in shown
