"""What is read of a run: the counts of its stats.json, the keys in its journals, the times of its tasks."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import orjson
import pytest

from omi_core.options import ConfigError
from omi_core.report.arrivals import growth
from omi_core.report.facts import Facts, run_facts
from omi_core.report.lengths import lengths
from omi_core.store.files import read_json, write_json
from omi_core.store.layout import Layout
from tests.report.conftest import STAGES


@pytest.fixture
def copy(runs: dict[str, Path], tmp_path: Path) -> Layout:
    """A copy of the published run, with the times of its files."""
    shutil.copytree(runs["published"], tmp_path / "copy")
    return Layout(tmp_path / "copy")


@pytest.mark.parametrize("stage", STAGES)
def test_the_stage_of_a_run_is_told_from_its_files(facts: dict[str, Facts], stage: str) -> None:
    assert facts[stage].stage == stage


def test_settled_keys_are_those_in_the_journals(facts: dict[str, Facts]) -> None:
    assert facts["planned"].settled == 0
    generating = facts["generating"]
    assert 0 < (generating.settled or 0) < generating.plan.keys
    assert generating.settled == sum(shard.samples for shard in generating.shards)
    assert facts["published"].settled == facts["published"].plan.keys == 120


def test_counts_of_parts_are_those_that_get_published(facts: dict[str, Facts]) -> None:
    published = dict(facts["published"].counts or {})
    published.pop("skipped_input_rows")
    assert facts["reduced"].counts == published
    assert facts["generated"].counts is None


def test_hours_are_the_seconds_of_the_manifests_times_gpus(copy: Layout) -> None:
    for task in range(3):
        path = copy.shard_manifest(1, task)
        write_json(path, read_json(path) | {"seconds": 1800.0, "start_up": 200.0})
    run = run_facts(copy.root)
    assert (run.gpus, run.gpu_hours) == (0, 0.0)
    assert run.task_hours == pytest.approx(3 * 2000 / 3600)
    config = read_json(copy.config)
    config["teacher"] |= {"kind": "vllm", "tensor_parallel": 4, "pipeline_parallel": 2}
    write_json(copy.config, config)
    run = run_facts(copy.root)
    assert run.gpus == 8
    assert run.gpu_hours == pytest.approx(3 * 8 * 2000 / 3600)


def test_a_killed_task_has_samples_but_no_times(copy: Layout) -> None:
    copy.shard_manifest(1, 1).unlink()
    run = run_facts(copy.root)
    assert run.untimed == 1
    assert [shard.seconds is None for shard in run.shards] == [False, True, False]
    assert run.settled == run.plan.keys
    grown = growth(run)
    assert grown is not None
    assert (round(grown.samples[-1]), grown.placeless) == (120, 0)


def test_samples_are_drawn_where_the_timelines_of_their_tasks_have_them(copy: Layout) -> None:
    begin = run_facts(copy.root).attempts[1]
    for task in range(3):
        path = copy.shard_manifest(1, task)
        late = {"started": begin + 100 * task, "seconds": 96.0, "timeline": [[48.0, 4], [96.0, 40]]}
        write_json(path, read_json(path) | late)
    grown = growth(run_facts(copy.root))
    assert grown is not None
    at = dict(zip(grown.seconds.round(6).tolist(), grown.samples.round(6).tolist(), strict=True))
    assert max(at) == 296.0
    assert at[296.0] == 120
    assert at[148.0] == 44  # the first task's 40, and half of the second task's time


def test_samples_over_time_end_with_all_samples_and_never_fall(facts: dict[str, Facts]) -> None:
    for stage in ("generating", "published"):
        grown = growth(facts[stage])
        assert grown is not None
        assert (grown.samples[1:] >= grown.samples[:-1] - 1e-9).all()
        assert round(grown.samples[-1]) == facts[stage].settled
    assert growth(facts["planned"]) is None


def test_a_shard_leaves_the_times_of_its_samples(facts: dict[str, Facts]) -> None:
    run = facts["published"]
    for shard in run.shards:
        assert shard.started is not None
        assert shard.seconds is not None
        assert run.attempts[1] <= shard.started <= shard.started + shard.seconds <= time.time()
        assert shard.timeline[-1] == (shard.seconds, shard.samples)


def test_samples_of_a_damaged_frame_are_not_drawn(copy: Layout) -> None:
    journal = copy.journal(1, 0)
    journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])
    run = run_facts(copy.root)
    grown = growth(run)
    assert run.settled is not None
    assert grown is not None
    assert 80 <= run.settled < 120
    assert (round(grown.samples[-1]), grown.placeless) == (run.settled, 0)


def test_a_copy_that_lost_its_files_times_does_not_know_when_a_killed_task_wrote(copy: Layout) -> None:
    copy.shard_manifest(1, 1).unlink()
    late = run_facts(copy.root).attempts[1] + 86_400
    for path in copy.root.rglob("*"):
        os.utime(path, (late, late))
    grown = growth(run_facts(copy.root))
    assert grown is not None
    assert grown.seconds[-1] < 3600
    assert (round(grown.samples[-1]), grown.placeless) == (80, 40)


def test_a_dataset_of_another_fingerprint_does_not_count(copy: Layout) -> None:
    stats = read_json(copy.dataset / "stats.json")
    (copy.dataset / "stats.json").write_bytes(orjson.dumps(stats | {"fingerprint": "0" * 32}))
    assert run_facts(copy.root).stage == "reduced"


def test_a_missing_part_is_a_run_not_reduced_yet(copy: Layout) -> None:
    shutil.rmtree(copy.dataset)
    (copy.parts(1) / "part-00000.json").unlink()
    assert run_facts(copy.root).stage == "generated"


def test_a_directory_without_a_plan_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a run directory"):
        run_facts(tmp_path)


def test_lengths_of_a_large_run_are_those_of_evenly_spread_frames(
    facts: dict[str, Facts], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = facts["published"]
    whole = lengths(run)
    assert whole is not None
    assert (whole.samples, whole.total) == (120, 120)
    monkeypatch.setattr("omi_core.report.lengths.SAMPLES", 60)
    half = lengths(run)
    assert half is not None
    assert 40 <= half.samples <= 80
    assert half.total == 120
    assert sum(sum(counts.values()) for counts in half.bins) == half.samples
