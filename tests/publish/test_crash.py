"""publish under SIGKILL: at any moment a whole dataset is at hand, and the next run ends as if alone."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from omi_core.publish import CardInfo, publish, read_stats, recover, verify
from tests.crashing import DIE_AT

pytestmark = pytest.mark.long

PROGRAM = (
    DIE_AT
    + """
import sys
from pathlib import Path
from omi_core.publish import CardInfo, publish
from omi_core.publish.publish_options import Publish

directory, kill_at = Path(sys.argv[1]), int(sys.argv[2])
die_at(kill_at, "mkdir", "fsync", "rename", "unlink", "rmdir")
card = CardInfo(name="new", task="solutions", teacher="tiny", prompt="concise", source="demo", samples=4)
publish(
    sorted(directory.glob("new/*.zst")), directory / "ds", card=card, config={},
    options=Publish(rows_per_file=5000, splits={"small": 3000, "large": 15000}, chat="answer"),
)
print(made())
"""
)


def run(directory: Path, kill_at: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(directory), str(kill_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def scene(tmp_path: Path, card: CardInfo, write_parts: Callable[..., list[Path]]) -> Path:
    """`old` and `new` parts, and the datasets made of each: `ds-old`, and `ds-new` by an unharmed run."""
    for name, count in (("old", 100), ("new", 20_000)):
        rows = [
            {
                "problem": f"{name} {i}",
                "generated_solution": f"{i} " * 20,
                "expected_answer": "1",
                "problem_source": "s",
            }
            for i in range(count)
        ]
        write_parts(tmp_path / name, [rows[: count // 2], rows[count // 2 :]])
    publish(sorted(tmp_path.glob("old/*.zst")), tmp_path / "ds-old", card=card, config={})
    process = run(tmp_path)
    process.communicate()
    assert process.returncode == 0
    (tmp_path / "ds").rename(tmp_path / "ds-new")
    return tmp_path


def check_after_kill(scene: Path) -> bytes | None:
    """What a reader finds after `recover`: nothing, or one whole dataset; returns its card."""
    recover(scene / "ds")
    assert not list(scene.glob(".ds.*"))
    if read_stats(scene / "ds") is None:
        return None
    found = contents(scene / "ds")
    assert found in (contents(scene / "ds-old"), contents(scene / "ds-new"))
    return found["README.md"]


def test_killed_at_any_call_that_changes_names_the_old_dataset_or_the_new_is_there(scene: Path) -> None:
    shutil.copytree(scene / "ds-old", scene / "ds")
    process = run(scene, kill_at=10**9)
    output, _ = process.communicate()
    assert process.returncode == 0
    calls = int(output)
    cards = []
    # A flush, and every other call at the end: a flush there follows each rename, so none is missed.
    for kill_at in sorted({2, calls // 3, *range(calls - 14, calls + 1, 2)}):
        shutil.rmtree(scene / "ds")
        shutil.copytree(scene / "ds-old", scene / "ds")
        process = run(scene, kill_at)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, kill_at
        cards.append(check_after_kill(scene))
    assert None not in cards
    assert len(set(cards)) == 2, "kills must fall on both sides of the swap"


@pytest.mark.slow
def test_killed_at_random_moments_and_run_again_it_makes_the_same_bytes(scene: Path) -> None:
    begin = time.monotonic()
    run(scene).communicate()
    whole = time.monotonic() - begin
    shutil.rmtree(scene / "ds")
    rng = random.Random(7)
    killed = 0
    for _ in range(8):
        process = run(scene)
        time.sleep(rng.uniform(0.2, 1.0) * whole)
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        if rng.random() < 0.5:
            check_after_kill(scene)
        elif read_stats(scene / "ds"):
            verify(scene / "ds")
    assert killed
    process = run(scene)
    process.communicate()
    assert process.returncode == 0
    assert contents(scene / "ds") == contents(scene / "ds-new")
    assert sorted(p.name for p in scene.iterdir()) == ["ds", "ds-new", "ds-old", "new", "old"]
