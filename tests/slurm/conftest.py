"""Fixtures of the tests of the Slurm side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from omi_core.config import Generate
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.store.attempts import new_attempt
from tests.slurm.composing import compose
from tests.slurm.programs import Install
from tests.slurm.ranks import SITE, Ranks, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Plans a run and starts both tasks of its only shard."""
    started: list[Ranks] = []

    def make(*options: str, stage: str = "generate", **more: str) -> tuple[Run[Generate], Ranks]:
        config = compose(*SITE, *options)
        config.run.dir = str(tmp_path / "run")
        run = plan_generate(config)
        new_attempt(run.layout, gate.missing(run), 1)
        started.append(Ranks(run, tmp_path, stage, **more))
        return run, started[-1]

    yield make
    for ranks in started:
        ranks.end()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a shell script first on the PATH under the name of a command; the log of its arguments."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def make(name: str, body: str) -> Path:
        log = tmp_path / f"{name}.calls"
        script = tmp_path / name
        script.write_text(f'#!/bin/bash\necho "$@" >>{log}\n{body}\n', encoding="utf-8")
        script.chmod(0o755)
        return log

    return make
