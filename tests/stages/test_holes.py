"""Parts and datasets made while samples were missing: out of date as soon as the samples are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omi_core.publish.dataset import hole_of
from omi_core.publish.parts import PartError
from omi_core.stages import gate
from omi_core.stages.generate import run_shard
from omi_core.stages.local import reduce, run_locally
from omi_core.stages.planning import plan_generate
from omi_core.stages.publish import publish_run
from omi_core.stages.reduce import finished_parts
from omi_core.stages.run import Run, is_current, open_to_continue, published, published_whole
from omi_core.stages.stopping import Stop
from omi_core.stages.summary import summarize
from omi_core.store.attempts import new_attempt
from omi_core.teachers import open_teacher
from tests.stages.test_damage import config, files_of

SOLUTIONS: dict[str, Any] = {"task": {"name": "solutions"}}
PROBLEMS: dict[str, Any] = {"task": {"name": "problems"}, "style": ["similar"]}


def generate_share(run: Run[Any], task: int, tasks: int) -> None:
    """Generates one share of what is missing; the other tasks are lost."""
    attempt = new_attempt(run.layout, gate.missing(run), tasks)
    chosen = run.config
    with open_teacher(chosen.teacher, chosen.engine, chosen.sampling) as teacher:
        run_shard(run, attempt, task, teacher, Stop(), lambda sample: None)


@pytest.mark.parametrize("options", [SOLUTIONS, PROBLEMS], ids=lambda each: each["task"]["name"])
def test_parts_of_half_the_samples_are_not_finished_when_all_are_there(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    whole = plan_generate(config(tmp_path / "whole", **options))
    run_locally(whole, Stop())
    run = plan_generate(config(tmp_path / "run", **options))
    generate_share(run, 0, 2)
    reduce(run, Stop())
    assert len(finished_parts(run, 2)) == 2
    generate_share(run, 0, 1)
    assert len(finished_parts(run, 2)) < 2
    with pytest.raises(PartError, match=r"was made of other samples \(\d+\) than are there now"):
        publish_run(run, 2)
    run_locally(run, Stop())
    assert files_of(run.layout.dataset) == files_of(whole.layout.dataset)


def test_a_hole_is_stated_and_topped_up_by_a_resume(tmp_path: Path) -> None:
    whole = plan_generate(config(tmp_path / "whole"))
    run_locally(whole, Stop())
    run = plan_generate(config(tmp_path / "run"))
    generate_share(run, 1, 2)
    reduce(run, Stop())
    stats = publish_run(run, 2)
    hole = hole_of(stats)
    assert hole is not None and str(hole) == "12 of 24 samples are missing"
    assert str(hole) in (run.layout.dataset / "README.md").read_text()
    assert summarize(run, stats)["input"]["samples missing"] == 12
    assert published(run) == stats and published_whole(run) is None and is_current(run, stats)
    generate_share(run, 0, 2)
    assert not is_current(run, stats)
    run_locally(open_to_continue(run.layout), Stop())
    assert published_whole(run) is not None
    assert files_of(run.layout.dataset) == files_of(whole.layout.dataset)
