"""The canary says, prompt by prompt, how many of its samples put their answer into a box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from omi_core.config import Generate
from omi_core.records import Sample
from omi_core.slurm.canary import boxes_by_prompt, check_canary
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run, records_of
from omi_core.store.attempts import Attempt, new_attempt
from omi_core.store.journal import JournalWriter

BOXED, BARE = "So it is \\boxed{7}.", "So it is 7."


def canary(tmp_path: Path, texts: dict[int, tuple[str, str]], **others: str) -> tuple[Run[Generate], Attempt]:
    """A run whose canary is the samples of the first record; `texts` says how each ended, by its key."""
    config = Generate(samples=4)
    config.data.size = 3
    config.teacher.kind = "rehearsal"
    config.run.dir = str(tmp_path / "run")
    config.task.name = others.get("task", "solutions")
    config.prompt.name = others.get("prompt")
    config.style = [others["style"]] if "style" in others else []
    run = plan_generate(config)
    attempt = new_attempt(run.layout, np.array([[0, 4]]), 1)
    records = list(records_of(run))
    with JournalWriter(run.layout.journal(attempt.number, 0)) as journal:
        for key, (text, ended) in texts.items():
            record = records[key // 4]
            journal.add(Sample(record.ordinal, record.id, key % 4, text, ended, 9, 9, 0.1))
    return run, attempt


def test_finished_samples_of_the_canary_are_counted_by_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Key 2 was cut off, and 5 is of the array.
    texts = {0: (BOXED, "stop"), 1: (BARE, "stop"), 2: (BOXED, "length"), 5: (BOXED, "stop")}
    run, attempt = canary(tmp_path, texts, prompt="verbose")
    assert boxes_by_prompt(run, attempt) == {"verbose": [True, False]}
    check_canary(run, attempt)
    assert "canary: prompt verbose: 1 of 2 finished samples have a \\boxed{}" in capsys.readouterr().out


def test_a_task_that_solves_nothing_has_no_boxes(tmp_path: Path) -> None:
    run, attempt = canary(tmp_path, {0: (BOXED, "stop")}, task="problems", style="similar")
    assert boxes_by_prompt(run, attempt) == {}
