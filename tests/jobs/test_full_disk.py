"""A disk that fills up: the run fails with one line, nothing finished is lost, and it goes on with space."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from omi_core.run.keys import settled
from omi_core.run.layout import Layout
from tests.conftest import Here

RUN = ["teacher=rehearsal", "data.size=150", "samples=6", "run.flush_samples=50", "cluster.workers=1"]


# Full while samples are journalled, and full while the dataset is written.
@pytest.fixture(params=["60k", "160k"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A tmpfs of so many bytes."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs takes root")
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={request.param}"]
    mounted = subprocess.run(["mount", *options, "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_costs_nothing_that_was_finished(here: Here, small_disk: Path, tmp_path: Path) -> None:
    code, _, shown = here("generate", *RUN, f"run.dir={small_disk}/run")
    assert code == 1
    assert "No space left on device" in shown
    assert shown.splitlines()[-1].startswith("failed: ")
    done = int(settled(Layout(small_disk / "run").journals(), 150, 6).done.sum())
    assert 0 < done <= 900

    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    code, _, shown = here("generate", *RUN, f"run.dir={small_disk}/run", "tasks=2")
    assert code == 0, shown
    assert here("generate", *RUN, "run.dir=undisturbed")[0] == 0

    def files(root: Path) -> dict[str, bytes]:
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    assert files(small_disk / "run/dataset") == files(tmp_path / "undisturbed/dataset")
