"""`jobs.evaluate`: from benchmarks to figures with intervals, whatever happens on the way."""

from __future__ import annotations

import csv
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

from omi_core.evaluate.outcome import read_outcome
from omi_core.evaluate.tallies import VERDICTS, Tally
from omi_core.protocol import load_evaluate
from tests.conftest import Here, Job
from tests.evaluate.test_estimators import counted
from tests.jobs.evaluating import REHEARSED, benchmark, figures, outcome, sums


def test_an_evaluation_is_a_table_a_file_of_figures_and_every_verdict(here: Here, tmp_path: Path) -> None:
    first = benchmark(tmp_path, "first", sums(12), "level: level\nsubject: type")
    second = benchmark(tmp_path, "second", sums(5))
    code, out, _ = here("evaluate", *REHEARSED, f"benchmarks=[{first},{second}]", "samples=6", "run.dir=run")
    assert code == 0
    assert "pass@1 %" in out and "maj@6 %" in out and "second: 5 problems tell pass@1" in out
    found = figures(tmp_path / "run")
    assert {k for name, part, metric, k in found if (name, part, metric) == ("first", None, "majority")} == {
        *range(1, 7)
    }
    parts = {
        (row["by"], row["part"]): row["problems"] for row in found.values() if row["benchmark"] == "first"
    }
    assert parts == {(None, None): 12, ("level", "Level 0"): 4, ("level", "Level 1"): 4} | {
        ("level", "Level 2"): 4,
        ("subject", "sums"): 12,
    }
    for row in found.values():
        assert row["low"] <= row["value"] <= row["high"]
    with (tmp_path / "run/evaluation/evaluation.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found)
    code, shown, _ = here("status", "run")
    assert code == 0 and re.search(r"evaluation +102 rows", shown)
    assert not (tmp_path / "run/dataset").exists()
    again = here("evaluate", *REHEARSED, f"benchmarks=[{first},{second}]", "samples=6", "run.dir=run")
    assert again[0] == 0 and "nothing to do" in again[2] and "pass@1 %" in again[1]


def test_figures_are_those_of_the_statistics_and_of_a_count_over_all_subsets(
    here: Here, tmp_path: Path
) -> None:
    name = benchmark(tmp_path, "mine", sums(30))
    words = ("teacher.rehearsal.wrong=0.4", "teacher.rehearsal.malformed=0.2", "samples=8", "run.dir=run")
    assert here("evaluate", *REHEARSED, f"benchmarks=[{name}]", *words)[0] == 0
    compare_with_statistics(tmp_path / "run")


def compare_with_statistics(directory: Path) -> None:
    found = figures(directory)
    truth = orjson.loads((directory / "evaluation/stats.json").read_bytes())["counts"]["truth"]
    (tally,) = read_outcome(directory / "evaluation").tallies()
    shares = {
        ("pass", 1): truth.get("equal", 0) / truth["samples"],
        ("pass", 8): truth["records_solved"] / truth["records"],
        ("majority", 8): truth["majority_equal"] / truth["records"],
    }
    for (metric, k), share in shares.items():
        assert found[tally.benchmark, None, metric, k]["value"] == pytest.approx(share, abs=1e-6)
    for k in (1, 2, 3, 5, 8):
        expected = sum(_counted(tally, at, k) for at in range(len(tally.problems))) / len(tally.problems)
        assert found[tally.benchmark, None, "majority", k]["value"] == pytest.approx(expected, abs=1e-6)


def _counted(tally: Tally, at: int, k: int) -> float:
    votes = tally.votes[at].tolist()
    right = (tally.verdicts[at] == VERDICTS.index("right")).tolist()
    return counted(votes, {vote for vote, correct in zip(votes, right, strict=True) if correct}, k)


# An evaluation by vLLM is in the tests of CI, too: at the end of tests/pipeline/test_train_step.py.
@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(600)
@pytest.mark.parametrize("teacher", ["tiny", "tiny_weak"])
def test_the_embedded_teachers_on_a_held_out_set_of_their_world(
    job: Job, tmp_path: Path, teacher: str
) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from omi_core.teachers.tiny import world

    rows = [{"problem": one.text, "answer": one.answer} for one in world.draw(0, 24, "test")]
    name = benchmark(tmp_path, "world", rows)
    words = (f"teacher={teacher}", f"benchmarks=[{name}]", "samples=8", "cluster.workers=1", "run.dir=run")
    done = job("evaluate", *words, timeout=500)
    assert done.returncode == 0, done.stderr
    compare_with_statistics(tmp_path / "run")
    assert figures(tmp_path / "run")["world", None, "pass", 8]["value"] > 0.5


@pytest.mark.parametrize("words", [("tasks=3",), ("reduce_tasks=4",), ("tasks=2", "reduce_tasks=5")])
def test_the_bytes_are_the_same_for_any_number_of_tasks(
    here: Here, tmp_path: Path, words: tuple[str, ...]
) -> None:
    name = benchmark(tmp_path, "mine", sums(20), "level: level")
    common = ("evaluate", *REHEARSED, f"benchmarks=[{name}]", "samples=4")
    assert here(*common, "run.dir=one")[0] == 0 and here(*common, *words, "run.dir=other")[0] == 0
    assert outcome(tmp_path / "one") == outcome(tmp_path / "other")


def _written(place: Path) -> int:
    return sum(path.stat().st_size for path in place.glob("killed/generate/*.jsonl.zst"))


@pytest.mark.long
def test_an_evaluation_that_is_killed_goes_on_to_the_same_bytes(job: Job, tmp_path: Path) -> None:
    name = benchmark(tmp_path, "mine", sums(60))
    words = [*REHEARSED, f"benchmarks=[{name}]", "samples=6", "engine.max_num_seqs=8"]
    words += ["teacher.rehearsal.latency=0.05", "run.flush_samples=4"]
    assert job("evaluate", *words, "run.dir=whole", "teacher.rehearsal.latency=0").returncode == 0
    for tasks in (1, 2, 3):
        command = [sys.executable, "-m", "jobs.evaluate", *words, "run.dir=killed", f"tasks={tasks}"]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        before = _written(tmp_path)
        deadline = time.monotonic() + 60
        while _written(tmp_path) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed/evaluation").exists()
    assert job("resume", "killed").returncode == 0
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


def test_the_exit_code_is_0_whatever_the_score_and_1_below_what_is_asked_for(
    here: Here, tmp_path: Path
) -> None:
    name = benchmark(tmp_path, "mine", sums(8))
    words = ("evaluate", *REHEARSED, f"benchmarks=[{name}]", "teacher.rehearsal.wrong=0.9", "run.dir=run")
    words += ("teacher.rehearsal.hostile=0.0", "teacher.rehearsal.overlong=0.0")
    assert here(*words)[0] == 0
    code, _, err = here(*words, "min.mine=0.99")
    assert code == 1 and "min.mine=0.99: pass@1 is 0." in err
    assert here(*words, "min.mine=0")[0] == 0


def asked(tmp_path: Path, **values: Any) -> Any:
    name = str(tmp_path / benchmark(tmp_path, "mine", sums(2)))
    return load_evaluate({"benchmarks": [name], "teacher": {"model": "", "name": ""}} | values).generate


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 0.0),
        ({"samples": 4}, 0.7),
        ({"samples": 4, "temperature": 0.6}, 0.6),
        ({"samples": 4, "sampling": {"temperature": 0.9}}, 0.9),
    ],
)
def test_one_sample_is_greedy_and_several_are_drawn(
    tmp_path: Path, values: dict[str, Any], expected: float
) -> None:
    config = asked(tmp_path, model="some/model", **values)
    assert (config.sampling.temperature, config.sampling.max_tokens) == (expected, 4096)


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        ("llama31_8b", "put the answer, and only the answer, inside"),
        ("qwen25_math_72b", "[system]\nplease reason step by step"),
        ("endpoint", "please reason step by step"),
    ],
)
def test_a_teacher_is_asked_as_its_family_was_trained_for(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, teacher: str, expected: str
) -> None:
    """`evaluation_prompt` of its file, or the prompt that the file chooses; shown in the plan."""
    from omi_core.composing.compose import compose_values
    from omi_core.tasks.prompting import Prompting

    name = benchmark(tmp_path, "mine", sums(2))
    monkeypatch.chdir(tmp_path)
    model = ["model=m"] if teacher == "endpoint" else []
    words = [f"teacher={teacher}", *model, f"benchmarks=[{name}]"]
    if teacher == "endpoint":
        words.append("teacher.endpoint.url=http://localhost:1/v1")
    config = load_evaluate(compose_values("evaluate", words)).generate
    assert expected in Prompting(config).shown().lower()
    shown = here("evaluate", "teacher=rehearsal", f"benchmarks=[{name}]", "plan=true")
    assert shown[0] == 0 and "Please reason step by step" in shown[1]
    assert "samples    2 (1 per record)" in shown[1]


@pytest.mark.parametrize("template", [None, "{{ messages }}"])
def test_a_model_without_a_chat_template_goes_on_after_examples(tmp_path: Path, template: str | None) -> None:
    model = tmp_path / "model"
    model.mkdir()
    settings = {} if template is None else {"chat_template": template}
    (model / "tokenizer_config.json").write_bytes(orjson.dumps(settings))
    config = asked(tmp_path, model=str(model))
    expected = ("concise", "completion") if template is None else ("step_by_step", "chat")
    assert (config.prompt.name, config.prompt.format) == expected


def test_choices_are_graded_as_choices(here: Here, tmp_path: Path) -> None:
    rows = [
        {"problem": "Which is prime?", "answer": number, "options": ["4", "7", "9", "1"][:size]}
        for size, number in ((4, 1), (3, 1), (2, "B"))
    ]
    name = benchmark(tmp_path, "mine", rows, "choices: options")
    words = ("teacher.rehearsal.wrong=0", "teacher.rehearsal.hostile=0", "run.dir=run")
    assert here("evaluate", *REHEARSED, f"benchmarks=[{name}]", *words)[0] == 0
    from omi_core import open_run

    records = list(open_run(tmp_path / "run").records())
    assert [record.expected_answer for record in records] == ["B", "B", "B"]
    assert records[0].text.endswith("(A) 4\n(B) 7\n(C) 9\n(D) 1")
    assert figures(tmp_path / "run")["mine", None, "undecided", None]["value"] == 0


def test_the_same_problem_twice_counts_twice(here: Here, tmp_path: Path) -> None:
    name = benchmark(tmp_path, "mine", [*sums(3), *sums(2)])
    assert here("evaluate", *REHEARSED, f"benchmarks=[{name}]", "run.dir=run")[0] == 0
    assert figures(tmp_path / "run")["mine", None, "pass", 1]["problems"] == 5


def test_a_trial_takes_the_first_problems_of_each(here: Here, tmp_path: Path) -> None:
    names = [benchmark(tmp_path, name, sums(9)) for name in ("a", "b")]
    assert here("evaluate", *REHEARSED, f"benchmarks=[{','.join(names)}]", "limit=4", "run.dir=run")[0] == 0
    found = figures(tmp_path / "run")
    assert [found[name, None, "pass", 1]["problems"] for name in ("a", "b")] == [4, 4]


REAL = ("gsm8k", "math", "amc23", "aime24", "olympiadbench")


def test_real_sets_are_evaluated_from_their_files(here: Here, shared_data: Path, tmp_path: Path) -> None:
    words = ",".join(f"{name}={shared_data / name / 'test.jsonl'}" for name in REAL)
    code, out, _ = here(
        "evaluate", "teacher=rehearsal", f"benchmarks=[{words}]", "run.dir=run", "cluster.workers=1"
    )
    assert code == 0, out
    found = figures(tmp_path / "run")
    problems = [found[name, None, "pass", 1]["problems"] for name in REAL]
    assert problems == [1319, 5000, 40, 30, 675]
    for name in REAL:
        row = found[name, None, "pass", 1]
        assert 0.6 < row["value"] <= row["undecided_right"] < 0.85
    levels = {row["part"] for row in found.values() if row["by"] == "level"}
    assert levels >= {f"Level {number}" for number in range(1, 6)}


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_teacher_of_another_world_solves_next_to_nothing_of_real_sets(
    job: Job, shared_data: Path, tmp_path: Path
) -> None:
    """And is never stopped for it: a model that cannot answer is a result."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    words = ",".join(f"{name}={shared_data / name / 'test.jsonl'}" for name in REAL)
    options = ("teacher=tiny", f"benchmarks=[{words}]", "limit=6", "cluster.workers=1", "run.dir=run")
    done = job("evaluate", *options, timeout=500)
    assert done.returncode == 0, done.stderr
    found = figures(tmp_path / "run")
    for name in REAL:
        row = found[name, None, "pass", 1]
        assert row["value"] <= 0.5 and row["high"] > row["value"] and row["problems"] == 6


def test_a_damaged_outcome_is_told_and_scored_again(here: Here, tmp_path: Path) -> None:
    name = benchmark(tmp_path, "mine", sums(4))
    words = ("evaluate", *REHEARSED, f"benchmarks=[{name}]", "run.dir=run")
    assert here(*words)[0] == 0
    before = outcome(tmp_path / "run")
    (tmp_path / "run/evaluation/problems.jsonl").unlink()
    assert here(*words)[0] == 0 and outcome(tmp_path / "run") == before
    (tmp_path / "run/evaluation/evaluation.json").write_text("{}")
    with pytest.raises(ValueError, match=r"evaluation\.json: damaged .*score the run again"):
        read_outcome(tmp_path / "run/evaluation")
