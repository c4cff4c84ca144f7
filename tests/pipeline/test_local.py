"""Pipelines on one machine: continued after any kill with the same bytes, stopped by signals, refused."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.conftest import Here, Job

STEPS = ("01-test_set", "02-solve", "03-check", "04-solve_again")
WORK = ("recipe=rehearsal", "size=12", "test_size=3", "cluster.workers=1", "run.dir=all")
# Seconds of work in every run, to be killed in the middle.
SLOW = ("teacher.rehearsal.latency=0.3", "engine.max_num_seqs=4", "run.flush_samples=1")

Made = dict[str, bytes]


def made(root: Path) -> Made:
    """What the steps have made: the datasets, and the clean rows."""
    found = {"clean": (root / "03-check/clean.jsonl").read_bytes()}
    for step in STEPS:
        dataset = root / step / "dataset"
        found |= {
            f"{step}/{p.relative_to(dataset)}": p.read_bytes() for p in dataset.rglob("*") if p.is_file()
        }
    return found


def ledger(root: Path) -> list[dict[str, str]]:
    path = root / "ledger.jsonl"
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-m", "jobs.pipeline", *WORK]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return place / "all"


@pytest.fixture
def undisturbed(_finished: Path) -> Made:
    return made(_finished)


@pytest.fixture
def finished(_finished: Path, tmp_path: Path) -> Path:
    """A pipeline in the directory `all` that is done."""
    shutil.copytree(_finished, tmp_path / "all")
    return tmp_path / "all"


def start(place: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.pipeline", *WORK, *options],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def at_work(root: Path, step: str) -> Callable[[], bool]:
    """Whether the step is in the middle of its work: some samples are on disk, or its process runs."""
    if step == "03-check":
        return lambda: bool(worker(root))
    return lambda: any(path.stat().st_size for path in (root / step / "generate").glob("*.jsonl.zst"))


def worker(root: Path) -> int | None:
    """The process that checks, None while there is none."""
    for entry in Path("/proc").iterdir():
        try:
            if f"jobs._task\0{root}\0step\0check".encode() in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    return None


# Whether the command is killed, or the process of the step alone; each takes half a minute.
SHORT = (("02-solve", True),)
KILLS = [
    pytest.param(step, whole, marks=() if (step, whole) in SHORT else pytest.mark.slow)
    for step in STEPS
    for whole in (True, False)
]


@pytest.mark.parametrize(("step", "whole"), KILLS)
def test_killed_in_the_middle_of_any_step_it_continues_with_the_same_bytes(
    tmp_path: Path, job: Job, undisturbed: Made, step: str, whole: bool
) -> None:
    process = start(tmp_path, *SLOW)
    root = tmp_path / "all"
    wait_for(at_work(root, step), process)
    children = [
        int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    assert len(children) == 1
    os.kill(process.pid if whole else children[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    if whole:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 1
        name = step.partition("-")[2]
        assert f"failed: step {name}: its process was killed by SIGKILL" in err.splitlines()[-1]
    done = job("pipeline", *WORK)
    assert done.returncode == 0, done.stderr
    assert made(root) == undisturbed
    begun = [entry["step"] for entry in ledger(root) if entry["stage"] == "begun"]
    assert sorted(set(begun)) == sorted(name.partition("-")[2] for name in STEPS)
    assert len(begun) == len(STEPS) + 1  # nothing else was begun again


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_stops_it_and_the_same_command_continues(
    tmp_path: Path, job: Job, undisturbed: Made, number: signal.Signals
) -> None:
    process = start(tmp_path, *SLOW)
    wait_for(at_work(tmp_path / "all", "02-solve"), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "stopped; the same command continues"
    shown = job("status", "all").stdout
    assert "1 of 4 steps" in shown and "jobs.resume" in shown
    done = job("resume", "all")
    assert done.returncode == 0, done.stderr
    assert made(tmp_path / "all") == undisturbed


def test_what_is_done_is_not_done_again_and_a_table_says_what_was_made(
    here: Here, tmp_path: Path, finished: Path, undisturbed: Made
) -> None:
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "all").rglob("*") if path.is_file()}
    code, out, err = here("pipeline", *WORK, "tasks=3")
    assert code == 0
    assert "complete, nothing to do" in err
    assert [line.split()[0] for line in out.splitlines() if "generate" in line] == [
        "test_set",
        "solve",
        "solve_again",
    ]
    changed = {
        str(path.relative_to(tmp_path / "all"))
        for path in (tmp_path / "all").rglob("*")
        if path.is_file() and times.get(path) != path.stat().st_mtime_ns
    }
    assert changed <= {"steps.json", ".lock"}
    assert made(tmp_path / "all") == undisturbed


def test_a_damaged_or_missing_result_is_made_again(
    here: Here, tmp_path: Path, finished: Path, undisturbed: Made
) -> None:
    (tmp_path / "all/03-check.json").write_text("{")
    assert here("pipeline", *WORK)[0] == 0
    assert made(tmp_path / "all") == undisturbed
    (tmp_path / "all/03-check/clean.jsonl").unlink()
    assert here("status", "all")[1].count("done") == 2
    assert here("pipeline", *WORK)[0] == 0
    assert made(tmp_path / "all") == undisturbed


def test_a_changed_recipe_is_refused_with_the_difference(here: Here, tmp_path: Path, finished: Path) -> None:
    code, out, err = here("pipeline", *WORK, "steps.solve.samples=5", "steps.check.share=0.7")
    assert (code, out) == (2, "")
    assert "was made with another recipe" in err
    assert "steps.check.share unset → 0.7" in err
    assert "steps.solve.samples 4 → 5" in err
    assert len(err.splitlines()) == 1
    assert here("pipeline", *WORK, "steps.solve.samples=5", "run.fresh=true")[0] == 0
    assert (tmp_path / "all.old-1/pipeline.json").exists()


def test_it_can_be_moved_and_continued(here: Here, tmp_path: Path, finished: Path, undisturbed: Made) -> None:
    (tmp_path / "all/03-check.json").unlink()
    (tmp_path / "all").rename(tmp_path / "moved")
    assert here("resume", "moved")[0] == 0
    assert made(tmp_path / "moved") == undisturbed
    assert not (tmp_path / "all").exists()


def test_the_plan_shows_the_steps_and_makes_nothing(here: Here, tmp_path: Path) -> None:
    code, out, err = here("pipeline", *WORK, "plan=true")
    assert (code, err) == (0, "")
    assert "12 records x 4 samples by rehearsal: 48" in out
    assert "records not known yet x 6 samples by rehearsal" in out
    assert list(tmp_path.iterdir()) == []


def test_the_plan_of_a_pipeline_on_slurm_has_the_text_of_every_job(here: Here, tmp_path: Path) -> None:
    site = ("+cluster=slurm", "cluster.partition=gpu", "cluster.gpus_per_node=4", "cluster.cpu_partition=cpu")
    code, out, err = here("pipeline", *WORK, *site, "cluster.canary.records=1", "tasks=2", "plan=true")
    assert (code, err) == (0, "")
    chain = ("canary", "generate", "gate", "reduce", "publish", "advance", "rescue")
    heads = [f"{step}: {stage}" for step in ("test_set", "solve") for stage in chain]
    heads += [
        *(f"check: {stage}" for stage in ("step", "rescue")),
        *(f"solve_again: {stage}" for stage in chain),
    ]
    assert re.findall(r"^== (.*)$", out, flags=re.M) == heads
    texts = dict(zip(heads, re.split(r"^== .*\n", out, flags=re.M)[1:], strict=True))
    assert all(text.startswith("#!/bin/bash") for text in texts.values())
    assert "--partition=cpu" in texts["check: step"] and " step check" in texts["check: step"]
    for step in ("solve", "solve_again"):  # whether its records are known or not
        assert "#SBATCH --array=0-1\n" in texts[f"{step}: generate"]
    assert list(tmp_path.iterdir()) == []


def test_the_plan_of_a_finished_pipeline_says_that_it_is_done(
    here: Here, tmp_path: Path, finished: Path
) -> None:
    before = made(tmp_path / "all")
    out = here("pipeline", *WORK, "plan=true")[1]
    assert out.count("done") == 4
    assert made(tmp_path / "all") == before


def test_a_step_that_fails_ends_it_with_a_line_that_names_the_step(job: Job, tmp_path: Path) -> None:
    broken = (*WORK, "teacher=rehearsal", "steps.solve.teacher.rehearsal.wrong=1")
    nothing = ("steps.solve.teacher.rehearsal.malformed=0", "steps.solve.teacher.rehearsal.overlong=0")
    done = job("pipeline", *broken, *nothing, "steps.solve.teacher.rehearsal.hostile=0")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("failed: step solve: ") and "no row is left to publish" in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "all/03-check").exists()
    shown = job("status", "all").stdout
    assert "no row is left to publish" in " ".join(shown.split())


def test_a_second_command_on_the_same_pipeline_is_refused(tmp_path: Path, job: Job) -> None:
    process = start(tmp_path, *SLOW)
    wait_for(at_work(tmp_path / "all", "01-test_set"), process)
    done = job("pipeline", *WORK)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert done.returncode == 2
    assert f"in use by process {process.pid}" in done.stderr


def test_a_directory_that_holds_something_else_is_refused(here: Here, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all/mine.txt").write_text("x")
    code, _, err = here("pipeline", *WORK)
    assert code == 2
    assert "holds something else (mine.txt, and no pipeline.json) and is not a pipeline" in err
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["mine.txt"]


def test_status_lists_pipelines_beside_runs(here: Here, tmp_path: Path, finished: Path) -> None:
    (tmp_path / "runs").mkdir()
    finished.rename(tmp_path / "runs/all")
    assert here("generate", "teacher=rehearsal", "data.size=2", "run.dir=runs/one")[0] == 0
    shown = here("status")[1]
    assert "4 of 4 steps" in shown and "runs/one" in shown
    rows = orjson.loads(here("status", "runs/all", "json=true")[1])
    assert [step["state"] for step in rows[0]["steps"]] == ["done"] * 4
