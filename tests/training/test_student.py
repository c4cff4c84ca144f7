"""From a teacher to a student: it answers problems that it has not seen, and an untrained one does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from omi_core.answers.intervals import wilson
from omi_core.teachers.tiny.vocabulary import ITEMS
from omi_core.teachers.tiny.world import answer, split_of

pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("vllm", reason="vLLM is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.timeout(1800)]


def run(place: Path, command: str, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{command}", *words], cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
