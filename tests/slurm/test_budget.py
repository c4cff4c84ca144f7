"""A budget in GPU hours: what is expected to take more is refused, and once it is spent nothing is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError
from omi_core.slurm import commands, gates, run_status
from omi_core.slurm.budget import budget_of, refuse_over_budget
from omi_core.stages import gate
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt
from omi_core.teachers import open_teacher
from tests.conftest import Here

WORK = ("teacher=rehearsal", "data.size=20", "samples=4", "cluster.workers=1", "run.dir=runs/mine")
SITE = ("+cluster=slurm", "cluster.partition=gpu", "cluster.gpus_per_node=8", "tasks=2", "plan=true")
SPEED = "cluster.tokens_per_second=10"  # 4.6 GPU hours at most, by this speed


@pytest.fixture
def no_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("bin")))


def planned(place: Path, budget: float | None) -> Run[Generate]:
    values: dict[str, Any] = {
        "run": {"dir": str(place / "run")},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": {"size": 8, "answer": "answer"},
        "samples": 2,
        "cluster": {"kind": "slurm", "gpus_per_node": 4, "budget_gpu_hours": budget},
        "tasks": 2,
    }
    return plan_generate(load_generate(values))


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a run of which one of two shards is done; Slurm's accounting tells nothing of it."""
    run = planned(tmp_path, None)

    def unknown(jobs: object) -> dict[str, str]:
        raise commands.NotInstalled("squeue", "not here")

    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(run_status.states, "query_submitted", unknown)
    monkeypatch.setattr(gates, "_send", lambda *arguments: None)
    ledger.append(run.layout.ledger, {"stage": "chain", "by": "test", "keys": run.plan.keys})
    made = new_attempt(run.layout, gate.missing(run), 2)
    entry = {"stage": "generate", "attempt": made.number, "job": "7", "array": [0, 1, 0], "again": False}
    ledger.append(run.layout.ledger, entry)
    config = run.config
    with open_teacher(config.teacher, config.engine, config.sampling) as teacher:
        run_shard(run, made, 0, teacher, Stop(), lambda sample: None, start_up=1800.0)
    return tmp_path


@pytest.mark.usefixtures("no_slurm")
@pytest.mark.parametrize("budget", ["4", "0.001"])
def test_a_plan_over_the_budget_is_refused_in_one_line(here: Here, tmp_path: Path, budget: str) -> None:
    code, _, err = here("generate", *WORK, *SITE, SPEED, f"cluster.budget_gpu_hours={budget}")
    assert code == 2
    line = rf"error: cluster.budget_gpu_hours={budget}: 80 samples .* to take up to 4\.5\d GPU hours"
    assert re.match(line, err) and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_slurm")
@pytest.mark.parametrize(
    "words", [(SPEED, "cluster.budget_gpu_hours=5"), ("cluster.budget_gpu_hours=0.001",)]
)
def test_a_plan_within_it_or_of_unknown_cost_is_shown(here: Here, words: tuple[str, ...]) -> None:
    code, out, err = here("generate", *WORK, *SITE, *words)
    assert (code, err) == (0, "") and "== generate" in out


def test_what_a_run_has_taken_is_off_its_budget(begun: Path) -> None:
    """Half an hour of start-up on four GPUs, and a moment of work."""
    budget = budget_of(planned(begun, 10.0))
    assert budget is not None
    assert budget.spent == pytest.approx(2.0, abs=0.1)
    assert budget.left == pytest.approx(8.0, abs=0.1)
    assert budget_of(planned(begun, None)) is None


def test_what_is_left_is_expected_to_take_as_long_as_what_is_done(begun: Path) -> None:
    refuse_over_budget(planned(begun, 10.0), 8)
    with pytest.raises(
        ConfigError, match=r"8 samples are expected to take 4\.0\d GPU hours, and \d\.\d\d are left"
    ):
        refuse_over_budget(planned(begun, 3.0), 8)
    with pytest.raises(
        ConfigError, match=r"budget_gpu_hours=1: 2\.0\d GPU hours are spent; raise it to go on"
    ):
        refuse_over_budget(planned(begun, 1.0), 8)


def test_a_gate_sends_nothing_more_once_the_budget_is_spent(begun: Path) -> None:
    run = planned(begun, 1.0)
    words = r"the budget of 1 GPU hours is spent \(2\.0\d\); to go on: .*resume"
    with pytest.raises(gates.ChainEnded, match=words):
        gates.pass_generate(run, 1)
    assert ledger.read(run.layout.ledger)[-1]["stage"] == "end"


def test_a_gate_sends_again_what_the_budget_has_room_for(begun: Path) -> None:
    with pytest.raises(gates.ChainEnded, match="sent again"):
        gates.pass_generate(planned(begun, 100.0), 1)
