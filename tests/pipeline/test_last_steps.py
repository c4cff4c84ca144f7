"""Recipes that end in an evaluation."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from omi_core.pipeline import composing
from tests.conftest import Here
from tests.jobs.evaluating import benchmark, outcome, sums

EVALUATE = "teacher: rehearsal, benchmarks: [mine.yaml], samples: 3, cluster.workers: 1"


def recipe(place: Path, options: str = EVALUATE) -> Path:
    benchmark(place, "mine", sums(6))
    solve = "solve: {command: generate, options: {teacher: rehearsal, data.size: 4, cluster.workers: 1}}"
    text = f"steps: {{{solve}, graded: {{command: evaluate, options: {{{options}}}}}}}\n"
    (place / "r.yaml").write_text(text)
    return place / "r.yaml"


def test_a_recipe_ends_in_the_evaluation_that_the_command_alone_makes(here: Here, tmp_path: Path) -> None:
    recipe(tmp_path)
    words = ("pipeline", "recipe=r.yaml", "run.dir=all")
    code, out, err = here(*words, "plan=true")
    assert code == 0 and "6 records x 3 samples by rehearsal: 18" in out, err
    code, out, err = here(*words)
    assert code == 0, err
    alone = ("evaluate", "teacher=rehearsal", "benchmarks=[mine.yaml]", "samples=3", "cluster.workers=1")
    assert here(*alone, "run.dir=alone")[0] == 0
    assert outcome(tmp_path / "all/02-graded") == outcome(tmp_path / "alone")
    step = orjson.loads(here("status", "all", "json=true")[1])[0]["steps"][1]
    assert (step["state"], step["rows_in"], step["rows_out"]) == ("done", 6, 18)
    code, _, err = here(*words)
    assert code == 0 and "complete, nothing to do" in err
    (tmp_path / "all/02-graded/evaluation/evaluation.json").unlink()
    assert here("resume", "all")[0] == 0
    assert outcome(tmp_path / "all/02-graded") == outcome(tmp_path / "alone")


@pytest.mark.parametrize("option", ["min.mine: 0.5", "judge: tiny", "scores: s.jsonl", "data: t.jsonl"])
def test_what_is_asked_of_a_finished_evaluation_is_refused_in_a_recipe(
    here: Here, tmp_path: Path, option: str
) -> None:
    recipe(tmp_path, f"{EVALUATE}, {option}")
    code, out, err = here("pipeline", "recipe=r.yaml")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert f"{option.partition(':')[0]}: is asked of a finished run; give it to jobs.evaluate run.dir=" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (EVALUATE.replace("mine.yaml", "gsm"), "benchmarks=gsm: no such benchmark"),
        (EVALUATE.replace("mine.yaml", "no.yaml"), "benchmarks=no.yaml: no such file"),
        (EVALUATE.replace("teacher: rehearsal, ", ""), "model: missing"),
        (f"{EVALUATE}, limt: 3", "limt: no such option"),
        (f"{EVALUATE}, run.dir: x", "run.dir: is set by the pipeline"),
    ],
)
def test_a_mistake_in_the_options_of_an_evaluation_is_one_line(
    here: Here, tmp_path: Path, options: str, message: str
) -> None:
    recipe(tmp_path, options)
    code, out, err = here("pipeline", "recipe=r.yaml")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert "step graded: " in err and message in err


def test_the_fingerprint_covers_what_a_benchmark_holds_and_not_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(place: Path, rows: int) -> str:
        place.mkdir()
        monkeypatch.chdir(place)
        recipe(place)
        benchmark(place, "mine", sums(rows))
        return composing.compose(*composing.read_words(["recipe=r.yaml"])).fingerprint

    first = fingerprint(tmp_path / "a", 6)
    assert fingerprint(tmp_path / "b", 6) == first != fingerprint(tmp_path / "c", 7)
