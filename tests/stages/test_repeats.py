"""`run.repeat`: a share of the samples is drawn a second time, and how many texts differ is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from omi_core.records import Sample
from omi_core.stages import gate
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.store.attempts import Attempt, new_attempt
from omi_core.store.manifests import read_manifest
from omi_core.teachers import open_teacher, rehearsal
from omi_core.teachers.teacher import EngineFailed, Request
from tests.stages.test_local import carry_out, config, files_of

KEYS = 60 * 4
Key = tuple[int, int]
_draw = rehearsal.RehearsalTeacher._draw


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Key]:
    """The keys in the order in which the teacher draws them."""
    keys: list[Key] = []

    def noting(self: rehearsal.RehearsalTeacher, request: Request, seconds: float) -> Sample:
        keys.append((request.record.ordinal, request.index))
        return _draw(self, request, seconds)

    monkeypatch.setattr(rehearsal.RehearsalTeacher, "_draw", noting)
    return keys


def again(drawn: list[Key]) -> list[Key]:
    return [key for position, key in enumerate(drawn) if key in drawn[:position]]


def test_the_chosen_samples_are_drawn_twice_in_other_company(tmp_path: Path, drawn: list[Key]) -> None:
    _, stats = carry_out(tmp_path / "run", run={"repeat": 0.2})
    twice = again(drawn)
    assert 0.1 * KEYS < len(twice) < 0.3 * KEYS
    assert twice == sorted(twice, reverse=True)  # the last ones first
    assert stats["counts"]["repeats"] == {
        **{"samples": len(twice), "differ": 0},
        "by": [
            {"engine": "rehearsal", "version": "1", "device": "", "dtype": "", "seats": ""}
            | {"samples": len(twice), "differ": 0}
        ],
    }


@pytest.mark.parametrize(("share", "of"), [(0.0, 0), (1.0, KEYS)])
def test_none_or_all_can_be_repeated(tmp_path: Path, drawn: list[Key], share: float, of: int) -> None:
    _, stats = carry_out(tmp_path / "run", run={"repeat": share})
    assert len(again(drawn)) == of
    assert stats["counts"].get("repeats", {}).get("samples", 0) == of


def test_any_number_of_tasks_repeats_the_same_samples(tmp_path: Path, drawn: list[Key]) -> None:
    chosen = []
    for tasks in (1, 3, 7):
        _, stats = carry_out(tmp_path / str(tasks), tasks=tasks, run={"repeat": 0.2})
        chosen.append(sorted(again(drawn)))
        assert stats["counts"]["repeats"]["samples"] == len(chosen[-1])
        drawn.clear()
    assert chosen[0] == chosen[1] == chosen[2]


def test_repeating_changes_no_row_of_the_dataset(tmp_path: Path) -> None:
    told = {"README.md", "stats.json"}
    plain, _ = carry_out(tmp_path / "plain")
    repeated, _ = carry_out(tmp_path / "repeated", run={"repeat": 0.5})
    first, second = files_of(plain.layout.dataset), files_of(repeated.layout.dataset)
    assert {name for name in first if first[name] != second[name]} == told


def test_texts_that_differ_are_counted_and_stand_on_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[Key] = Counter()

    def of_its_company(self: rehearsal.RehearsalTeacher, request: Request, seconds: float) -> Sample:
        sample = _draw(self, request, seconds)
        seen[sample.ordinal, sample.index] += 1
        changed = sample.index == 0 and seen[sample.ordinal, 0] > 1
        return sample if not changed else Sample(**{**_fields(sample), "text": f"So. {sample.text}"})

    monkeypatch.setattr(rehearsal.RehearsalTeacher, "_draw", of_its_company)
    run, stats = carry_out(tmp_path / "run", run={"repeat": 1.0})
    assert stats["counts"]["repeats"]["differ"] == run.plan.records
    card = (run.layout.dataset / "README.md").read_text()
    assert f"beside others, {run.plan.records} of {KEYS} have another text (rehearsal 1)." in card
    assert "| samples drawn twice whose texts differ | 25.0% |" in card


def _fields(sample: Sample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in Sample.__slots__}


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Run[Any], Attempt]:
    run = plan_generate(config(tmp_path / "run", run={"repeat": 1.0}))
    return run, new_attempt(run.layout, gate.missing(run), 1, run.whole)


def shard_once(run: Run[Any], attempt: Attempt, stop: Stop) -> dict[str, Any] | None:
    """The shard as a task runs it; returns what its manifest says of repeats."""
    with open_teacher(run.config.teacher, run.config.engine, run.config.sampling) as teacher:
        run_shard(run, attempt, 0, teacher, stop, lambda sample: None)
    manifest = read_manifest(run.layout.shard_manifest(attempt.number, 0))
    assert manifest is not None
    return manifest.get("repeats")


def test_a_shard_that_is_stopped_while_it_repeats_goes_on_there(
    shard: tuple[Run[Any], Attempt], drawn: list[Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, draw = Stop(), rehearsal.RehearsalTeacher._draw

    def stopping(self: rehearsal.RehearsalTeacher, request: Request, seconds: float) -> Sample:
        if len(drawn) == KEYS + 19:
            stop.ask()
        return draw(self, request, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(rehearsal.RehearsalTeacher, "_draw", stopping)
        assert shard_once(*shard, stop) == {"samples": 20, "differ": 0}
    assert not gate.missing(shard[0]).size
    assert shard_once(*shard, Stop()) == {"samples": KEYS, "differ": 0}
    assert len(drawn) == 2 * KEYS


def test_an_engine_that_fails_while_it_repeats_costs_no_sample(
    shard: tuple[Run[Any], Attempt],
    drawn: list[Key],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw = rehearsal.RehearsalTeacher._draw

    def failing(self: rehearsal.RehearsalTeacher, request: Request, seconds: float) -> Sample:
        if len(drawn) == KEYS + 5:
            raise EngineFailed(RuntimeError("the engine is gone"))
        return draw(self, request, seconds)

    monkeypatch.setattr(rehearsal.RehearsalTeacher, "_draw", failing)
    assert shard_once(*shard, Stop()) == {"samples": 5, "differ": 0}
    assert not gate.missing(shard[0]).size
    assert "samples are not repeated any more (run.repeat)" in capsys.readouterr().err
