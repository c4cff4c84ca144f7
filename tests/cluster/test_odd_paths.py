"""A run whose path holds what Slurm, the shell, Hydra and rich would each take for something else."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from omi_core.composing.grammar import word
from tests.cluster.chain import SITE, SLOW, WORK, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

Dataset = dict[str, bytes]
PERCENT = "100%j %A_%a"
NAMES = [
    pytest.param(PERCENT, marks=pytest.mark.slow),
    '-it\'s [b]"odd"[/b] :100: é☃ $HOME `x`; {a},b=c #1 %%',
]


def pasted(chain: Chain, line: str) -> subprocess.CompletedProcess[str]:
    """A printed command, typed into a shell as it stands."""
    command = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}; {line}'
    env = chain.cluster.env | {"COLUMNS": "80"}
    return subprocess.run(
        ["bash", "-c", command], cwd=chain.place, env=env, capture_output=True, text=True, timeout=150
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_chain_with_an_odd_path_is_published_and_its_logs_and_hints_work(
    cluster: Cluster, tmp_path: Path, undisturbed: Dataset, name: str
) -> None:
    chain = Chain(cluster, tmp_path, name)
    done = chain.type("generate", *WORK, *SITE, word("run.dir", name), *SLOW)
    assert done.returncode == 0, done.stderr
    follow, resume = done.stdout.splitlines()[-2:]
    status, _, cancel = follow.removeprefix("follow: ").partition("   stop: ")
    chain.begun()
    assert "samples" in pasted(chain, status).stdout

    assert pasted(chain, cancel).returncode == 0
    chain.idle()
    assert pasted(chain, resume.removeprefix("resume: ")).returncode == 0
    assert chain.dataset() == undisturbed
    chain.idle()
    names = {path.name for path in (chain.run / "logs").iterdir()}
    for stage in ("generate", "reduce"):
        assert {f"{chain.job(stage)}_0_0.log", f"{chain.job(stage)}_0.sbatch.log"} <= names
    assert {f"{chain.job('publish')}_0.log", f"{chain.job('publish')}.sbatch.log"} <= names
    shown = pasted(chain, status.replace("jobs.status", "jobs.logs"))
    assert shown.returncode == 0
    # The gate's only where it ran: when all samples came before the cancellation none is asked for again.
    logs = [f"{chain.job(stage)}_0_0.log" for stage in ("generate", "reduce")]
    for log in (*logs, f"{chain.job('publish')}_0.log"):
        # A task whose work was done before the cancellation has nothing to say.
        if (chain.run / "logs" / log).stat().st_size:
            assert f"{name}/logs/{log}" in shown.stdout
    assert [path.name for path in tmp_path.iterdir()] == [name.split("/")[0]]


def test_a_failure_in_an_odd_path_is_shown_with_its_log(cluster: Cluster, tmp_path: Path) -> None:
    chain = Chain(cluster, tmp_path, PERCENT)
    broken = ("cluster.setup=['echo nothing to load >&2; exit 3']", "cluster.max_attempts=1")
    done = chain.type("generate", *WORK, *SITE, word("run.dir", chain.name), *broken)
    assert done.returncode == 0, done.stderr
    chain.idle()
    shown = pasted(chain, f"python -m jobs.status {shlex.quote(chain.name)} json=true").stdout
    assert f"{chain.name}/logs/" in shown


@pytest.mark.parametrize(("name", "words"), [("a\\b", "no backslash"), ("a\nb", "a line break")])
def test_a_path_that_slurm_or_a_line_cannot_hold_is_refused(
    chain: Chain, cluster: Cluster, name: str, words: str
) -> None:
    parent = chain.place / name
    parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "jobs.generate", *WORK, *SITE, "run.dir=run"],
        cwd=parent,
        env=cluster.env | {"PWD": os.fspath(parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: run.dir: ") and words in line
    assert cluster.calls.count("sbatch") == 0 and list(parent.iterdir()) == []
