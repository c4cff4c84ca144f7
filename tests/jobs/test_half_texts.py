"""Signals to a real vLLM whose engine is a process of its own: no half text is ever taken for a sample.

Each start of such an engine is three processes that import torch and vllm, so only one form is not `slow`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from omi_core.store.journal import read_samples
from omi_core.store.layout import Layout
from omi_core.store.plan import read_plan
from tests.installed import needs

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]
needs("vllm")

RUN = ("data.size=40", "samples=8", "run.flush_seconds=1", "run.flush_samples=8", "engine.kv_cache_gb=0.25")
START_SECONDS = 900
CORE, WORKER = "VLLM::EngineCore", "VLLM::Worker"
TOGETHER = "the command and the core"
Texts = dict[tuple[int, int], tuple[str, str]]


@contextmanager
def started(directory: Path, *, apart: bool) -> Iterator[subprocess.Popen[str]]:
    """A command whose engine is a process of its own, as on a GPU, or in the same one: a faster start."""
    command = subprocess.Popen(
        [sys.executable, "-m", "jobs.generate", *RUN, f"run.dir={directory}"],
        env=os.environ | {"VLLM_ENABLE_V1_MULTIPROCESSING": "1" if apart else "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield command
    finally:
        with suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
        command.communicate()


def journaled(directory: Path) -> Texts:
    """Text and finish reason of every sample of the journals."""
    layout = Layout(directory)
    records = read_plan(layout).records
    return {
        (sample.ordinal, sample.index): (sample.text, sample.finish_reason)
        for samples in read_samples(layout.journals(), 0, records)
        for sample in samples
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    directory = tmp_path_factory.mktemp("whole") / "run"
    with started(directory, apart=False) as command:
        _, said = command.communicate(timeout=START_SECONDS)
    assert command.returncode == 0, said
    return journaled(directory)


def at_work(command: subprocess.Popen[str], directory: Path) -> list[psutil.Process]:
    """The engine's processes, once samples are on disk."""
    until = time.monotonic() + START_SECONDS
    while not sum(path.stat().st_size for path in directory.glob("generate/*.jsonl.zst")) > 2000:
        assert command.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    children = psutil.Process(command.pid).children(recursive=True)
    return [child for child in children if child.name().startswith("VLLM::")]


def told(engine: list[psutil.Process], *names: str) -> None:
    for process in engine:
        if process.name() in names:
            process.send_signal(signal.SIGTERM)


HITS: dict[str, Callable[[int, list[psutil.Process]], None]] = {
    TOGETHER: lambda pid, engine: (os.kill(pid, signal.SIGTERM), told(engine, CORE))[-1],
    "the core, then the command": lambda pid, engine: (told(engine, CORE), os.kill(pid, signal.SIGTERM))[0],
    "every process": lambda pid, engine: (told(engine, CORE, WORKER), os.kill(pid, signal.SIGTERM))[0],
}


@pytest.mark.parametrize(
    "hit",
    [pytest.param(hit, marks=pytest.mark.slow) for hit in HITS],
)
def test_a_job_that_is_told_to_end_leaves_whole_texts_and_the_rest_missing(
    tmp_path: Path, undisturbed: Texts, hit: str
) -> None:
    directory = tmp_path / "run"
    with started(directory, apart=True) as command:
        HITS[hit](command.pid, at_work(command, directory))
        _, said = command.communicate(timeout=START_SECONDS)
    assert command.returncode == 130, said
    found = journaled(directory)
    assert 0 < len(found) < len(undisturbed)
    assert {key: undisturbed[key] for key in found} == found
    assert not list(directory.glob("generate/*.crash"))  # nobody is suspected
    with started(directory, apart=False) as command:
        _, said = command.communicate(timeout=START_SECONDS)
    assert command.returncode == 0, said
    assert journaled(directory) == undisturbed


@pytest.mark.parametrize(
    "victim", [pytest.param(CORE, marks=pytest.mark.slow), pytest.param(WORKER, marks=pytest.mark.slow)]
)
def test_an_engine_that_alone_is_told_to_end_is_started_again(
    tmp_path: Path, undisturbed: Texts, victim: str
) -> None:
    directory = tmp_path / "run"
    with started(directory, apart=True) as command:
        told(at_work(command, directory), victim)
        _, said = command.communicate(timeout=START_SECONDS)
    assert command.returncode == 0, said
    assert "starting the engine again" in said
    assert journaled(directory) == undisturbed
