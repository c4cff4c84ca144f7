"""A step whose jobs the queue does not take now waits for another step, if one is at work."""

from __future__ import annotations

from pathlib import Path

import pytest

from omi_core.pipeline import queue_room
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.pipeline.queue_room import Room
from omi_core.slurm.commands import Busy, SubmitLimit
from omi_core.slurm.limits import Limits

STEP = Step(1, "check", "decontaminate", {}, (), (), False, "clean.jsonl")  # a step job and its rescue


@pytest.mark.parametrize(
    ("most", "queued", "others", "fits"),
    [(10, 8, True, True), (10, 9, True, False), (10, 9, False, True), (None, 99, True, True)],
)
def test_a_step_waits_only_while_others_are_at_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int | None,
    queued: int,
    others: bool,
    fits: bool,
) -> None:
    monkeypatch.setattr(queue_room, "read_limits", lambda *of: Limits("site", 1001, 10_000, most))
    monkeypatch.setattr(queue_room, "queued_jobs", lambda: queued)
    monkeypatch.setattr(queue_room, "at_work", lambda pipeline: others)
    room = Room(Pipeline(tmp_path, "mine", "0" * 32, {}, (STEP,)))
    if fits:
        return room.check(STEP)
    with pytest.raises(SubmitLimit, match="room for 1 of its 2 jobs"):
        room.check(STEP)


def test_a_controller_that_does_not_tell_its_limits_is_asked_by_submitting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*of: object) -> Limits:
        raise Busy("scontrol", "Unable to contact slurm controller")

    monkeypatch.setattr(queue_room, "read_limits", busy)
    Room(Pipeline(tmp_path, "mine", "0" * 32, {}, (STEP,))).check(STEP)
