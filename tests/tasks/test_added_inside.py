"""A task of the suite itself is one module and its YAML: with both in place, every command knows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from omi_core.publish.verify import verify
from tests.extending import sources

ROOT = Path(__file__).parents[2]
YAML = """# @package _global_
# two lines that rhyme about each text
task:
  name: rhymes
samples: 3
rhymes:
  lines: 2
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A copy of the suite with one module and one YAML more: the task on docs/extending.md."""
    place = tmp_path / "suite"
    for name in ("omi_core", "jobs", "hydra_conf", "cluster_profiles"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    (task,) = (text for name, text in sources(folder="rhymes").items() if name.endswith(".py"))
    (place / "omi_core/tasks/rhymes.py").write_text(f"{task}\n\nTASK = RhymesTask()\n")
    (place / "hydra_conf/task/rhymes.yaml").write_text(YAML)
    return place


def test_a_module_and_a_yaml_file_make_a_task(suite: Path, tmp_path: Path) -> None:
    def run(command: str, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", f"jobs.{command}", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(suite)},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "rhymes             two lines that rhyme about each text" in run("generate", "--help=all")
    shown = run(
        "generate", "task=rhymes", "teacher=rehearsal", "data.size=6", "cluster.workers=1", "run.dir=run"
    )
    assert "rhymes of the right length" in shown
    content = orjson.loads((tmp_path / "run/plan.json").read_bytes())["content"]
    assert content["rhymes"] == {"lines": 2} and "packages" not in content
    verify(tmp_path / "run/dataset")
    assert orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())["counts"]["samples"] == 18
    assert "6 of 6" in run("status", "run")
    run("compare", "run")
    run("report", "run", "out=report.html")
    run("combine", "inputs=[run]", "run.dir=both")
