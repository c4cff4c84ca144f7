"""Tokens, GPU hours and requeues still to come: from what a run's shards did, else from an option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.cluster_options import Cluster
from omi_core.config import Generate
from omi_core.slurm.estimate import (
    ASSUMED_START_UP,
    Measured,
    StartUp,
    estimate,
    measure,
    start_up,
    tasks_that_lose,
)
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run


def manifest(samples: int, tokens: int, seconds: float, start_up: float = 0.0) -> dict[str, Any]:
    return {"samples": samples, "completion_tokens": tokens, "seconds": seconds, "start_up": start_up}


def site(tasks: int = 4, **cluster: Any) -> Generate:
    """4 jobs of 8 GPUs with 8 replicas each, an hour long, 100 tokens per sample at most."""
    config = Generate(tasks=tasks)
    config.sampling.max_tokens = 100
    defaults = {"gpus_per_node": 8, "time": "01:00:00", "signal_seconds": 600}
    config.cluster = Cluster(name="site", kind="slurm", **(defaults | cluster))
    return config


def test_nothing_is_measured_without_a_sample() -> None:
    assert measure([], 256) is None
    assert measure([manifest(0, 0, 1.0)], 256) is None


def test_the_mean_is_over_samples_and_the_rate_over_seconds() -> None:
    assert measure([manifest(300, 3000, 10, 5), manifest(900, 9000, 20, 15)], 256) == Measured(
        shards=2, samples=1200, tokens=10, rate=400, start_up=10, full=True
    )


def test_a_shard_too_short_to_fill_its_engine_tells_the_rate_only_where_there_is_no_other() -> None:
    canary, array = manifest(32, 320, 10), manifest(640, 6400, 8)
    assert measure([canary], 256) == Measured(1, 32, 10, 32, 0, full=False)
    assert measure([canary, array], 256) == Measured(1, 672, 10, 800, 0, full=True)


@pytest.mark.parametrize(
    ("rate", "samples", "seconds", "requeues", "gpu_hours"),
    [
        # 32 replicas; at 10 tokens/s a sample of 100 tokens takes 10 s, 3,000 s of an hour are for work
        pytest.param(10.0, 32 * 300, 3000, 0, 32 * 3000 / 3600, id="fits its time limit exactly"),
        pytest.param(10.0, 32 * 301, 3010, 1, 32 * 3010 / 3600, id="one sample more"),
        pytest.param(10.0, 32 * 950, 9500, 3, 32 * 9500 / 3600, id="three requeues"),
        pytest.param(10.0, 8, 10, 0, 8 * 10 / 3600, id="no more replicas than samples"),
        pytest.param(None, 32 * 300, None, None, None, id="no rate, nothing but a bound"),
    ],
)
def test_before_anything_is_measured_an_option_says_the_rate(
    rate: float | None, samples: int, seconds: float | None, requeues: int | None, gpu_hours: float | None
) -> None:
    found = estimate(site(tokens_per_second=rate), samples, None)
    assert (found.tokens, found.seconds, found.requeues) == (samples * 100, seconds, requeues)
    assert found.gpu_hours == (None if gpu_hours is None else pytest.approx(gpu_hours))
    assert found.bound_hours == found.jobs * 8


def test_what_was_measured_wins_and_every_session_starts_up_anew() -> None:
    measured = Measured(shards=3, samples=900, tokens=50, rate=10, start_up=500, full=True)
    found = estimate(site(tokens_per_second=1.0), 32 * 1000, measured)
    # 5,000 s of work in sessions of 3,600 - 600 - 500 s
    assert (found.tokens, found.requeues, found.seconds) == (1_600_000, 1, 5000 + 2 * 500)


def test_samples_that_are_drawn_twice_take_time_twice() -> None:
    config = site(time="UNLIMITED", tokens_per_second=10.0)
    config.run.repeat = 0.5
    found = estimate(config, 32 * 10_000, None)
    assert (found.tokens, found.seconds) == (32 * 10_000 * 100, 150_000)


def test_a_limit_that_leaves_no_time_after_the_start_up_is_told() -> None:
    measured = Measured(shards=3, samples=900, tokens=50, rate=10, start_up=3000, full=True)
    found = estimate(site(), 32, measured)
    assert (found.seconds, found.requeues, found.gpu_hours) == (None, None, None)


def test_without_a_limit_there_is_no_bound() -> None:
    found = estimate(site(time="UNLIMITED", tokens_per_second=10.0), 32 * 10_000, None)
    assert (found.bound_hours, found.requeues, found.seconds) == (None, 0, 100_000)


def test_the_tail_is_the_time_after_the_last_sample_was_admitted() -> None:
    shards = [
        manifest(300, 3000, 10) | {"last_admitted": 8.0},
        manifest(300, 3000, 20) | {"last_admitted": 14.0},
    ]
    measured = measure(shards, 256)
    assert measured is not None and measured.tail == 4.0


def planned_beside(place: Path, name: str, took: list[float], teacher: str = "tiny") -> Run[Generate]:
    """A run with a shard for each number: the seconds in which its engine started."""
    config = Generate()
    config.data.size, config.run.dir = 4, str(place / name)
    config.teacher.kind, config.teacher.name = "rehearsal", teacher
    run = plan_generate(config)
    run.layout.generate.mkdir(exist_ok=True)
    for task, seconds in enumerate(took):
        shard = manifest(8, 80, 5.0, seconds) | {"last_admitted": 4.0}
        run.layout.shard_manifest(1, task).write_bytes(orjson.dumps(shard))
    config.teacher.kind = "vllm"
    return run


def test_an_engine_is_taken_to_start_as_in_an_earlier_run_of_its_teacher(tmp_path: Path) -> None:
    run = planned_beside(tmp_path, "new", [])
    assert start_up(run, None) == StartUp(ASSUMED_START_UP, "assumed")
    planned_beside(tmp_path, "other", [500.0], teacher="another")
    (tmp_path / "no run").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/plan.json").write_text("{")
    assert start_up(run, None) == StartUp(ASSUMED_START_UP, "assumed")
    planned_beside(tmp_path, "earlier", [70.0, 90.0, 0.0])
    assert start_up(run, None) == StartUp(80.0, "as in an earlier run")
    assert start_up(run, Measured(1, 8, 10, 2.0, 33.0, full=True)) == StartUp(33.0, "measured")
    run.config.teacher.kind = "endpoint"
    assert start_up(run, None) is None


@pytest.mark.parametrize(
    ("started", "samples", "lost", "tasks"),
    [
        pytest.param(None, 32 * 300, 0.0, 4, id="nothing to start"),
        pytest.param(StartUp(60.0, "assumed"), 32 * 6, 0.5, 1, id="half of the time"),
        pytest.param(StartUp(60.0, "assumed"), 32 * 54, 0.1, 4, id="a tenth"),
        pytest.param(StartUp(20.0, "assumed"), 32 * 6, 0.25, 1, id="fewer tasks than one are none"),
        pytest.param(StartUp(20.0, "assumed"), 32 * 12, 1 / 7, 2, id="half the tasks"),
    ],
)
def test_engines_that_start_for_short_shards_cost_a_share_of_the_time(
    started: StartUp | None, samples: int, lost: float, tasks: int
) -> None:
    """At 10 tokens/s a sample of 100 tokens takes 10 s."""
    config = site(tokens_per_second=10.0)
    found = estimate(config, samples, None, started)
    assert found.lost == pytest.approx(lost)
    assert tasks_that_lose(config, found, 0.1) == tasks


def test_every_session_starts_an_engine_of_its_own() -> None:
    found = estimate(site(tokens_per_second=10.0), 32 * 550, None, StartUp(300.0, "assumed"))
    # 5,500 s of work in sessions of 3,600 - 600 - 300 s
    assert (found.requeues, found.start_up, found.seconds) == (2, 900.0, 6400.0)
