"""What `jobs.evaluate` tells besides: training data that holds questions, rulings of a judge, scores."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from omi_core.evaluate.outcome import read_outcome
from tests.conftest import Here
from tests.jobs.evaluating import REHEARSED, benchmark, outcome, sums


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


def test_a_judge_of_ones_own_groups_is_found(here: Here, tmp_path: Path) -> None:
    rows = [{"problem": f"How many are {n}?", "answer": "infinitely many"} for n in range(4)]
    name = benchmark(tmp_path, "mine", rows)
    (tmp_path / "own/teacher").mkdir(parents=True)
    (tmp_path / "own/teacher/strict.yaml").write_text("name: strict\nkind: rehearsal\n")
    words = ("evaluate", *REHEARSED, f"benchmarks=[{name}]", "run.dir=run", "teacher.rehearsal.wrong=0.6")
    code, _, err = here(*words, "judge=strict", "judge_wrong=true")
    assert code == 2 and err.startswith("error: judge=strict: ") and not (tmp_path / "run").exists()
    code, out, err = here("evaluate", "--config-dir=own", *words[1:], "judge=strict", "judge_wrong=true")
    assert code == 0 and "with the rulings of strict" in out, err
    assert (tmp_path / "run/judged-strict-all").is_dir()


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
    for record, sample, score in (("x", 0, "high"), (["x"], 0, 1), ("x", None, 1), ("x", 0, None)):
        row = {"record_id": record, "sample": sample, "score": score}
        (tmp_path / "bad.jsonl").write_bytes(orjson.dumps(row) + b"\n")
        code, _, err = here(*words, "scores=bad.jsonl")
        assert code == 2 and "bad.jsonl:1 holds no score" in err
