"""What a user passes to Slurm beside the suite's own: refused, or added, and never in place of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.chain import SITE, WORK, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]
# Each would break a chain if it came before what the script says, as sbatch's own environment does.
HABITS = {
    "SBATCH_DEPENDENCY": "afterok:1",
    "SBATCH_ARRAY_INX": "0-3",
    "SBATCH_COMMENT": "mine",
    "SBATCH_OUTPUT": "/nowhere/%j.out",
    "SBATCH_ERROR": "/nowhere/%j.err",
    "SBATCH_OPEN_MODE": "truncate",
    "SBATCH_JOB_NAME": "mine",
    "SBATCH_PARTITION": "nowhere",
    "SBATCH_TIMELIMIT": "9-00:00:00",
    "SBATCH_SIGNAL": "KILL@600",
    "SBATCH_NO_REQUEUE": "yes",
    "SBATCH_EXPORT": "NONE",
    "SBATCH_WAIT": "yes",
    "SLURM_NTASKS": "7",
    "SLURM_ARRAY_TASK_ID": "5",
    "SLURM_OPEN_MODE": "t",
    "SQUEUE_FORMAT": "%i",
}


def squeue(cluster: Cluster, field: str) -> dict[str, str]:
    """The field of each job in the queue, by the job's name."""
    rows = cluster.run("squeue", "-h", "-a", "-O", f"Name:|,{field}:|").stdout.splitlines()
    return {row.split("|")[0]: row.split("|")[1] for row in rows}


@pytest.mark.parametrize(
    "given",
    [
        "cluster.options={dependency: 'afterok:1'}",
        "cluster.options={depend: 'afterok:1'}",
        "cluster.options={comment: mine}",
        "cluster.options={array: 0-3}",
        "cluster.setup=['#SBATCH --dependency=afterok:1']",
        "cluster.cpu_srun=[-o,x]",
    ],
)
def test_what_would_replace_the_chains_own_is_refused_before_anything_is_made(
    chain: Chain, cluster: Cluster, given: str
) -> None:
    done = chain.type("generate", *WORK, *SITE, "run.dir=run", given)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: cluster.")
    assert cluster.calls.count("sbatch") == 0
    assert list(chain.place.iterdir()) == []


def test_habits_of_the_user_do_not_reach_the_jobs(
    chain: Chain, cluster: Cluster, undisturbed: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in HABITS.items():
        monkeypatch.setitem(cluster.env, name, value)
    chain.submit("tasks=2")
    assert chain.dataset() == undisturbed
    assert chain.attempts() == 1


def test_only_the_first_jobs_wait_for_another_and_a_comment_is_added(
    chain: Chain, cluster: Cluster, undisturbed: Dataset
) -> None:
    other = cluster.submit("sleep 300")
    added = ("cluster.comment=for the paper", "cluster.job_prefix=lab-", "cluster.options={nice: 5}")
    chain.submit("tasks=2", f"cluster.after={other}", *added)
    after = squeue(cluster, "Dependency")
    array = chain.job("generate")
    assert after["lab-run.generate"] == f"afterany:{other}(unfulfilled)"
    assert other not in after["lab-run.gate"] and f"afterany:{array}" in after["lab-run.gate"]
    for name, comment in squeue(cluster, "Comment").items():
        if name.startswith("lab-run."):
            token, _, own = comment.partition(" ")
            assert own == "for the paper" and len(token) == 21
    cluster.run("scancel", other)  # it has ended, though not well
    assert chain.dataset() == undisturbed


@pytest.mark.slow
def test_a_run_waits_for_the_jobs_of_another_run_and_only_when_told_anew(
    chain: Chain, cluster: Cluster, tmp_path: Path, undisturbed: Dataset
) -> None:
    chain.submit("cluster.options={hold: true}")
    second = Chain(cluster, tmp_path, "second")
    second.submit("cluster.after=run")
    jobs = sorted((entry["job"] for entry in chain.ledger() if entry.get("job")), key=int)
    assert second.ledger("generate")[0]["after"] == "afterany:" + ":".join(jobs)
    assert second.type("cancel", "second").returncode == 0
    second.resume()  # the other run is not what it asks for
    assert second.ledger("generate")[-1]["after"] is None
    assert second.dataset() == undisturbed
    assert chain.type("cancel", "run").returncode == 0
    third = Chain(cluster, tmp_path, "third")
    third.submit("cluster.after=run")
    assert third.ledger("generate")[0]["after"] is None  # nothing of it waits or runs
    assert third.dataset() == undisturbed


@pytest.mark.parametrize("after", ["nothing", "run/logs", "abc:1"])
def test_what_nobody_can_wait_for_is_refused(chain: Chain, cluster: Cluster, after: str) -> None:
    done = chain.type("generate", *WORK, *SITE, "run.dir=run", f"cluster.after='{after}'")
    assert done.returncode == 2
    assert f"error: cluster.after={after}: neither a job id" in done.stderr.splitlines()[-1]
    assert chain.queued() == [] and not chain.run.exists()
