"""jobs.combine and jobs.mix under SIGKILL: the same bytes for any history, and never half a dataset."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from omi_core.publish import verify
from omi_core.publish.publish_options import Publish
from tests.combine.conftest import Dataset, chat, contents, solution, write_lines
from tests.crashing import DIE_AT

pytestmark = pytest.mark.long
SLOW = pytest.mark.slow

# Kills itself at the Nth call, and prints how many there were.
PROGRAM = (
    DIE_AT
    + """
import runpy, sys

kill_at, command = int(sys.argv[1]), sys.argv[2]
sys.argv[:] = sys.argv[2:]
die_at(kill_at, "mkdir", "fsync", "rename", "replace", "unlink", "rmdir", "truncate")
import omi_core.combine.buckets
omi_core.combine.buckets.BUCKET_BYTES = 1 << 16
try:
    runpy.run_module(f"jobs.{command}", run_name="__main__", alter_sys=False)
finally:
    print(made())
"""
)


@pytest.fixture
def arguments(tmp_path: Path, dataset: Dataset) -> dict[str, list[str]]:
    """The arguments of each case, on inputs that take a second or so."""
    for number in range(2):
        rows = [solution(f"{number} {at // 4}", f"{at} " * 20 + "\\boxed{5}") for at in range(2000)]
        dataset(f"run{number}", rows, options=Publish(chat="answer"))
    write_lines(tmp_path / "code.jsonl", [chat(f"c{at}") for at in range(2000)])
    write_lines(tmp_path / "wrong.jsonl", [solution(f"0 {at // 4}", f"wrong {at}") for at in range(2000)])
    write_lines(tmp_path / "keep.jsonl", [{"problem": f"0 {at}"} for at in range(0, 500, 2)])
    return {
        "combine": [
            f"inputs=[{tmp_path}/run0,{tmp_path}/run1]",
            f"keep_problems_of={tmp_path}/keep.jsonl",
            "publish.splits.small=1000",
            "publish.chat=answer",
        ],
        "noisy": [
            f"inputs=[{tmp_path}/run0,{tmp_path}/run1]",
            f"keep_problems_of={tmp_path}/keep.jsonl",
            f"match=[{tmp_path}/run0,{tmp_path}/wrong.jsonl]",
            "problems=200",
            "rows=700",
            "publish.splits.small=300",
            "publish.chat=answer",
            "noise.share=0.3",
            f"noise.wrong=[{tmp_path}/wrong.jsonl]",
        ],
        "mix": [
            f"inputs.a.path={tmp_path}/run0",
            f"inputs.b.path={tmp_path}/code.jsonl",
            "inputs.b.share=0.4",
            "inputs.b.repeat=2",
        ],
    }


def start(command: str, arguments: list[str], out: Path, kill_at: int = 0) -> subprocess.Popen[str]:
    module = "combine" if command == "noisy" else command
    words = [sys.executable, "-c", PROGRAM, str(kill_at), module, *arguments, f"run.dir={out}"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def carry_out(command: str, arguments: list[str], out: Path) -> str:
    process = start(command, arguments, out)
    shown, _ = process.communicate()
    assert process.returncode == 0, shown
    return shown


# A noisy combination writes all that another one does, and more.
@pytest.mark.parametrize(
    "command", [pytest.param("combine", marks=SLOW), "noisy", pytest.param("mix", marks=SLOW)]
)
def test_killed_at_calls_that_change_names_it_is_continued_to_the_same_bytes(
    arguments: dict[str, list[str]], tmp_path: Path, command: str
) -> None:
    shown = carry_out(command, arguments[command], tmp_path / "undisturbed")
    expected = contents(tmp_path / "undisturbed/dataset")
    calls = int(shown.split()[-1])
    out = tmp_path / "out"
    kills = 0
    # One history of many kills, each some calls further than the last; what was done is not done again.
    for kill_at in [*range(1, calls, max(1, calls // 8)), calls]:
        process = start(command, arguments[command], out, kill_at)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            break
        if (out / "dataset").exists():
            assert contents(out / "dataset") == expected
    assert kills > 3
    carry_out(command, arguments[command], out)
    assert contents(out / "dataset") == expected
    assert {entry.name for entry in out.iterdir()} == {
        ".lock",
        "mix.json" if command == "mix" else "combine.json",
        "dataset",
    }


@pytest.mark.slow
@pytest.mark.parametrize("command", ["combine", "noisy", "mix"])
def test_killed_at_random_moments_it_makes_the_same_bytes(
    arguments: dict[str, list[str]], tmp_path: Path, command: str
) -> None:
    carry_out(command, arguments[command], tmp_path / "undisturbed")
    begin = time.monotonic()  # of the second run: the first reads all that is imported from the disk
    carry_out(command, arguments[command], tmp_path / "timed")
    whole = time.monotonic() - begin
    draw = random.Random(7)
    killed = 0
    for _ in range(10):
        process = start(command, arguments[command], tmp_path / "out")
        time.sleep(draw.uniform(0.4, 1.0) * whole)
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed
    carry_out(command, arguments[command], tmp_path / "out")
    assert contents(tmp_path / "out/dataset") == contents(tmp_path / "undisturbed/dataset")
    verify(tmp_path / "out/dataset")
