"""The command line of `jobs.check`: what it takes, and mistakes told in one line before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from omi_core.checks.check_options import Inspection, load_check
from omi_core.composing.compose import compose_values
from tests.conftest import Here


def inspect(*words: str) -> Inspection:
    return load_check(compose_values("check", ["+cluster=slurm", "cluster.partition=x", *words]))


@pytest.mark.parametrize(
    ("words", "base"),
    [
        ([], "runs"),
        (["run.root=here/runs"], "here/runs"),
        (["run.dir=here/mine"], "here"),
        (["run.dir=mine"], "."),
    ],
)
def test_the_directory_of_runs_is_tried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], base: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect("teacher=rehearsal", *words).base == tmp_path / base


def test_a_reward_model_is_checked_as_jobs_score_would_run_it() -> None:
    assert inspect("teacher=reward", "teacher.model=lab/reward").generate.task.name == "scores"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["teacher=rehearsal"], "cluster: none is chosen, and this machine is no site; give +cluster=NAME"),
        (["+cluster=nosuch"], "nosuch"),
        (["+cluster=slurm", "patience_minutes=0"], "patience_minutes=0.0: must be greater than 0"),
        (["+cluster=slurm", "samples=4"], "samples: no such option"),
        (
            ["+cluster=slurm", "teacher=reward", "teacher.model=lab/reward", "sample=true"],
            "sample=true: a reward model generates nothing; omit it",
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    here: Here, tmp_path: Path, words: list[str], error: str
) -> None:
    code, out, err = here("check", *words)
    assert code == 2 and error in err and err.count("\n") == 1 and not out
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_slurm_is_told_in_one_line_and_nothing_is_left(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    code, out, err = here("check", "+cluster=slurm", "cluster.partition=x", "teacher=rehearsal")
    assert code == 2 and err.splitlines()[-1].startswith("error: +cluster=slurm: scontrol: cannot be run")
    assert not out and list(tmp_path.iterdir()) == []


def test_a_profile_that_lacks_something_is_not_ready(here: Here, tmp_path: Path) -> None:
    code, out, err = here("check", "+cluster=selene", "teacher=rehearsal")
    assert code == 1
    assert err.splitlines()[0].startswith("failed   profile")
    assert "needs account, partition, cpu_partition" in err.splitlines()[0]
    assert out.splitlines()[-1].startswith("not ready: 1 failed, 18 could not be asked; report: ")
    assert [path.name for path in tmp_path.rglob("*.json")] == ["check-selene.json"]
