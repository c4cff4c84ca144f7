"""A step is done when what it was made of is what the steps before it have made now."""

from __future__ import annotations

from pathlib import Path

import pytest

from omi_core.pipeline import step_progress
from omi_core.pipeline.definition import Pipeline, Step


def step(number: int, name: str, *needs: str) -> Step:
    return Step(number, name, "decontaminate", {}, needs, needs, False, "clean.jsonl")


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    steps = (step(1, "first"), step(2, "second", "first"), step(3, "third", "second"))
    content = {"steps": {each.name: {"command": each.command} for each in steps}}
    return Pipeline(tmp_path, "mine", "0" * 32, content, steps)


def make(pipeline: Pipeline, name: str, text: str) -> None:
    """Carries a step out."""
    step = pipeline.step(name)
    step_progress.begin(pipeline, step)
    pipeline.directory(step).mkdir(exist_ok=True)
    (pipeline.directory(step) / step.product).write_text(text)
    step_progress.write_result(pipeline, step)


def test_a_step_made_of_what_is_there_now_is_done(pipeline: Pipeline) -> None:
    for name in ("first", "second", "third"):
        make(pipeline, name, f"{name}\n")
    assert step_progress.done_steps(pipeline) == ["first", "second", "third"]
    make(pipeline, "first", "first\n")  # the same bytes again
    assert step_progress.done_steps(pipeline) == ["first", "second", "third"]


def test_steps_behind_one_that_was_made_anew_are_made_anew(pipeline: Pipeline) -> None:
    for name in ("first", "second", "third"):
        make(pipeline, name, f"{name}\n")
    make(pipeline, "first", "more\nrows\n")
    assert step_progress.done_steps(pipeline) == ["first"]
    assert [each.name for each in step_progress.Look(pipeline).ready()] == ["second"]
    old = pipeline.directory(pipeline.step("second"))
    make(pipeline, "second", "more of the second\n")
    assert (old.with_name(f"{old.name}.old-1") / "clean.jsonl").read_text() == "second\n"
    assert step_progress.done_steps(pipeline) == ["first", "second"]
    make(pipeline, "third", "third\n")
    assert step_progress.done_steps(pipeline) == ["first", "second", "third"]


def test_a_pipeline_whose_ledger_does_not_say_what_steps_were_made_of_is_taken_as_it_is(
    pipeline: Pipeline,
) -> None:
    for name in ("first", "second", "third"):
        make(pipeline, name, f"{name}\n")
    pipeline.layout.ledger.unlink()
    make(pipeline, "first", "more\nrows\n")
    assert step_progress.done_steps(pipeline) == ["first", "second", "third"]
