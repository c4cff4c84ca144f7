"""A real vLLM whose engine is a process of its own: what a signal or a death of either side leads to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from omi_core.config import Generate
from omi_core.slurm.retry_policy import HANDED_BACK, Cause, cause_of
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.store.attempts import new_attempt
from tests.installed import needs
from tests.slurm.composing import compose
from tests.slurm.ranks import count, trouble, wait_for

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]
needs("vllm")

START_SECONDS = 300
# More samples than a test waits for.
WORK = (
    "+cluster=slurm",
    "cluster.partition=batch",
    "cluster.workers=1",
    "teacher=tiny",
    "data.size=20",
    "samples=400",
    "run.flush_samples=1",
    "engine.max_num_seqs=8",
    "engine.queue=1",
    "engine.restarts=0",
    "engine.kv_cache_gb=0.25",
    "run.drain_seconds=60",
)


class Task:
    """A running task with its log."""

    def __init__(self, run: Run[Generate], log: Path) -> None:
        self.log = log
        # One GPU has its engine in a process of its own; a CPU has it so when it is told.
        environment = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jobs._task", str(run.layout.root), "generate", "1", "0"],
                env=os.environ | environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def engine(self) -> list[psutil.Process]:
        """The engine's processes: the core and its worker."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if child.name().startswith("VLLM::")]

    def said(self) -> str:
        return self.log.read_text()


@pytest.fixture
def run(tmp_path: Path) -> Run[Generate]:
    """A planned run with an attempt of one shard."""
    config = compose(*WORK)
    config.run.dir = str(tmp_path / "run")
    planned = plan_generate(config)
    new_attempt(planned.layout, gate.missing(planned), 1)
    return planned


@pytest.fixture
def working(run: Run[Generate], tmp_path: Path) -> Iterator[Callable[[], Task]]:
    """Starts the task and waits until it has written more samples."""
    tasks: list[Task] = []

    def start() -> Task:
        before = count(run)
        tasks.append(task := Task(run, tmp_path / "log"))
        wait_for(lambda: count(run) > before or task.process.poll() is not None, "a sample", START_SECONDS)
        assert task.process.poll() is None, task.said()
        return task

    yield start
    for task in tasks:
        if task.process.poll() is None:
            engine = task.engine()
            task.process.kill()
            for process in engine:
                process.kill()
        task.process.wait()


def test_the_engine_of_a_killed_task_lives_on_until_the_next_one_starts(
    run: Run[Generate], working: Callable[[], Task]
) -> None:
    first = working()
    engine = first.engine()
    first.process.kill()
    first.process.wait()
    _, alive = psutil.wait_procs(engine, timeout=5)
    assert len(engine) == 2
    print(f"\n{len(alive)} of {len(engine)} processes of the engine lived 5 s after their task")
    second = working()
    assert not [process for process in engine if process.is_running()]
    for process in alive:
        assert f"({process.pid}), left behind by process {first.process.pid}, now gone" in second.said()
    assert len(second.engine()) == 2


@pytest.mark.parametrize("which", ["VLLM::EngineCore", "VLLM::Worker"])
def test_a_task_whose_engine_is_killed_fails_as_an_engine(
    run: Run[Generate], working: Callable[[], Task], which: str
) -> None:
    task = working()
    engine = task.engine()
    (victim,) = [process for process in engine if process.name() == which]
    victim.kill()
    started = time.monotonic()
    assert task.process.wait(120) == 1, task.said()
    print(f"\n{time.monotonic() - started:.1f} s from the end of {which} to that of the task")
    told = trouble(run)
    assert (told["class"], told["message"].split(":")[0]) == ("EngineFailed", "EngineDeadError"), told
    assert cause_of(told, "FAILED", 1) is Cause.ENGINE
    assert not psutil.wait_procs(engine, timeout=10)[1]


def test_the_signal_before_the_time_limit_leaves_the_engine_to_finish_what_is_in_flight(
    run: Run[Generate], working: Callable[[], Task]
) -> None:
    task = working()
    for process in (psutil.Process(task.process.pid), *task.engine()):
        process.send_signal(signal.SIGUSR2)  # Slurm signals every process of a task
    assert task.process.wait(120) == HANDED_BACK, task.said()
    assert not run.layout.trouble(1, 0).exists()
    assert 8 <= count(run) < run.plan.keys
