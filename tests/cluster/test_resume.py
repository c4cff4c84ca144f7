"""Runs that are continued, and what is refused: the same bytes for any history."""

from __future__ import annotations

import pytest

from tests.cluster.chain import LONG, SITE, WORK, Chain

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]


def test_a_cancelled_run_is_continued_with_another_number_of_tasks(
    chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit(*LONG)
    chain.begun()
    assert "nothing submitted" in chain.resume().stdout  # its jobs run
    assert chain.type("cancel", "run").returncode == 0
    chain.idle()
    assert chain.status()["state"] == "cancelled"
    chain.resume("tasks=5")
    assert chain.dataset() == undisturbed
    assert [entry["array"][1] + 1 for entry in chain.ledger("generate")] == [2, 5]
    done = chain.resume()
    assert "complete, nothing to do" in done.stderr


def test_two_resumes_at_once_make_one_chain(chain: Chain, undisturbed: Dataset) -> None:
    chain.submit("+cluster.options={hold: true}")
    assert chain.type("cancel", "run").returncode == 0
    calls = chain.cluster.calls
    before = calls.count("sbatch")
    with calls.held("sbatch"), chain.start("resume", "run") as first:
        chain.cluster.wait_for(lambda: calls.count("sbatch") > before, 60, "the first one asks")
        second = chain.type("resume", "run")
        calls.release("sbatch")
        first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 2)
    assert "in use by process" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    assert len(chain.ledger("chain")) == 2
    for stage in ("generate", "gate", "reduce", "publish", "rescue"):
        assert len(chain.ledger(stage)) == 2, stage
        chain.cluster.run("scontrol", "release", chain.job(stage))
    assert chain.dataset() == undisturbed


@pytest.mark.parametrize("command", ["resume", "cancel", "status", "logs"])
def test_a_run_that_is_not_there_is_a_mistake_told_in_one_line(chain: Chain, command: str) -> None:
    done = chain.type(command, "runs/nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: runs/nowhere: no such run")
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(chain.place.iterdir()) == []


def test_a_mistake_in_the_site_leaves_no_run_behind(chain: Chain) -> None:
    done = chain.type("generate", *WORK, *SITE, "run.dir=run", "cluster.partition=null")
    assert done.returncode == 2
    assert done.stderr.startswith("error: +cluster=slurm: this site needs partition")
    assert not chain.run.exists()
