"""SIGKILL at random moments, again and again: the published dataset is the same bytes.

`pytest tests/jobs/test_kills.py --kills 100` for the long form.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from omi_core.store.index import contents
from tests.conftest import Job

EACH = [
    "teacher=rehearsal",
    "data.size=120",
    "engine.max_num_seqs=16",
    "teacher.rehearsal.latency=0.02",
    "run.flush_samples=8",
    "cluster.workers=1",
]
RUNS = {
    "solutions": ["samples=6", "publish.splits.small=200", "publish.chat=answer"],
    "adaptive": ["samples=16", "adaptive.first=4", "adaptive.step=4", "adaptive.confidence=0.95"],
    "dialogues": ["task=dialogues", "variants.longest=true", "variants.mix=0.3"],
    "selections": ["task=selections", "data=file", "selections.groups=6"],
}
SOLVED = ["teacher=rehearsal", "data.size=120", "samples=6", "cluster.workers=1", "run.dir=solved"]


def dataset(directory: Path) -> dict[str, bytes]:
    root = directory / "dataset"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def start(options: list[str], directory: Path, tasks: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.generate", *options, f"run.dir={directory}", f"tasks={tasks}"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def test_a_run_killed_half_way_generates_two_percent_more_at_most(job: Job, tmp_path: Path) -> None:
    """With the default settings of flushing: lost are the samples in flight and those not flushed yet."""
    options = ["teacher=rehearsal", "data.size=2500", "samples=8", "engine.max_num_seqs=64"]
    options += ["teacher.rehearsal.latency=0.01", "cluster.workers=1"]
    process = start(options, tmp_path / "run", tasks=1)
    journal = tmp_path / "run/generate/0001-00000.jsonl.zst"
    deadline = time.monotonic() + 100
    while not journal.exists() or sum(frame.count for frame in contents(journal).frames) < 10_000:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert job("resume", "run", timeout=120).returncode == 0
    (status,) = orjson.loads(job("status", "run", "json=true").stdout)
    print(f"\nsamples begun for each one needed: {status['begun_per_sample']:.4f}")
    assert 1 < status["begun_per_sample"] <= 1.02
    assert "generated for each one needed" in job("status", "run").stdout


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "task", [pytest.param(task, marks=() if task == "solutions" else pytest.mark.slow) for task in RUNS]
)
def test_any_history_of_kills_gives_the_same_dataset(
    job: Job, tmp_path: Path, long_form: Callable[[str], int], task: str
) -> None:
    options = EACH + RUNS[task]
    if task == "selections":
        assert job("generate", *SOLVED, timeout=120).returncode == 0
        options.append(f"data.path={tmp_path / 'solved'}")
    assert job("generate", *options, "run.dir=undisturbed", timeout=120).returncode == 0
    expected = dataset(tmp_path / "undisturbed")
    draw = random.Random(7)
    kills = finished = 0
    wanted = long_form("kills")
    while kills < wanted or not finished:
        directory = tmp_path / f"run-{finished}"
        process = start(options, directory, tasks=draw.choice([1, 2, 7]))
        last = kills >= wanted
        try:
            _, shown = process.communicate(timeout=120 if last else draw.uniform(0.2, 6.0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            continue
        assert process.returncode == 0, shown.decode()
        assert dataset(directory) == expected
        finished += 1
    scraps = [path.name for path in tmp_path.iterdir() if path.name.startswith(".planning")]
    assert not scraps  # a killed planning's scratch directory goes with the next one
