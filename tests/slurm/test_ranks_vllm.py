"""A teacher over two nodes on a real vLLM: two ranks on this machine, each with half of the tiny model.

Two halves are added up to the same sum on one machine and on two, so the samples are the same. Halves of
the layers (pipeline_parallel) cannot be had on a CPU: see docs/slurm.md.
"""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from omi_core.config import Generate
from omi_core.slurm.retry_policy import Cause, cause_of
from omi_core.stages import gate
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.store.attempts import new_attempt
from omi_core.store.journal import read_samples
from omi_core.teachers import open_teacher
from tests.installed import needs
from tests.slurm.composing import compose
from tests.slurm.ranks import Ranks, Start, count, trouble, wait_for

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),
]
needs("vllm")

WORK = (
    "teacher=tiny",
    "data.size=6",
    "samples=2",
    "run.flush_samples=1",
    "engine.kv_cache_gb=0.25",
    "teacher.tensor_parallel=2",
)
START_SECONDS = 400


def texts(run: Run[Generate]) -> dict[tuple[int, int], str]:
    return {
        (sample.ordinal, sample.index): sample.text
        for samples in read_samples(run.layout.journals(), 0, run.plan.records)
        for sample in samples
    }


def workers(ranks: Ranks, rank: int) -> list[psutil.Process]:
    """The worker processes of a rank that is running."""
    if ranks.tasks[rank].poll() is not None:
        return []
    children = psutil.Process(ranks.tasks[rank].pid).children(recursive=True)
    return [child for child in children if "Worker" in child.name()]


def started(ranks: Ranks) -> list[psutil.Process]:
    """A worker of each rank, once all of them have started."""

    def seen() -> bool:
        ended = any(task.poll() is not None for task in ranks.tasks)
        return ended or bool(workers(ranks, 0) and workers(ranks, 1))

    wait_for(seen, "workers", START_SECONDS)
    found = workers(ranks, 0) + workers(ranks, 1)
    assert len(found) == 2, ranks.said(0) + ranks.said(1)
    return found


def test_two_nodes_say_what_one_says(start: Start, tmp_path: Path) -> None:
    run, ranks = start(*WORK)
    processes = started(ranks)
    assert ranks.codes(START_SECONDS) == [0, 0], ranks.said(0) + ranks.said(1)
    assert not [process for process in processes if process.is_running()]

    config = compose(*WORK)
    config.run.dir = str(tmp_path / "one")
    one = plan_generate(config)
    attempt = new_attempt(one.layout, gate.missing(one), 1)
    with open_teacher(config.teacher, config.engine, config.sampling) as teacher:
        run_shard(one, attempt, 0, teacher, Stop(), lambda sample: None)
    assert len(texts(one)) == 12
    assert texts(run) == texts(one)


def test_rank_0_fails_as_an_engine_when_the_worker_of_the_other_is_killed(start: Start) -> None:
    run, ranks = start(*WORK, "samples=16")
    wait_for(lambda: count(run) > 0 or ranks.tasks[0].poll() is not None, "a sample", START_SECONDS)
    processes = started(ranks)
    processes[1].kill()
    assert ranks.codes(120) == [1, 1], ranks.said(0) + ranks.said(1)
    told = trouble(run)
    assert told["class"] == "RankLost", told
    assert told["message"].startswith("rank 1 (no-such-host2) has failed"), told
    assert cause_of(told, "FAILED", 1) is Cause.ENGINE
    assert not [process for process in processes if process.is_running()]
