"""Recipes whose steps match, shrink and spoil datasets, as those of a study do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.combine.conftest import read_rows
from tests.conftest import Here

STEPS = """
steps:
  a: {command: generate, options: {teacher: rehearsal, data.size: 8, samples: 6, cluster.workers: 1}}
  b: {command: generate, options: {teacher: rehearsal, data.size: 8, samples: 6, seed: 1, cluster.workers: 1}}
  matched: {command: combine, options: {inputs: ["${step:a}"], match: ["${step:b}"]}}
  noisy:
    command: combine
    options: {inputs: ["${step:a}"], rows: 10, noise.share: 0.2, noise.wrong: ["${step:b}"]}
"""


@pytest.mark.slow
def test_a_step_matches_and_spoils_what_steps_before_it_made(here: Here, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(STEPS)
    words = ("pipeline", "recipe=r.yaml", "run.dir=all")
    code, out, err = here(*words, "plan=true")
    assert code == 0 and "noisy" in out, err
    code, _, err = here(*words)
    assert code == 0, err
    alone = ("combine", "inputs=[all/01-a]", "rows=10", "noise.share=0.2", "noise.wrong=[all/02-b]")
    assert here(*alone, "run.dir=alone")[0] == 0
    noisy = read_rows(tmp_path / "all/04-noisy/dataset")
    assert noisy == read_rows(tmp_path / "alone/dataset") and sum(row["noise"] for row in noisy) == 2
    assert read_rows(tmp_path / "all/03-matched/dataset")
    code, _, err = here(*words)
    assert code == 0 and "complete, nothing to do" in err


def test_what_a_step_matches_must_be_there(here: Here, tmp_path: Path) -> None:
    for words in ('match: ["nowhere.jsonl"]', 'noise.share: 0.1, noise.wrong: ["nowhere.jsonl"]'):
        (tmp_path / "r.yaml").write_text(STEPS.replace('match: ["${step:b}"]', words))
        code, out, err = here("pipeline", "recipe=r.yaml", "run.dir=all")
        assert (
            (code, out) == (2, "")
            and "nowhere.jsonl: no such file" in err
            and not (tmp_path / "all").exists()
        )
