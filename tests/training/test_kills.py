"""jobs.train under SIGKILL: the curve and the weights are those of a training that nobody disturbed."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import pytest

from omi_core.teachers.tiny.world import draw
from omi_core.training.curves import read_curve
from tests.installed import needs
from tests.training.conftest import QUICK, SMALL, preference, write_rows
from tests.training.dying import start_training

needs("trl")
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
COMMON = ["student.model=small", "student.scratch=true", *SMALL, *QUICK, "training.average=3"]
STUDENT = ["data=rows.jsonl", *COMMON]
REWARD_MODEL = ["data=preferences.jsonl", "training=demo_rm", *COMMON]


def result(out: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """The weights of the model, and its curve."""
    return (out / "model/model.safetensors").read_bytes(), read_curve(out / "stage-1")


def carry_out(place: Path, words: list[str], out: str, **kill: Any) -> int | None:
    process = start_training(place, [*words, f"run.dir={out}"], **kill)
    process.join()
    return process.exitcode


def left_behind(out: Path) -> set[str]:
    return {path.name for path in out.rglob("*") if ".tmp" in path.name or path.name == ".model"}


@pytest.fixture(params=[STUDENT, REWARD_MODEL], ids=["student", "reward_model"])
def words(request: pytest.FixtureRequest, place: Path) -> list[str]:
    rows = [preference(each.text, [each.solution, "No.", "Or"]) for each in draw(3, 12)]
    write_rows(place / "preferences.jsonl", rows)
    return request.param


def undisturbed(place: Path, words: list[str]) -> tuple[tuple[bytes, list[dict[str, Any]]], int]:
    """What comes of it without a kill, and how many renames that takes."""
    assert carry_out(place, words, "undisturbed") == 0, (place / "log").read_text()
    found = result(place / "undisturbed")
    assert [point["step"] for point in found[1]] == list(range(1, 13))
    assert found[1][-1]["loss"] < found[1][0]["loss"]
    return found, int((place / "renames").read_text())


def test_killed_and_continued_it_ends_with_the_same_weights_and_curve(place: Path, words: list[str]) -> None:
    expected, renames = undisturbed(place, words)
    out = place / "out"
    # Between checkpoints, before the first, while one becomes whole, and as the model does.
    kills = [{"step": 3}, {"step": 6}, {"renames": 12}, {"step": 10, "soft": True}, {"renames": renames - 9}]
    codes = [carry_out(place, words, "out", **kill) for kill in kills]
    assert codes[:2] == [-signal.SIGKILL] * 2 and codes[3] in (130, 0), codes
    assert carry_out(place, words, "out") == 0
    assert result(out) == expected
    assert "complete, nothing to do" in _again(place, words)


def _again(place: Path, words: list[str]) -> str:
    before = len((place / "log").read_text())
    assert carry_out(place, words, "out") == 0
    return (place / "log").read_text()[before:]


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_killed_at_twenty_random_moments_it_ends_with_the_same(place: Path, words: list[str]) -> None:
    expected, renames = undisturbed(place, words)
    draw = random.Random(11)
    for number in range(20):
        out, kills = f"out-{number}", 0
        while True:
            kill = (
                {"step": draw.randrange(1, 13)}
                if draw.random() < 0.5
                else {"renames": draw.randrange(1, renames)}
            )
            code = carry_out(place, words, out, **kill) if kills < 3 else carry_out(place, words, out)
            kills += 1
            if code == 0:
                break
            assert code == -signal.SIGKILL
        assert result(place / out) == expected, (number, kills)
