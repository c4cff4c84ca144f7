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
from omi_core.options import ConfigError
from omi_core.protocol import load_evaluate
from tests.conftest import Here, Job
from tests.evaluate.test_estimators import counted

REHEARSED = ("teacher=rehearsal", "cluster.workers=1")


def benchmark(
    place: Path, name: str, rows: list[dict[str, Any]], more: str = "", answer: str = "answer"
) -> str:
    """A YAML file of a benchmark, and the file of its rows."""
    (place / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    text = f"data: {{path: {name}.jsonl, answer: {answer}}}\nrows: {len(rows)}\nsource: made here\n{more}\n"
    (place / f"{name}.yaml").write_text(text)
    return f"{name}.yaml"


def sums(count: int) -> list[dict[str, Any]]:
    return [
        {"problem": f"What is {n} + 3?", "answer": str(n + 3), "level": f"Level {n % 3}", "type": "sums"}
        for n in range(count)
    ]


def outcome(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (directory / "evaluation").iterdir()}


def figures(directory: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """(benchmark, part, metric, k) → row of evaluation.json."""
    said = orjson.loads((directory / "evaluation/evaluation.json").read_bytes())
    return {(row["benchmark"], row["part"], row["metric"], row["k"]): row for row in said["rows"]}


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


@pytest.mark.vllm
@pytest.mark.timeout(600)
@pytest.mark.parametrize("teacher", ["tiny", pytest.param("tiny_weak", marks=pytest.mark.slow)])
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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["benchmarks=[mine.yaml]"], "model: missing; give model="),
        (["teacher=rehearsal"], "benchmarks=[]: missing; give some of aime24"),
        (["teacher=rehearsal", "benchmarks=[gms8k]"], "no such benchmark (did you mean gsm8k?)"),
        (["teacher=rehearsal", "benchmarks=[mine.yaml,mine.yaml]"], "mine is given twice"),
        (["teacher=rehearsal", "benchmarks=[short.yaml]"], "has 3 rows in place of 5"),
        (["teacher=rehearsal", "model=x", "benchmarks=[mine.yaml]"], "teacher=rehearsal is another one"),
        (
            ["teacher=rehearsal", "benchmarks=[mine.yaml]", "min.other=0.5"],
            "min.other: not one of the benchm",
        ),
        (["teacher=rehearsal", "benchmarks=[mine.yaml]", "min.mine=90"], "90 % is 0.9"),
        (
            ["teacher=rehearsal", "benchmarks=[mine.yaml]", "temperature=0", "sampling.temperature=1"],
            "give one of them",
        ),
        (["teacher=rehearsal", "benchmarks=[mine.yaml]", "temperature=0", "samples=2"], "are the same"),
        (["teacher=rehearsal", "benchmarks=[mine.yaml]", "run.min_coverage=0.5"], "takes every sample"),
        (
            ["teacher=rehearsal", "benchmarks=[mine.yaml]", "answers.min_votes=3"],
            "answers.min_votes: not read",
        ),
        (["teacher=rehearsal", "benchmarks=[mine.yaml]", "judge=nobody"], "teacher=nobody"),
        (["teacher=rehearsal", "benchmarks=[mine.yaml]", "judge_wrong=true"], "there is no judge"),
        (["teacher=rehearsal", "benchmarks=[choices.yaml]"], "neither a letter nor a number"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_leaves_nothing(
    here: Here, tmp_path: Path, words: list[str], says: str
) -> None:
    benchmark(tmp_path, "mine", sums(3))
    benchmark(tmp_path, "short", sums(3))
    (tmp_path / "short.yaml").write_text("data: {path: short.jsonl, answer: answer}\nrows: 5")
    benchmark(tmp_path, "choices", [{"problem": "Which?", "answer": "E", "of": ["1", "2"]}], "choices: of")
    code, _, err = here("evaluate", *words, "run.dir=run")
    assert code == 2 and err.count("\n") == 1 and says in err
    assert not (tmp_path / "run").exists()


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


@pytest.mark.parametrize("word", ["data", "training_data"])
def test_the_questions_that_training_data_holds_are_counted(here: Here, tmp_path: Path, word: str) -> None:
    texts = [
        "A baker has 4 trays of 12 rolls and sells 30 of them today. How many are left?",
        "Which regular polygon has angles of 150 degrees at every corner, by its number of sides?",
    ]
    rows = [{"problem": text, "answer": "5", "options": ["5", "6"]} for text in texts]
    names = [benchmark(tmp_path, "a", rows), benchmark(tmp_path, "b", rows, "choices: options", "answer")]
    (tmp_path / "b.jsonl").write_bytes(
        b"".join(
            orjson.dumps(row | {"answer": "A", "problem": row["problem"] + " Say it."}) + b"\n"
            for row in rows
        )
    )
    (tmp_path / "train.jsonl").write_bytes(orjson.dumps({"problem": texts[0].upper()}) + b"\n")
    words = ("evaluate", *REHEARSED, f"benchmarks=[{','.join(names)}]", "run.dir=run")
    code, out, _ = here(*words, f"{word}=train.jsonl")
    assert code == 0 and "a: 1 of 2 questions (50.0%) stand in train.jsonl, in 1 of its 1 problems" in out
    assert "b: 1 of 2 questions" in out
    assert len((tmp_path / "run/contamination.jsonl").read_bytes().splitlines()) >= 1
    code, _, err = here(*words, f"{word}=nowhere.jsonl")
    assert code == 2 and err == "error: data=nowhere.jsonl: no such file\n"


@pytest.mark.parametrize("more", [(), ("judge_wrong=true",)])
def test_a_judge_rules_on_what_is_undecided_and_both_figures_are_kept(
    here: Here, tmp_path: Path, more: tuple[str, ...]
) -> None:
    rows = [{"problem": f"How many are {n}?", "answer": "infinitely many"} for n in range(12)]
    name = benchmark(tmp_path, "mine", rows)
    words = ("evaluate", *REHEARSED, f"benchmarks=[{name}]", "samples=3", "run.dir=run")
    words += ("teacher.rehearsal.wrong=0.5", "teacher.rehearsal.hostile=0")
    assert here(*words)[0] == 0
    before = outcome(tmp_path / "run")
    code, out, err = here(*words, "judge=rehearsal", *more)
    assert code == 0, err
    assert "with the rulings of rehearsal" in out and outcome(tmp_path / "run") == before
    judged = read_outcome(tmp_path / f"run/judged-rehearsal{'-all' if more else ''}")
    old = read_outcome(tmp_path / "run/evaluation")
    shares = [
        {figure.metric: figure for figure in each.figures if figure.k in (1, None)} for each in (old, judged)
    ]
    assert shares[1]["undecided"].value < shares[0]["undecided"].value
    assert shares[0]["pass"].value <= shares[1]["pass"].value
    from omi_core import open_run

    (rulings,) = (path for path in (tmp_path / "run").iterdir() if path.name.startswith("rulings"))
    ruled = list(open_run(rulings).rows())
    lines = (tmp_path / "run/evaluation/pairs.jsonl").read_bytes().splitlines()
    pairs = [orjson.loads(line) for line in lines]
    asked_about = {(row["problem"], row["given_answer"]) for row in ruled}
    assert asked_about == {
        (pair["problem"], pair["given_answer"]) for pair in pairs if more or pair["verdict"] == "undecided"
    }
    again = here(*words, f"judge={rulings}", *more)
    assert again[0] == 0 and (tmp_path / f"run/judged-{rulings.name}").is_dir()


def test_a_judge_without_a_question_is_not_asked(here: Here, tmp_path: Path) -> None:
    name = benchmark(tmp_path, "mine", sums(3))
    words = ("evaluate", *REHEARSED, f"benchmarks=[{name}]", "run.dir=run", "judge=rehearsal")
    code, out, _ = here(*words, "teacher.rehearsal.hostile=0", "teacher.rehearsal.wrong=0")
    assert code == 0 and "nothing to ask" in out


def test_scores_choose_the_best_of_k_and_weigh_votes(here: Here, tmp_path: Path) -> None:
    """Scores that know what is right find it whenever any sample is right."""
    from omi_core.publish.parts import read_part

    name = benchmark(tmp_path, "mine", sums(10))
    words = ("evaluate", *REHEARSED, f"benchmarks=[{name}]", "samples=4", "run.dir=run")
    words += ("teacher.rehearsal.wrong=0.5",)
    assert here(*words)[0] == 0
    scores = [
        {"record_id": row["record_id"], "sample": row["sample"], "score": float(row["verdict"] == "right")}
        for row in read_part(tmp_path / "run/reduce/of-00001/part-00000.jsonl.zst")
    ]
    (tmp_path / "known.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in scores))
    code, out, err = here(*words, "scores=known.jsonl")
    assert code == 0 and "rm@4 %" in out and "weighted@4 %" in out, err
    found = {
        (figure.metric, figure.k): figure.value
        for figure in read_outcome(tmp_path / "run/scored-known").figures
    }
    for k in range(1, 5):
        assert found["best", k] == found["pass", k]
    assert found["weighted", 4] == found["pass", 4]
    (tmp_path / "few.jsonl").write_bytes(orjson.dumps(scores[0]) + b"\n")
    code, _, err = here(*words, "scores=few.jsonl")
    assert code == 2 and "is missing; score all" in err and not (tmp_path / "run/scored-few").exists()
    (tmp_path / "bad.jsonl").write_bytes(b'{"record_id": "x", "sample": 0, "score": "high"}\n')
    assert "holds no score" in here(*words, "scores=bad.jsonl")[2]


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


def test_no_model_and_no_benchmark_are_mistakes_in_python_too() -> None:
    with pytest.raises(ConfigError, match="^model: missing"):
        load_evaluate({"benchmarks": ["gsm8k"], "teacher": {"model": "", "name": ""}})
