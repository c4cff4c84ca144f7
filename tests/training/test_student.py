"""From a teacher to a student: it answers problems that it has not seen, and an untrained one does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from omi_core.evaluate.outcome import read_outcome
from omi_core.teachers.tiny.vocabulary import ITEMS
from omi_core.teachers.tiny.world import answer, split_of
from tests.training.conftest import write_rows

pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("vllm", reason="vLLM is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.timeout(1800)]


def run(place: Path, command: str, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{command}", *words],
        cwd=place,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def problems(place: Path) -> None:
    """A corner of the world that is learnt in a minute: few numbers, many things."""
    rows = []
    for a in (1, 2, 3):
        for b in (1, 2, 3):
            for item in ITEMS:
                text = f"A bag holds {a} red and {b} blue {item}. One is taken. "
                rows.append(text + "What is the probability that it is red?")
    for split in ("train", "test"):
        made = [{"problem": text, "answer": answer(text)} for text in rows if split_of(text) == split]
        write_rows(place / f"{split}.jsonl", made)
    (place / "bench.yaml").write_text("data: {path: test.jsonl, answer: answer}\n")


def accuracy(place: Path, model: str, out: str) -> tuple[float, float, float]:
    """pass@1 of a model and its interval."""
    words = ("teacher.dtype=float32", "teacher.max_model_len=256", "sampling.max_tokens=100")
    run(place, "evaluate", f"model={model}", "benchmarks=[bench.yaml]", *words, f"run.dir={out}")
    figures = read_outcome(place / out / "evaluation").figures
    (found,) = (each for each in figures if each.metric == "pass" and each.k == 1 and each.group is None)
    return found.value, found.low, found.high


def test_a_student_answers_what_it_has_not_seen(tmp_path: Path) -> None:
    problems(tmp_path)
    run(tmp_path, "generate", "data=file", "data.path=train.jsonl", "samples=2", "run.dir=lessons")
    run(tmp_path, "train", "data=lessons", "training.steps=200", "training.report_to=[]", "run.dir=student")
    trained = accuracy(tmp_path, "student/model", "after")
    words = ("training.steps=1", "training.learning_rate=1e-9", "training.report_to=[]")
    run(tmp_path, "train", "data=lessons", *words, "run.dir=untrained")
    untrained = accuracy(tmp_path, "untrained/model", "before")
    print(f"trained {trained}, untrained {untrained}")
    assert trained[1] > untrained[2] + 0.2
