"""Training as a step of recipes: planned, carried out, resumed after a kill, evaluated in a later step."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.config import Generate
from omi_core.evaluate.outcome import read_outcome
from omi_core.pipeline import composing
from omi_core.pipeline.definition import Pipeline
from omi_core.pipeline.run_steps import carry_out
from omi_core.pipeline.start import write
from omi_core.pipeline.step_progress import begin
from omi_core.pipeline.steps import generate_of
from omi_core.publish.verify import verify
from omi_core.stages.planning import generate_content
from omi_core.training.curves import read_curve
from tests.conftest import Here
from tests.installed import needs
from tests.jobs.evaluating import benchmark, sums
from tests.training.conftest import chat, one_thread, small_model, write_rows

needs("trl")
__all__ = ["one_thread"]
# What TRL and transformers warn of at their import is no fault of ours.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]

TRAINING = (
    *("student.model=small", "student.scratch=true"),
    *("training.batch=4", "training.micro_batch=4", "training.save_every=20"),
    *("training.learning_rate=3e-3", "training.report_to=[]"),
)
WORDS = ("pipeline", "recipe=r.yaml", "run.dir=all")


def options(words: tuple[str, ...]) -> dict[str, Any]:
    """Words of a command line as options of a recipe."""
    pairs = (word.partition("=")[::2] for word in words)
    return {key: [] if value == "[]" else value for key, value in pairs}


def recipe(place: Path, updates: int = 12, **changes: dict[str, Any]) -> None:
    """r.yaml: problems are solved, a student is trained and evaluated; `changes` are options of a step."""
    if not (place / "small").exists():
        small_model(place / "small")
        benchmark(place, "mine", sums(6))
    solve = {"teacher": "rehearsal", "data.size": 12, "samples": 2, "cluster.workers": 1}
    student = {"data": "${step:solve}", "training.steps": updates, **options(TRAINING)}
    graded = {"model": "${step:student}", "benchmarks": ["mine.yaml"], "teacher.max_model_len": 256}
    steps = {
        "solve": {"command": "generate", "options": solve},
        "student": {"command": "train", "options": student},
        "graded": {"command": "evaluate", "options": graded},
    }
    for name, more in changes.items():
        steps[name]["options"] |= more
        for key in [key for key, value in more.items() if value is None]:
            del steps[name]["options"][key]
    (place / "r.yaml").write_bytes(orjson.dumps({"steps": steps}))  # JSON is YAML


def test_the_plan_shows_what_is_known_before_the_data_is_there(here: Here, tmp_path: Path) -> None:
    recipe(tmp_path)
    before = set(tmp_path.iterdir())
    code, out, err = here(*WORDS, "plan=true")
    assert (code, err) == (0, ""), err
    assert "parameters, from random weights" in out
    assert "rows not known yet, 12 steps of 4 rows" in out
    assert "GiB for checkpoints and model" in out
    assert "6 records x 1 samples by model: 6" in out
    assert set(tmp_path.iterdir()) == before


def test_on_slurm_it_is_a_job_on_gpus_and_one_on_a_cpu_behind_it(here: Here, tmp_path: Path) -> None:
    recipe(tmp_path, student={"nodes": 2, "cluster.time": "9:00:00"})
    site = ("+cluster=slurm", "cluster.partition=gpu", "cluster.gpus_per_node=2", "cluster.cpu_partition=cpu")
    code, out, err = here(*WORDS, *site, "plan=true")
    assert (code, err) == (0, "")
    heads = re.findall(r"^== (student: .*)$", out, flags=re.M)
    assert heads == ["student: train", "student: step", "student: rescue"]
    work, after, _ = re.split(r"^== student: .*\n", out, flags=re.M)[1:]
    for line in ("--nodes=2", "--partition=gpu", "--time=9:00:00", "--gpus-per-node=2"):
        assert f"#SBATCH {line}\n" in work
    assert " train student" in work and "scontrol requeue" in work
    for line in ("--nodes=1", "--partition=cpu", "--dependency='afterany:<train>'"):
        assert f"#SBATCH {line}\n" in after
    assert " step student" in after and "--gpus" not in after
    few = here(*WORDS, *site, "steps.student.training.batch=6")
    assert few[0] == 2 and "training.batch=6: does not divide over 4 processes" in few[2]


def test_stages_take_the_data_of_several_steps_and_of_files(here: Here, tmp_path: Path) -> None:
    two = {"training.stages": {"first": {}, "second": {"learning_rate": 1e-4}}}
    recipe(tmp_path, student={"data": ["rows.jsonl", "${step:solve}"], **two})
    write_rows(tmp_path / "rows.jsonl", [chat("What is 1 + 1?", "2")] * 5)
    code, out, err = here(*WORDS, "plan=true")
    assert (code, err) == (0, ""), err
    assert "first    rows.jsonl: 5 rows, 5 taken" in out and "second   rows not known yet" in out
    assert "learning rate 0.0001" in out


def test_a_student_may_be_a_teacher_or_train_on_in_a_later_step(here: Here, tmp_path: Path) -> None:
    recipe(tmp_path)
    steps = orjson.loads((tmp_path / "r.yaml").read_bytes())["steps"]
    again = {"teacher": "model", "teacher.model": "${step:student}", "prompt.path": "${step:student.prompt}"}
    steps["taught"] = {"command": "generate", "options": {"data.size": 3, "samples": 2, **again}}
    on = {"data": "${step:taught}", "student.scratch": False, "student.model": "${step:student}"}
    steps["more"] = {"command": "train", "options": {**steps["student"]["options"], **on}}
    (tmp_path / "r.yaml").write_bytes(orjson.dumps({"steps": steps}))
    code, out, err = here(*WORDS, "plan=true")
    assert (code, err) == (0, ""), err
    assert "3 records x 2 samples by model: 6" in out
    assert "known when the step that makes it is done" in out


@pytest.mark.parametrize(
    ("step", "change", "message"),
    [
        ("student", {"traning.steps": 3}, "traning.steps: no such option"),
        ("student", {"data": None}, "data: missing"),
        ("student", {"data": "${step:graded}"}, "no such step before this one"),
        ("student", {"data": "rows.jsonl"}, "rows.jsonl"),
        ("student", {"training": "acemath_sft"}, "data: 1 given for 3 stages"),
        ("student", {"training.learning_rate": None, "training": "openmath2"}, "give training.learning_rate"),
        ("student", {"student.model": "./nowhere"}, "student.model=./nowhere: no such directory"),
        ("student", {"training.max_length": 9999}, "training.max_length=9999: the context of small has"),
        ("student", {"nodes": 2}, "nodes=2: only a cluster has several"),
        ("student", {"run.dir": "x"}, "run.dir: is set by the pipeline"),
        ("graded", {"model": "${step:student.weights}"}, "step student makes no weights"),
        ("graded", {"benchmarks": ["no.yaml"]}, "benchmarks=no.yaml: no such file"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_step(
    here: Here, tmp_path: Path, step: str, change: dict[str, Any], message: str
) -> None:
    recipe(tmp_path, 12, **{step: change})
    code, out, err = here(*WORDS)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert f"step {step}: " in err and message in err
    assert not (tmp_path / "all").exists()


def test_the_fingerprint_covers_settings_model_and_data_and_not_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(name: str, rows: int = 5, **changes: Any) -> str:
        place = tmp_path / name
        place.mkdir()
        monkeypatch.chdir(place)
        recipe(place, student={"data": "rows.jsonl", **changes})
        write_rows(place / "rows.jsonl", [chat("What is 1 + 1?", "2")] * rows)
        return composing.compose(*composing.read_words(["recipe=r.yaml"])).fingerprint

    first = fingerprint("a")
    assert fingerprint("b", 5, **{"training.micro_batch": 2}) == first
    others = [fingerprint("c", rows=6), fingerprint("d", 5, **{"training.batch": 8})]
    others.append(fingerprint("e", 5, **{"student.model": "embedded:weak"}))
    assert len({first, *others}) == 4


def carried_out(*words: str) -> Pipeline:
    """The pipeline with its first two steps done, in this process."""
    pipeline = composing.compose(*composing.read_words(["recipe=r.yaml", "run.dir=all", *words]))
    write(pipeline)
    for name in ("solve", "student"):
        begin(pipeline, pipeline.step(name))
        assert carry_out(pipeline, name) == 0
    return pipeline


def test_it_makes_the_bytes_of_the_command_alone_and_is_asked_with_its_own_prompt(
    here: Here, tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluation behind it is only planned here: an engine takes long to start."""
    monkeypatch.chdir(tmp_path)
    recipe(tmp_path)
    pipeline, folder = carried_out(), tmp_path / "all/02-student"
    assert here("train", "data=all/01-solve", "training.steps=12", *TRAINING, "run.dir=alone")[0] == 0
    same_model(folder, tmp_path / "alone")
    solve, student, graded = orjson.loads(here("status", "all", "json=true")[1])[0]["steps"]
    assert (solve["state"], student["state"], graded["state"]) == ("done", "done", "to do")
    assert student["rows_in"] == student["rows_out"] == solve["rows_out"]
    out = here(*WORDS, "plan=true")[1]
    assert f"done     {solve['rows_out']} rows, {student['hash'][:12]}" in out
    assert "6 records x 1 samples by model: 6" in out

    def planned() -> Generate:
        return generate_of("evaluate", pipeline.config(pipeline.step("graded")))

    assert planned().prompt.path == str(folder / "model/prompt.yaml")
    before = generate_content(planned())
    (folder / "model/README.md").write_text("in other words\n")  # a card is a person's to change
    assert generate_content(planned()) == before
    assert "2 of 3 steps" in here("status", "all")[1]
    (folder / "model/model.safetensors").write_bytes(b"half")
    assert "1 of 3 steps" in here("status", "all")[1]
    begin(pipeline, pipeline.step("student"))
    assert carry_out(pipeline, "student") == 0
    same_model(folder, tmp_path / "alone")


def same_model(one: Path, other: Path) -> None:
    for name in ("model.safetensors", "config.json", "tokenizer.json", "prompt.yaml", "trained.json"):
        assert (one / "model" / name).read_bytes() == (other / "model" / name).read_bytes(), name
    curves = ([point["loss"] for point in read_curve(place / "stage-1")] for place in (one, other))
    assert next(curves) == next(curves)


def start(place: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobs.pipeline", *WORDS[1:]]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # a second thread waits more than it works
    return subprocess.Popen(command, cwd=place, env=alone, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_in_its_training_it_goes_on_to_the_bytes_of_the_command_alone(
    here: Here, tmp_path: Path, one_thread: None
) -> None:
    recipe(tmp_path, updates=50)
    steps = orjson.loads((tmp_path / "r.yaml").read_bytes())["steps"]
    del steps["graded"]
    (tmp_path / "r.yaml").write_bytes(orjson.dumps({"steps": steps}))
    process = start(tmp_path)
    folder = tmp_path / "all/02-student"
    deadline = time.monotonic() + 200
    while not any(folder.glob("stage-1/checkpoint-*")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "model").exists()
    shown = orjson.loads(here("status", "all", "json=true")[1])[0]["steps"][1]
    assert (shown["state"], shown["training"]["state"]) == ("stopped", "stopped")
    assert 0 < shown["training"]["step"] < 50 == shown["training"]["steps"]
    assert "of 50, loss " in here("status", "all")[1]
    process = start(tmp_path)
    assert process.wait() == 0, process.communicate()
    assert here("train", "data=all/01-solve", "training.steps=50", *TRAINING, "run.dir=alone")[0] == 0
    same_model(folder, tmp_path / "alone")
    assert "complete, nothing to do" in here(*WORDS)[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.vllm
def test_the_demo_goes_from_a_teacher_to_the_evaluation_on_the_students_card(
    here: Here, tmp_path: Path
) -> None:
    """With a rehearsal as its teacher: what the student learns is shown in tests/training/test_student.py."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    few = ("teacher=rehearsal", "size=10", "samples=2", "test_size=3", "steps.student.training.steps=2")
    more = ("steps.student.training.report_to=[]", "steps.graded.sampling.max_tokens=8", "run.dir=all")
    code, out, err = here("pipeline", "recipe=student_demo", *few, *more)
    assert code == 0, err
    steps = orjson.loads(here("status", "all", "json=true")[1])[0]["steps"]
    assert [(step["name"], step["state"]) for step in steps] == [
        (name, "done") for name in ("lessons", "student", "graded")
    ]
    assert (steps[1]["rows_in"], steps[2]["rows_in"], steps[2]["rows_out"]) == (steps[0]["rows_out"], 3, 3)
    card = (tmp_path / "all/02-student/model/README.md").read_text()
    assert card.count("## Evaluation of model") == 1 and "| demo | 3 |" in card
    before = {path: path.read_bytes() for path in (tmp_path / "all").rglob("*.json")}
    assert "complete, nothing to do" in here("pipeline", "recipe=student_demo", *few, *more)[2]
    assert {path: path.read_bytes() for path in before} == before


REWARD_DEMO = (
    *("recipe=acemath_rm_demo", "teacher=rehearsal", "second_teacher=rehearsal", "asked=rehearsal"),
    *("size=12", "test_size=4", "samples=6", "run.dir=all", "teacher.rehearsal.wrong=0.5"),
    *(f"steps.{name}.cluster.workers=1" for name in ("first", "second", "graded")),
    *("steps.second.seed=1", "steps.reward_data.workers=1", "steps.reward_data.size=4"),
    *("steps.reward_model.training.steps=2", "steps.reward_model.training.report_to=[]"),
)


def test_the_plan_of_the_reward_models_demo_goes_from_responses_to_the_best_of_k(here: Here) -> None:
    code, out, err = here("pipeline", *REWARD_DEMO, "plan=true")
    assert (code, err) == (0, "")
    steps = ("first", "second", "scores_of_first", "scores_of_second", "reward_data")
    for name in (*steps, "reward_model", "graded", "ranked"):
        assert f" {name}: jobs." in out
    assert "rows not known yet, 2 steps of 16 rows" in out and "4 records x 6 samples by rehearsal" in out


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.vllm
def test_the_reward_models_demo_goes_from_two_teachers_to_the_best_of_k(here: Here, tmp_path: Path) -> None:
    """By rehearsal here; the embedded teachers take minutes."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    code, out, err = here("pipeline", *REWARD_DEMO)
    assert code == 0, out + err
    verify(tmp_path / "all/05-reward_data/dataset")
    stats = orjson.loads((tmp_path / "all/05-reward_data/dataset/stats.json").read_bytes())
    inputs = stats["counts"]["inputs"]
    assert inputs["1"]["read"] == inputs["2"]["read"] == 72
    steps = orjson.loads(here("status", "all", "json=true")[1])[0]["steps"]
    assert [step["state"] for step in steps] == ["done"] * 8
    assert 6 < steps[4]["rows_out"] <= 12 and steps[5]["rows_in"] == steps[4]["rows_out"]
    assert steps[6]["rows_out"] == 24 >= steps[7]["rows_out"] > 12
    figures = read_outcome(tmp_path / "all/08-ranked/scored").figures
    assert {(each.metric, each.k) for each in figures} >= {("best", 6), ("majority", 6), ("pass", 6)}
    card = (tmp_path / "all/06-reward_model/model/README.md").read_text()
    assert "rm@6 %" in card and "pairs in order %" in card
    code, _, err = here("pipeline", *REWARD_DEMO)
    assert code == 0 and "complete, nothing to do" in err
