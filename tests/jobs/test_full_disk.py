"""A disk that fills up: the run fails with one line, nothing finished is lost, and it goes on with space."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from omi_core.store.keys import settled
from omi_core.store.layout import Layout
from tests.conftest import Here, Job, SmallDisk

RUN = ["teacher=rehearsal", "data.size=150", "samples=6", "run.flush_samples=50", "cluster.workers=1"]


# Full while samples are journalled, and full while the dataset is written.
@pytest.mark.parametrize("size", ["60k", "160k"])
def test_a_full_disk_costs_nothing_that_was_finished(
    here: Here, small_disk: SmallDisk, tmp_path: Path, size: str
) -> None:
    disk = small_disk(size)
    code, _, shown = here("generate", *RUN, f"run.dir={disk}/run")
    assert code == 1
    assert "No space left on device" in shown
    assert shown.splitlines()[-1].startswith("failed: ")
    done = int(settled(Layout(disk / "run").journals(), 150, 6).done.sum())
    assert 0 < done <= 900

    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    code, _, shown = here("generate", *RUN, f"run.dir={disk}/run", "tasks=2")
    assert code == 0, shown
    assert here("generate", *RUN, "run.dir=undisturbed")[0] == 0

    def files(root: Path) -> dict[str, bytes]:
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    assert files(disk / "run/dataset") == files(tmp_path / "undisturbed/dataset")


@pytest.mark.parametrize("stage", ["reduce", "publish"])
def test_an_array_task_that_finds_the_disk_full_ends_with_one_line_and_goes_on_with_space(
    here: Here, job: Job, small_disk: SmallDisk, stage: str
) -> None:
    disk = small_disk("8m")
    assert here("generate", *RUN, f"run.dir={disk}/run")[0] == 0
    shutil.rmtree(disk / "run/dataset")
    if stage == "reduce":
        shutil.rmtree(disk / "run/reduce")
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    words = [f"{disk}/run", stage, "1", *(["1"] if stage == "reduce" else [])]
    ended = job("_task", *words)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("failed: ")
    assert "No space left on device" in ended.stderr and "Traceback" not in ended.stderr
    ballast.unlink()
    ended = job("_task", *words)
    assert ended.returncode == 0, ended.stderr
