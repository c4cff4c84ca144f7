"""Mistakes in what `jobs.evaluate` is asked for: one line each, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from omi_core.options import ConfigError
from omi_core.protocol import load_evaluate
from tests.conftest import Here
from tests.jobs.evaluating import benchmark, sums

REHEARSAL = "teacher=rehearsal"
MINE = (REHEARSAL, "benchmarks=[mine.yaml]")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["benchmarks=[mine.yaml]"], "model: missing; give model="),
        ([REHEARSAL], "benchmarks=[]: missing; give some of aime24"),
        ([REHEARSAL, "benchmarks=[gms8k]"], "no such benchmark (did you mean gsm8k?)"),
        ([REHEARSAL, "benchmarks=[mine.yaml,mine.yaml]"], "mine is given twice"),
        ([REHEARSAL, "benchmarks=[short.yaml]"], "has 3 rows in place of 5"),
        ([REHEARSAL, "model=x", "benchmarks=[mine.yaml]"], "teacher=rehearsal is another one"),
        (
            [*MINE, "min.other=0.5"],
            "min.other: not one of the benchm",
        ),
        ([*MINE, "min.mine=90"], "90 % is 0.9"),
        (
            [*MINE, "temperature=0", "sampling.temperature=1"],
            "give one of them",
        ),
        ([*MINE, "temperature=0", "samples=2"], "are the same"),
        ([*MINE, "run.min_coverage=0.5"], "takes every sample"),
        (
            [*MINE, "answers.min_votes=3"],
            "answers.min_votes: not read",
        ),
        ([*MINE, "judge=nobody"], "teacher=nobody"),
        ([*MINE, "judge_wrong=true"], "there is no judge"),
        ([*MINE, "judge=empty"], "judge=empty: is not published"),
        (
            [*MINE, "judge=endpoint"],
            "judge=endpoint: teacher.endpoint",
        ),
        (
            [REHEARSAL, "benchmarks=[gaps.yaml]"],
            "gaps.jsonl:2 has no such column; it has problem\n",
        ),
        ([REHEARSAL, "benchmarks=[mine.yaml,nothing.yaml]"], "benchmarks=nothing: holds no problems"),
        ([REHEARSAL, "benchmarks=[choices.yaml]"], "neither a letter nor a number"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_leaves_nothing(
    here: Here, tmp_path: Path, words: list[str], says: str
) -> None:
    benchmark(tmp_path, "mine", sums(3))
    benchmark(tmp_path, "short", sums(3))
    (tmp_path / "short.yaml").write_text("data: {path: short.jsonl, answer: answer}\nrows: 5")
    benchmark(tmp_path, "choices", [{"problem": "Which?", "answer": "E", "of": ["1", "2"]}], "choices: of")
    benchmark(tmp_path, "gaps", [{"problem": "1 + 1?", "answer": "2"}, {"problem": "2 + 2?"}])
    (tmp_path / "empty").mkdir()
    benchmark(tmp_path, "nothing", [])
    (tmp_path / "nothing.yaml").write_text("data: {path: nothing.jsonl, answer: answer}")
    code, _, err = here("evaluate", *words, "run.dir=run")
    assert code == 2 and err.count("\n") == 1 and says in err, err
    assert not (tmp_path / "run").exists()


def test_no_model_and_no_benchmark_are_mistakes_in_python_too() -> None:
    with pytest.raises(ConfigError, match="^model: missing"):
        load_evaluate({"benchmarks": ["gsm8k"], "teacher": {"model": "", "name": ""}})
