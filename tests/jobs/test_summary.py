"""What a run came to is told everywhere alike: by its command, in summary.json, in jobs.status."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from omi_core.slurm import array_task
from omi_core.stages.stopping import Stop
from tests.conftest import Here
from tests.jobs.evaluating import benchmark, sums

WORK = ("teacher=rehearsal", "data.size=12", "samples=4", "cluster.workers=1", "run.dir=run")
EVALUATION = ("evaluate", "teacher=rehearsal", "benchmarks=[sums.yaml]", "samples=2", "run.dir=run")
COMMANDS = {"dataset": ("generate", *WORK), "evaluation": (*EVALUATION, "cluster.workers=1")}
TOLD = {
    "dataset": ["samples equal to the ground truth", "content hash", "rows", "run/dataset"],
    "evaluation": ["pass@1", "sums", "run/evaluation"],
}


@pytest.fixture
def questions(here: Here, tmp_path: Path) -> Here:
    benchmark(tmp_path, "sums", sums(9))
    return here


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_end_is_told_by_the_command_by_a_second_one_and_by_status(
    questions: Here, tmp_path: Path, kind: str
) -> None:
    code, first, err = questions(*COMMANDS[kind])
    assert code == 0, err
    code, again, err = questions(*COMMANDS[kind])
    assert code == 0 and "complete, nothing to do" in err
    assert again == first
    assert questions("resume", "run")[1] == first
    shown = questions("status", "run")[1]
    for words in TOLD[kind]:
        assert words in first and words in shown

    (status,) = orjson.loads(questions("status", "run", "json=true")[1])
    summary = orjson.loads((tmp_path / "run/summary.json").read_bytes())
    stats = orjson.loads((tmp_path / "run" / kind / "stats.json").read_bytes())
    assert status["summary"] == summary
    assert status["content_hash"] == stats["content_hash"]
    assert Path(status["result"]) == Path("run") / kind
    assert summary[kind]["rows"] == stats["rows"] and "speed" in summary


def test_a_publish_job_tells_it_on_its_log(
    here: Here, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = here("generate", *WORK)[1]
    shutil.rmtree(tmp_path / "run/dataset")
    (tmp_path / "run/summary.json").unlink()
    array_task.publish("run", [1], Stop())
    assert capsys.readouterr().out == printed
    assert (tmp_path / "run/summary.json").exists()


def test_a_run_that_is_not_published_has_no_summary(here: Here, tmp_path: Path) -> None:
    here("generate", *WORK)
    shutil.rmtree(tmp_path / "run/dataset")
    (status,) = orjson.loads(here("status", "run", "json=true")[1])
    assert (status["summary"], status["result"], status["content_hash"]) == (None, None, None)
