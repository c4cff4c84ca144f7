"""What options are seen by: each look is at one thing that is made of a config, and compares by ==.

A look makes nothing that stays. The last ones make a run in the current directory and take it away again.
"""

from __future__ import annotations

import os
import shutil
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import pytest

from omi_core.config import Generate, Reduce
from omi_core.inputs import Skipped
from omi_core.options import ConfigError
from omi_core.records import Record
from omi_core.slurm import array_task, canary
from omi_core.slurm.links import ChainEnded
from omi_core.slurm.script import check_cluster, script
from omi_core.stages import gate, local
from omi_core.stages.planning import generate_content, plan_generate, plan_reduce
from omi_core.stages.stopping import Stop
from omi_core.store.attempts import new_attempt
from omi_core.store.index import contents
from omi_core.store.journal import read_samples
from omi_core.tasks import known, task_of
from omi_core.teachers import open_teacher, vllm_engine
from omi_core.teachers.chat_api import request_body, template_fields
from omi_core.teachers.rehearsal import RehearsalTeacher
from omi_core.teachers.teacher import Request
from omi_core.teachers.thinking import Thinking
from tests.slurm.composing import chain as jobs_of


def plan(config: Generate) -> Any:
    """The content of the plan but for its records: what the fingerprint covers."""
    return generate_content(config)


def chain(config: Generate) -> Any:
    """The filters that samples go through, with their settings."""
    return task_of(config).filters(config)


def engine(config: Generate) -> Any:
    """What vLLM is given: its arguments and its environment."""
    platforms: Any = ModuleType("vllm.platforms")
    platforms.current_platform = SimpleNamespace(is_cpu=lambda: False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "vllm.platforms", platforms)
        patch.setattr(os, "environ", {})
        vllm_engine._environment(config.teacher, config.engine, None)
        return vllm_engine._arguments(config.teacher, config.engine, None), dict(os.environ)


def request(seed: int = 1) -> Request:
    record = Record.make(0, "What is 2 + 3?", "5", "s")
    return Request(record, 0, [{"role": "user", "content": record.text}], seed, known()["solutions"].texts)


def parted(config: Generate) -> Any:
    """What is taken for thinking."""
    tokenizer: Any = SimpleNamespace(get_vocab=dict, encode=lambda text, **_: text.split())
    return Thinking(config.teacher, tokenizer).part("<think>so</think>5", [1, 2], opened=False)


def server(config: Generate) -> Any:
    """The request that a server gets."""
    extra = template_fields(config.teacher) | config.teacher.endpoint.extra
    return request_body(config.teacher.model, config.sampling, extra, request())


def rehearsal(config: Generate) -> Any:
    """What a rehearsal says."""
    teacher = RehearsalTeacher(config.teacher.rehearsal, config.engine, config.sampling)
    samples = teacher.generate(request(seed) for seed in range(300))
    return [sample and (sample.reasoning, sample.text, sample.finish_reason) for sample in samples]


def records(config: Generate) -> Any:
    """The first records that are read, and how many rows were left out."""
    skipped = Skipped(config.data.on_bad_row)
    try:
        found = list(islice(task_of(config).records(config, skipped), 200))
    except ConfigError as error:
        return str(error)
    return found, skipped.counts


def text_of_jobs(config: Generate) -> Any:
    """The text of every job of a chain, but for the fingerprint."""
    try:
        jobs = jobs_of(config, Path("runs/of-a-test"))
        return {
            stage: script(config.cluster, job).replace(job.token or "-", "TOKEN").replace(job.name, "NAME")
            for stage, job in jobs.items()
        } | {"names": [f"{config.cluster.job_prefix}" for _ in jobs]}
    except ConfigError as error:
        return str(error)


def hub(config: Generate) -> Any:
    """What the hub is asked for first."""
    asked: list[Any] = []

    def load_dataset(*words: Any, **named: Any) -> NoReturn:
        asked.append((words, named))
        raise OSError("not here")

    datasets: Any = ModuleType("datasets")
    datasets.load_dataset = load_dataset
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "datasets", datasets)
        records(config)
    return asked


def refusal(config: Generate) -> Any:
    """What is said of a site that lacks something."""
    with pytest.raises(ConfigError) as caught:
        check_cluster(config.cluster)
    return str(caught.value)


def graders(config: Generate | Reduce) -> Any:
    """What the grader of the reduce stage is made with."""
    made: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("omi_core.tasks.reducing.Grader", lambda *words, **named: made.append((words, named)))
        task_of(config).reducer(config, None, lambda: ()).__enter__()
    return made


def canary_of_halves(config: Generate) -> Any:
    """What is said of a canary of whose samples half are unfinished, and half refused."""
    figures = {"samples": 4, "answers": 1.0, "unfinished": 0.5, "errors": 0.5, "tokens": 9.0}

    def end_chain(run: Any, why: str) -> NoReturn:
        raise ChainEnded(why)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canary, "canary_figures", lambda run, attempt: figures)
        patch.setattr(canary, "boxes_by_prompt", lambda run, attempt: {})
        patch.setattr(canary, "end_chain", end_chain)
        run: Any = SimpleNamespace(config=config)
        try:
            canary.check_canary(run, run)
        except ChainEnded as error:
            return str(error)
    return None


def imported(config: Reduce) -> Any:
    """What a run of imports is called, and how many records it has."""
    config.plan = True
    run = plan_reduce(config)
    return run.layout.root.name.rpartition("-")[0], run.plan.records


def planned(config: Reduce) -> Any:
    """Whether a run of imports is there once it was planned."""
    root = plan_reduce(config).layout.root
    there = root.exists()
    shutil.rmtree(root, ignore_errors=True)
    return there


def made(config: Generate) -> Any:
    """Of a run on this machine: frames, engines that were started, and samples that are quarantined."""
    engines: list[Any] = []

    def opened(*words: Any) -> Any:
        engines.append(words)
        return open_teacher(*words)

    run = plan_generate(config)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(local, "open_teacher", opened)
            local.generate(run, Stop())
        journals = run.layout.journals()
        frames = sum(len(contents(path).frames) for path in journals)
        samples = [one for found in read_samples(journals, 0, run.plan.records) for one in found]
        return frames, len(engines), sum(sample.error is not None for sample in samples)
    finally:
        shutil.rmtree(run.layout.root)


def drained(config: Generate) -> Any:
    """How long an array task lets what is in flight finish."""
    run = plan_generate(config)
    try:
        attempt = new_attempt(run.layout, gate.missing(run), 1)
        stop = Stop()
        array_task.generate(str(run.layout.root), [attempt.number, 0], stop)
        return stop.drain_seconds
    finally:
        shutil.rmtree(run.layout.root)
