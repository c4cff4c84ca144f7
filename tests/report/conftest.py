"""Runs at every stage, made by the suite itself with the rehearsal teacher; made once for all tests here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omi_core.config import Generate, load_generate
from omi_core.report.facts import Facts, run_facts
from omi_core.stages import local
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop, Stopped

STAGES = ("planned", "generating", "generated", "reduced", "published")


def plan(directory: Path, **values: Any) -> Run[Generate]:
    base: dict[str, Any] = {
        "run": {"dir": str(directory), "flush_samples": 16},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": {"size": 30, "split": "test", "answer": "answer"},
        "samples": 4,
        "tasks": 3,
        "cluster": {"workers": 1},
    }
    return plan_generate(load_generate(base | values))


class StopAfter(Stop):
    """A stop that comes by itself after so many questions."""

    def __init__(self, questions: int) -> None:
        super().__init__(drain_seconds=0.0)
        self._left = questions

    def asked(self) -> bool:
        self._left -= 1
        if self._left < 0:
            self.ask()
        return super().asked()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run at each of the STAGES; all are of the same plan."""
    folder = tmp_path_factory.mktemp("stages")
    for stage in STAGES:
        run = plan(folder / stage)
        if stage == "generating":
            with pytest.raises(Stopped):
                local.generate(run, StopAfter(50))
        elif stage != "planned":
            local.generate(run, Stop())
        if stage in ("reduced", "published"):
            local.reduce(run, Stop())
        if stage == "published":
            local.publish(run)
    return {stage: folder / stage for stage in STAGES}


@pytest.fixture(scope="session")
def facts(runs: dict[str, Path]) -> dict[str, Facts]:
    return {stage: run_facts(directory) for stage, directory in runs.items()}
