"""jobs.preferences under SIGKILL: the same bytes for any history, and never half a dataset."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from omi_core.publish import verify
from tests.combine.conftest import contents
from tests.combine.test_kills import carry_out, start
from tests.conftest import Here
from tests.preferences.conftest import Scored, Solved

pytestmark = pytest.mark.long


@pytest.fixture
def arguments(here: Here, tmp_path: Path, solved: Solved, scored: Scored) -> list[str]:
    """Two runs that take a second or so, with their scores."""
    for name in ("a", "b"):
        texts = [f"{name} {at} {'so ' * 40}\\boxed{{{5 + at % 2}}}" for at in range(8)]
        solved(name, {f"What is {at} + {5 - at}?": texts for at in range(400)})
    files = [scored(name, lambda _, text: float(len(text) % 7)) for name in ("a", "b")]
    paths = [",".join(f"{tmp_path}/{name}" for name in names) for names in (("a", "b"), files)]
    return [f"inputs=[{paths[0]}]", f"scores=[{paths[1]}]", "workers=1"]


def test_killed_at_calls_that_change_names_it_is_continued_to_the_same_bytes(
    arguments: list[str], tmp_path: Path
) -> None:
    shown = carry_out("preferences", arguments, tmp_path / "undisturbed")
    expected = contents(tmp_path / "undisturbed/dataset")
    calls, out = int(shown.split()[-1]), tmp_path / "out"
    kills = 0
    # One history of many kills, each some calls further than the last; what was done is not done again.
    for kill_at in [*range(1, calls, max(1, calls // 8)), calls]:
        process = start("preferences", arguments, out, kill_at)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            break
        if (out / "dataset").exists():
            assert contents(out / "dataset") == expected
    assert kills > 3
    carry_out("preferences", arguments, out)
    assert contents(out / "dataset") == expected
    assert {entry.name for entry in out.iterdir()} == {".lock", "preferences.json", "dataset"}


@pytest.mark.slow
def test_killed_at_random_moments_it_makes_the_same_bytes(arguments: list[str], tmp_path: Path) -> None:
    carry_out("preferences", arguments, tmp_path / "undisturbed")
    begin = time.monotonic()  # of the second run: the first reads all that is imported from the disk
    carry_out("preferences", arguments, tmp_path / "timed")
    whole = time.monotonic() - begin
    draw = random.Random(7)
    killed = 0
    for _ in range(10):
        process = start("preferences", arguments, tmp_path / "out")
        time.sleep(draw.uniform(0.4, 1.0) * whole)
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed
    carry_out("preferences", arguments, tmp_path / "out")
    assert contents(tmp_path / "out/dataset") == contents(tmp_path / "undisturbed/dataset")
    verify(tmp_path / "out/dataset")
