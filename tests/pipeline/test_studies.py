"""Small studies from their recipe to their table: carried out, killed, failing, and shown."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.pipeline.run_steps import shared_cores
from tests.conftest import Here
from tests.jobs.evaluating import benchmark, sums

# The teacher that is evaluated stands for a student.
STUDY = """
parameters: {wrong: [0.1, 0.6], seeds: 2, size: 6}
cells: {wrong: "${wrong}"}
seeds: ${seeds}
steps:
  pool:
    command: generate
    options: {teacher: rehearsal, data.size: "${size}", samples: 6, cluster.workers: 1}
  noisy:
    command: combine
    options: {inputs: ["${step:pool}"], noise.share: "${cell:wrong}", noise.kind: other}
  graded:
    command: evaluate
    options:
      teacher: rehearsal
      teacher.rehearsal.wrong: ${cell:wrong}
      benchmarks: [mine.yaml]
      seed: ${cell:seed}
      cluster.workers: 1
  study:
    command: gather
    options:
      name: Wrong answers
      cells: ${cells:graded}
      min_seeds: 2
      findings: {hurts: {first: {wrong: 0.1}, against: {wrong: 0.6}}}
"""
WORDS = ("recipe=r.yaml", "run.dir=all")
STEPS = 8


def prepare(place: Path, text: str = STUDY) -> Path:
    (place / "r.yaml").write_text(text)
    benchmark(place, "mine", sums(12))
    return place


def start(place: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobs.pipeline", *WORDS, *options]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ledger(root: Path, stage: str) -> list[str]:
    lines = (root / "ledger.jsonl").read_bytes().splitlines() if root.exists() else []
    return [entry["step"] for entry in map(orjson.loads, lines) if entry["stage"] == stage]


def study(root: Path) -> dict[str, bytes]:
    """The table without what tells where its cells lie."""
    folder = root / "04-study/study"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "config.json"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study in the directory `all`, made with two steps at a time."""
    place = prepare(tmp_path_factory.mktemp("undisturbed"))
    process = start(place, "run.at_once=2")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return place / "all"


def test_a_study_goes_from_shared_data_to_its_table(finished: Path) -> None:
    assert sorted(path.name for path in finished.iterdir() if path.is_dir()) == [
        "01-pool",
        "02-noisy-wrong0.1",
        "02-noisy-wrong0.6",
        *(f"03-graded-wrong{wrong}-seed{seed}" for wrong in (0.1, 0.6) for seed in (0, 1)),
        "04-study",
    ]
    found = orjson.loads(study(finished)["study.json"])
    assert found["name"] == "Wrong answers" and found["missing"] == []
    low, high = found["settings"]
    assert (low["parameters"], low["evaluated"]) == ({"wrong": 0.1}, [0, 1])
    assert low["result"]["mean"] > high["result"]["mean"] + 0.2
    assert found["findings"]["hurts"]["seeds"] == 2
    assert [ledger(finished, stage).count("pool") for stage in ("begun", "done")] == [1, 1]


@pytest.mark.parametrize(
    ("at_once", "cores", "given", "threads"),
    [
        (1, 8, {}, None),
        (2, 8, {}, "4"),
        (3, 8, {}, "2"),
        (9, 8, {}, "1"),
        (2, 8, {"OMP_NUM_THREADS": "3"}, "3"),
    ],
)
def test_steps_at_once_share_the_cores(
    at_once: int, cores: int, given: dict[str, str], threads: str | None
) -> None:
    made = shared_cores({"HOME": "/h"} | given, at_once, cores)
    assert made.pop("OMP_NUM_THREADS", None) == threads and made == {"HOME": "/h"}


def test_its_status_is_a_matrix_of_cells(finished: Path, here: Here, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "all")
    shutil.rmtree(tmp_path / "all/03-graded-wrong0.6-seed1")
    code, out, _ = here("status", "all")
    assert code == 0 and "6 of 8 steps" in out  # the study was of another table
    assert re.search(r"wrong +noisy +graded *\n.*\n?.*0\.1 +# +##", out), out
    assert re.search(r"0\.6 +# +#!", out) and "# done" in out
    (said,) = orjson.loads(here("status", "all", "json=true")[1])
    assert [(s["of"], s["cell"]) for s in said["steps"]][3:5] == [
        ("graded", {"wrong": 0.1, "seed": 0}),
        ("graded", {"wrong": 0.1, "seed": 1}),
    ]


def test_a_cell_that_fails_leaves_the_others_and_is_all_that_is_done_again(
    finished: Path, here: Here, tmp_path: Path
) -> None:
    root, broken = prepare(tmp_path) / "all", "graded-wrong0.6-seed0"
    shutil.copytree(finished, root)
    for name in (broken, "graded-wrong0.6-seed1"):
        shutil.rmtree(root / f"03-{name}")
    (root / f"03-{broken}").mkdir()
    (root / f"03-{broken}/notes.txt").write_text("mine")
    begun = len(ledger(root, "begun"))
    code, _, err = here("pipeline", *WORDS)
    last = err.splitlines()[-1]
    assert code == 2 and last.startswith(f"failed: step {broken}: ") and "holds something else" in last
    assert ledger(root, "begun")[begun:] == [broken, "graded-wrong0.6-seed1"]
    shown = here("status", "all")[1]
    assert re.search(r"0\.6 +# +!#", shown) and f"{broken}: " in shown
    shutil.rmtree(root / f"03-{broken}")
    assert here("resume", "all")[0] == 0
    assert ledger(root, "begun")[begun + 2 :] == [broken]  # the table is of the same cells again
    assert study(root) == study(finished)


@pytest.mark.slow
def test_killed_in_the_middle_it_ends_with_the_same_table(finished: Path, here: Here, tmp_path: Path) -> None:
    root = prepare(tmp_path) / "all"
    process = start(tmp_path, "steps.graded.teacher.rehearsal.latency=0.3", "run.at_once=2")
    deadline = time.monotonic() + 90
    while not any(root.glob("03-graded-*/generate/*.jsonl.zst")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = ledger(root, "done")
    assert len(done) < STEPS
    assert here("pipeline", *WORDS)[0] == 0
    assert sorted(ledger(root, "done")) == sorted(set(ledger(root, "begun")))
    assert study(root) == study(finished)


def test_the_plan_says_what_is_shared_and_what_all_cells_come_to(here: Here, tmp_path: Path) -> None:
    prepare(tmp_path)
    code, out, err = here("pipeline", *WORDS, "seeds=20", "plan=true")
    assert (code, err) == (0, "")
    for words in (
        "2  noisy: jobs.combine, 2 x: once for each wrong\n",
        "3  graded: jobs.evaluate, 40 x: once for each wrong and seed\n",
        "such as  graded-wrong0.1-seed0\n",
        "makes    12 records x 1 samples by rehearsal: 12\n",
        "in all   480 samples\n",
        "cells      40: 42 steps for them, 2 that all share\n",
        "to do      516 samples\n",
    ):
        assert words in out
    assert len(out.splitlines()) < 40 and not (tmp_path / "all").exists()


def test_the_plan_on_slurm_has_the_jobs_of_one_cell(here: Here, tmp_path: Path) -> None:
    prepare(tmp_path)
    site = ("+cluster=slurm", "cluster.partition=gpu", "cluster.gpus_per_node=4", "cluster.cpu_partition=cpu")
    code, out, err = here("pipeline", *WORDS, *site, "cluster.tokens_per_second=1000", "plan=true")
    assert (code, err) == (0, "")
    heads = re.findall(r"^== (.*): (\w+)$", out, flags=re.M)
    assert [name for name, stage in heads if stage in ("generate", "step")] == [
        "pool",
        "noisy-wrong0.1",
        "graded-wrong0.1-seed0",
        "study",
    ]
    assert re.search(r"to do      84 samples, \d+\.\d GPU hours for samples\n", out)
    code, _, err = here("pipeline", *WORDS, *site, "run.at_once=2")
    assert code == 2 and "run.at_once: is for this machine" in err


def test_a_finding_about_no_setting_is_refused_before_anything_is_made(here: Here, tmp_path: Path) -> None:
    prepare(tmp_path)
    code, out, err = here("pipeline", *WORDS, "wrong=[0.2,0.6]")
    assert (code, out) == (2, "") and not (tmp_path / "all").exists()
    assert "step study: findings.hurts.first: no cell has wrong=0.1; there are wrong=0.2, wrong=0.6" in err


@pytest.mark.slow
def test_steps_at_once_are_stopped_together(tmp_path: Path) -> None:
    prepare(tmp_path)
    process = start(tmp_path, "steps.graded.teacher.rehearsal.latency=1", "run.at_once=3")
    root, deadline = tmp_path / "all", time.monotonic() + 90
    while len(list(root.glob("03-graded-*/plan.json"))) < 3:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.splitlines()[-1] == "stopped; the same command continues"
    assert not any(
        str(root).encode() in cmdline
        for pid in Path("/proc").iterdir()
        if pid.name.isdigit() and (cmdline := _cmdline(pid))
    )


def _cmdline(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_a_recipe_without_cells_may_gather_one_evaluation(here: Here, tmp_path: Path) -> None:
    text: Any = STUDY.replace('cells: {wrong: "${wrong}"}\nseeds: ${seeds}\n', "")
    text = text.replace("${cell:wrong}", "0.1").replace("${cell:seed}", "1")
    prepare(tmp_path, text[: text.index("      findings")])
    code, out, err = here("pipeline", *WORDS, "plan=true")
    assert code == 0, err
    assert "4  study: jobs.gather\n    needs    graded\n" in out and "cells  " not in out
