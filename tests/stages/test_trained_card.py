"""Evaluations on the card of a model that jobs.train has made: added, replaced, and nothing else touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omi_core.stages.run import Run, open_run
from omi_core.stages.trained_card import tell_card
from omi_core.store.layout import Layout
from tests.conftest import Here
from tests.jobs.evaluating import REHEARSED, benchmark, sums

OWN = "# student, trained by demo\n\nMade with torch.\n"


@pytest.fixture
def evaluated(here: Here, tmp_path: Path) -> Run[Any]:
    """An evaluation by a rehearsal, as if the model in `model` had been asked."""
    benchmark(tmp_path, "mine", sums(6))
    assert here("evaluate", *REHEARSED, "benchmarks=[mine.yaml]", "run.dir=run")[0] == 0
    run = open_run(Layout(tmp_path / "run"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model/trained.json").write_text("{}")
    (tmp_path / "model/README.md").write_text(OWN)
    run.config.teacher.kind, run.config.teacher.model = "vllm", str(tmp_path / "model")
    return run


def of_other(run: Run[Any]) -> Run[Any]:
    return replace(run, plan=replace(run.plan, fingerprint="f" * 32))


def test_the_table_of_an_evaluation_is_added_once(tmp_path: Path, evaluated: Run[Any]) -> None:
    card, table = tmp_path / "model/README.md", tmp_path / "run/evaluation/README.md"
    tell_card(evaluated)
    once = card.read_text()
    assert once.startswith(OWN) and once.count("\n## Evaluation of ") == 1
    assert table.read_text().partition("\n")[2].strip() in once
    tell_card(evaluated)
    assert card.read_text() == once
    tell_card(of_other(evaluated))
    assert card.read_text().startswith(once.rstrip()) and card.read_text().count("## Evaluation of ") == 2


def test_other_figures_of_it_take_the_place_of_the_old_ones(tmp_path: Path, evaluated: Run[Any]) -> None:
    card, table = tmp_path / "model/README.md", tmp_path / "run/evaluation/README.md"
    for run in (evaluated, of_other(evaluated)):
        tell_card(run)
    changed = card.read_text().replace("trained by demo", "trained by us")  # a person writes, too
    card.write_text(changed)
    before = table.read_text()
    table.write_text(before.replace("| mine | 6 |", "| mine | 7 |"))
    tell_card(evaluated)
    assert card.read_text() == changed.replace("| mine | 6 |", "| mine | 7 |", 1)


def test_the_card_of_a_reward_model_has_the_evaluation_whose_samples_it_scored(
    here: Here, tmp_path: Path, evaluated: Run[Any]
) -> None:
    card = tmp_path / "model/README.md"
    assert here("score", *REHEARSED, "input=run", "run.dir=scores")[0] == 0
    scores = open_run(Layout(tmp_path / "scores"))
    scores.config.teacher.kind, scores.config.teacher.model = "reward", str(tmp_path / "model")
    tell_card(scores)
    once = card.read_text()
    assert once.startswith(OWN) and once.count("\n## Evaluation of rehearsal, scores: ") == 1
    tell_card(scores)
    assert card.read_text() == once


@pytest.mark.parametrize("gone", ["model/trained.json", "model/README.md", "run/evaluation/README.md"])
def test_nothing_is_done_for_a_model_of_another_origin_or_without_a_card(
    tmp_path: Path, evaluated: Run[Any], gone: str
) -> None:
    (tmp_path / gone).unlink()
    before = {path: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    tell_card(evaluated)
    assert {path: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before


def test_a_card_that_cannot_be_written_is_told_and_no_error(
    tmp_path: Path, evaluated: Run[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model/README.md").write_bytes(b"\xff")
    tell_card(evaluated)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"warning: {tmp_path}/model/README.md: the evaluation is not on the card")
