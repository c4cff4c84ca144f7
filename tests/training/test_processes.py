"""jobs.train on two processes (gloo): rows in the order, and weights but for rounding, of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from omi_core.composing.command_line import Takes, read
from omi_core.composing.compose import command_root, compose_cells
from omi_core.teachers.tiny.world import draw
from omi_core.training.curves import read_curve
from omi_core.training.training_run import plan_training, prepare_examples, working_on
from tests.installed import needs
from tests.training.conftest import QUICK, SMALL, preference, write_rows

needs("trl")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
COMMON = ("student.model=small", "student.scratch=true", *SMALL, *QUICK)
STUDENT = ("data=rows.jsonl", *COMMON)
REWARD_MODEL = ("data=preferences.jsonl", "training=demo_rm", *COMMON)
# One process of each node of a job on Slurm; here all of them are on this machine.
LAUNCHER = ("torch.distributed.run", "--standalone", "--module", "omi_core.training.train_process")


def carried_out(place: Path, words: tuple[str, ...], processes: int) -> Path:
    """The directory of a training on so many processes."""
    out = place / f"on-{processes}"
    (values,) = compose_cells("train", read("train", [*words, f"run.dir={out}"], Takes()))
    run = plan_training(command_root("train").checked(values))
    with working_on(run):
        prepare_examples(run)
    launcher = [*LAUNCHER[:2], f"--nproc-per-node={processes}", *LAUNCHER[2:]]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *launcher, str(out)], cwd=place, env=alone, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(STUDENT, id="student"),
        pytest.param(REWARD_MODEL, id="reward_model"),
    ],
)
def test_two_processes_take_the_steps_of_one(
    words: tuple[str, ...], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists are of two to five responses: a process has more texts than the other, and as many problems."""
    from safetensors.torch import load_file

    monkeypatch.chdir(place)
    problems = enumerate(draw(3, 12))
    rows = [
        preference(each.text, [each.solution, *["No.", "Or", "So"][: 1 + at % 3]]) for at, each in problems
    ]
    write_rows(place / "preferences.jsonl", rows)
    one, two = (carried_out(place, words, processes) for processes in (1, 2))
    curves = [read_curve(out / "stage-1") for out in (one, two)]
    assert [point["step"] for point in curves[1]] == list(range(1, 13))
    for name in ("step", "tokens", "learning_rate"):  # a step's tokens tell its rows
        assert [point[name] for point in curves[1]] == [point[name] for point in curves[0]]
    for name in ("loss", "grad_norm", "accuracy"):
        expected = [point[name] for point in curves[0]]
        assert [point[name] for point in curves[1]] == pytest.approx(expected, rel=1e-4, abs=1e-5), name
    weights = [load_file(out / "model/model.safetensors") for out in (one, two)]
    for name, value in weights[0].items():
        assert (value - weights[1][name]).abs().max() < 1e-4, name
