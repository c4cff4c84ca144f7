"""The main job on a real vLLM engine with the embedded teacher: equal bytes for any tasks, kills, batching.

The long form, minutes instead of seconds:
    pytest tests/jobs/test_vllm.py -s --vllm-kills 10 --batching-samples 20000
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from omi_core import prompts
from omi_core.composing.compose import compose_values
from omi_core.config import Data, Engine, Sampling, TeacherOptions, load_generate
from omi_core.inputs import Skipped, read_records
from omi_core.publish.verify import verify
from omi_core.records import Record, Sample, sample_seed
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.stopping import Stop
from omi_core.store.attempts import new_attempt
from omi_core.store.journal import read_samples
from omi_core.tasks import known
from omi_core.teachers import open_teacher, vllm
from omi_core.teachers.teacher import Request, Teacher
from omi_core.teachers.vllm_worker import EXTENSION
from tests.conftest import Job
from tests.installed import needs

# Warnings are errors in our own code; those of torch and vllm are not ours to mend.
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("default"),
]
needs("vllm")

RUN = ["data.size=40", "samples=8", "run.flush_samples=16", "cluster.workers=1"]


@pytest.fixture(scope="module")
def teacher() -> Iterator[Teacher]:
    options = TeacherOptions(model="embedded:strong", dtype="float32", max_model_len=2048)
    engine = Engine(max_num_seqs=128, extra={"worker_extension_cls": EXTENSION})
    with open_teacher(options, engine, Sampling(temperature=0.7, max_tokens=512)) as opened:
        yield opened


def test_workers_can_be_asked_whether_their_kernels_are_batch_invariant(teacher: Any) -> None:
    assert teacher._engine.collective_rpc("omi_batch_invariant") == [False]


def test_rounds_of_samples_never_stop_the_engine(teacher: Teacher, tmp_path: Path) -> None:
    """One call carries all rounds of all records: the engine is fed as records are decided."""
    calls = 0

    class Counted(Teacher):
        def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
            nonlocal calls
            calls += 1
            return teacher.generate(requests)

        def describe(self) -> dict[str, str]:
            return teacher.describe()

        def close(self) -> None: ...

    def drawn(tasks: int) -> dict[tuple[int, int], str]:
        words = [
            "data.size=10",
            "samples=8",
            "adaptive.first=2",
            "adaptive.step=2",
            f"run.dir={tmp_path / str(tasks)}",
        ]
        run = plan_generate(load_generate(compose_values("generate", [*words, "adaptive.confidence=0.8"])))
        attempt = new_attempt(run.layout, np.array([[0, run.plan.keys]]), tasks, run.whole)
        for task in range(tasks):
            report = run_shard(run, attempt, task, Counted(), Stop(), lambda sample: None)
            assert report.finished
        samples = (one for found in read_samples(run.layout.journals(), 0, 10) for one in found)
        return {(one.ordinal, one.index): one.text for one in samples if one.drawn}

    one, several = drawn(1), drawn(3)
    assert calls == 4
    assert one.keys() == several.keys() and 20 <= len(one) < 80
    assert sum(text != several[key] for key, text in one.items()) <= 1  # rounding of another batch


def requests(records: list[Record], samples: int) -> list[Request]:
    (template,) = prompts.load(known()["solutions"].form, "tiny")
    return [
        Request(record, index, template.messages(record.text), sample_seed(0, record.id, index))
        for record in records
        for index in range(samples)
    ]


def demo(size: int) -> list[Record]:
    data = Data(origin="world", split="test", size=size, answer="answer")
    return list(read_records(data, None, Skipped()))


def texts(samples: Iterator[Sample | None]) -> dict[tuple[int, int], str]:
    return {(sample.ordinal, sample.index): sample.text for sample in samples if sample is not None}


@pytest.mark.slow
def test_output_hardly_depends_on_the_batch(teacher: Teacher, long_form: Callable[[str], int]) -> None:
    count = long_form("batching_samples")
    asked = requests(demo(max(1, count // 8)), 8)
    whole = texts(teacher.generate(iter(asked)))
    backwards = texts(teacher.generate(iter(asked[::-1])))
    rest = iter(random.Random(0).sample(asked, len(asked)))
    few: dict[tuple[int, int], str] = {}
    while chunk := list(islice(rest, 7)):
        few |= texts(teacher.generate(iter(chunk)))
        if len(few) >= max(70, count // 10):  # seven at a time is slow; a tenth tells enough
            break
    assert len(whole) == len(asked)
    differ = sum(whole[key] != backwards[key] for key in whole) + sum(whole[key] != few[key] for key in few)
    compared = len(whole) + len(few)
    print(f"\n{differ} of {compared} samples differ between batchings ({differ / compared:.2e})")
    assert differ <= 1e-3 * compared


def test_a_prompt_longer_than_the_context_is_refused_and_the_others_go_on(teacher: Teacher) -> None:
    records = [Record.make(0, "word " * 3000, None, "s"), *demo(2)[1:]]
    finished = teacher.generate(iter(requests(records, 1)))
    samples = {sample.ordinal: sample for sample in finished if sample is not None}
    assert samples[0].finish_reason == "error"
    assert (samples[0].error or "").startswith("PromptTooLong: ")
    assert samples[1].finish_reason == "stop"
    assert "\\boxed{" in samples[1].text


def test_requests_are_added_as_others_finish(teacher: Any) -> None:
    asked = requests(demo(60), 8)
    given = 0

    def counted() -> Iterator[Request]:
        nonlocal given
        for request in asked:
            given += 1
            yield request

    ahead, inside = [], []
    finished = (sample for sample in teacher.generate(counted()) if sample is not None)
    for done, _ in enumerate(finished, 1):
        if given < len(asked):
            ahead.append(given - done)
            inside.append(teacher._engine.get_num_unfinished_requests())
    # Never drained and never read to its end at once: about max_num_seqs and the queue are in flight.
    assert min(inside) >= 128 and min(ahead) > 128
    assert max(inside) <= 128 + 64
    assert max(ahead) <= 128 + 64 + vllm._HELD_OUTPUTS


def test_closing_the_generator_abandons_what_is_in_flight(teacher: Teacher) -> None:
    samples = teacher.generate(iter(requests(demo(40), 8)))
    while next(samples) is None:
        pass
    samples.close()
    assert len(texts(teacher.generate(iter(requests(demo(1), 1))))) == 1


def dataset(directory: Path) -> dict[str, bytes]:
    root = directory / "dataset"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_kills_and_tasks_do_not_change_the_dataset(
    job: Job, tmp_path: Path, long_form: Callable[[str], int]
) -> None:
    whole = job("generate", *RUN, "run.dir=whole", timeout=300)
    assert whole.returncode == 0, whole.stderr
    verify(tmp_path / "whole/dataset")
    stats = orjson.loads((tmp_path / "whole/dataset/stats.json").read_bytes())
    assert stats["rehearsal"] is False
    assert stats["counts"]["truth"]["equal"] > stats["counts"]["samples"] / 2

    draw = random.Random(11)
    journals = tmp_path / "killed/generate"
    for _ in range(long_form("vllm_kills")):
        command = [sys.executable, "-m", "jobs.generate", *RUN, "run.dir=killed", "tasks=7"]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            before = size(journals)
            while process.poll() is None and size(journals) == before:
                time.sleep(0.02)
            time.sleep(draw.uniform(0, 0.5))
            os.killpg(process.pid, signal.SIGKILL)
    resumed = job("generate", *RUN, "run.dir=killed", "tasks=2", timeout=300)
    assert resumed.returncode == 0, resumed.stderr
    assert dataset(tmp_path / "killed") == dataset(tmp_path / "whole")


def size(journals: Path) -> int:
    return sum(path.stat().st_size for path in journals.glob("*.zst")) if journals.is_dir() else 0
