"""The command `jobs.preferences`: runs matched by problem, joined with their scores, drawn and published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.publish.verify import verify
from tests.combine.conftest import contents, read_rows
from tests.conftest import Here
from tests.preferences.conftest import Scored, Solved

RIGHT = [f"Way {at}: \\boxed{{5}}" for at in range(4)]
WRONG = [f"Way {at}: \\boxed{{6}}" for at in range(4)]


def stats(place: Path) -> dict[str, Any]:
    return orjson.loads((place / "dataset/stats.json").read_bytes())["counts"]


def test_responses_of_several_runs_to_one_problem_stand_together(
    here: Here, tmp_path: Path, solved: Solved
) -> None:
    solved("a", {"p": [RIGHT[0], WRONG[0]], "only here": [*RIGHT[:3], *WRONG[:3]]})
    solved("b", {"other": [*RIGHT[:3]], "p": [RIGHT[0], RIGHT[1], WRONG[1]], "bad": [*WRONG[:3]]})
    code, out, err = here("preferences", "inputs=[a,b]", "size=4", "workers=1", "run.dir=out")
    assert code == 0, err
    assert "all: 4 problems, 2 taken, all right 1, all wrong 1" in out
    verify(tmp_path / "out/dataset")
    rows = {row["problem"]: row for row in read_rows(tmp_path / "out/dataset")}
    assert set(rows) == {"p", "only here"}
    assert sorted(rows["p"]["responses"]) == sorted([RIGHT[0], RIGHT[1], WRONG[0], WRONG[1]])
    assert rows["p"]["right"] == [True, True, False, False]
    assert rows["p"]["answers"] == ["5", "5", "6", "6"] and rows["p"]["expected_answer"] == "5"
    assert "scores" not in rows["p"]
    counts = stats(tmp_path / "out")
    assert counts["inputs"]["2"] == {"read": 9, "rows": 9}
    assert counts["responses"] == {"right": 4, "right_2": 2, "wrong": 4}


NO_CANDIDATES = {
    "without an answer": ("I cannot say.", "no_answer"),
    "not to be compared": ("\\boxed{\\weird{5}{}}", "undecided"),
    "too long": ("\\boxed{6}" + " so" * 500, "too_long"),
    "that was not scored": ("Too long for the model: \\boxed{6}", "unscored"),
}


@pytest.mark.parametrize(("text", "reason"), NO_CANDIDATES.values(), ids=NO_CANDIDATES)
def test_what_cannot_be_judged_or_scored_is_no_response(
    here: Here, tmp_path: Path, solved: Solved, scored: Scored, text: str, reason: str
) -> None:
    solved("a", {"p": [RIGHT[0], WRONG[0], text]})
    file = scored("a", lambda _, said: None if said.startswith("Too long") else 1.0)
    words = (f"scores=[{file}]", "size=2", "max_chars=300", "workers=1", "run.dir=out")
    code, _, err = here("preferences", "inputs=[a]", *words)
    assert code == 0, err
    (row,) = read_rows(tmp_path / "out/dataset")
    assert row["responses"] == [RIGHT[0], WRONG[0]] and row["scores"] == [1.0, 1.0]
    assert stats(tmp_path / "out")["inputs"]["1"] == {"read": 3, "rows": 2, reason: 1}


def test_what_was_cut_off_or_refused_is_no_response(here: Here, tmp_path: Path) -> None:
    words = ("teacher=rehearsal", "data.size=12", "samples=8", "cluster.workers=1", "run.dir=a")
    cut = ("teacher.rehearsal.overlong=0.3", "teacher.rehearsal.hostile=0.1", "sampling.max_tokens=900")
    assert here("generate", *words, *cut)[0] == 0
    assert here("preferences", "inputs=[a]", "size=2", "workers=1", "run.dir=out")[0] == 0
    counts = stats(tmp_path / "out")["inputs"]["1"]
    assert counts["unfinished"] > 10 and counts["read"] == 96
    assert sum(counts.values()) == 2 * 96


def test_the_best_right_and_the_worst_wrong_ones_are_drawn(
    here: Here, tmp_path: Path, solved: Solved, scored: Scored
) -> None:
    solved("a", {"p": [*RIGHT, *WRONG], "q": [*WRONG, *RIGHT]})
    solved("b", {"q": [f"B {text}" for text in [*RIGHT, *WRONG]]})

    def score(problem: str, text: str) -> float:
        return int(text.partition("Way ")[2][0]) + 10.0 * text.startswith("B ")

    files = ",".join(scored(name, score) for name in ("a", "b"))
    words = (f"scores=[{files}]", "size=4", "top=2", "workers=1")
    code, out, err = here("preferences", "inputs=[a,b]", *words, "run.dir=out")
    assert code == 0, err
    rows = {row["problem"]: row for row in read_rows(tmp_path / "out/dataset")}
    assert rows["p"]["responses"] == [RIGHT[3], RIGHT[2], WRONG[0], WRONG[1]]
    assert rows["p"]["scores"] == [3.0, 2.0, 0.0, 1.0]
    assert rows["q"]["responses"] == [f"B {RIGHT[3]}", f"B {RIGHT[2]}", WRONG[0], WRONG[1]]
    card = (tmp_path / "out/dataset/README.md").read_text()
    assert "from the 2 right ones that score highest" in card and "list: string" in card


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"drop": 1}, "sample 1 of record"),
        ({"drop": 0}, "sample 0 of record"),
        ({"more": {"text_digest": "0" * 32}}, "is the score of another text; score a again"),
        ({"more": {"score": "high"}}, "a-scores.jsonl:1 holds no score"),
        ({"more": {"sample": None}}, "a-scores.jsonl:1 holds no score"),
        ({"more": {"record_id": "f" * 32}}, "is missing, or not in the order of a"),
    ],
    ids=lambda word: str(word)[:20],
)
def test_scores_that_are_not_those_of_the_run_are_refused_in_a_line(
    here: Here, tmp_path: Path, solved: Solved, scored: Scored, spoil: dict[str, Any], message: str
) -> None:
    solved("a", {"p": [*RIGHT, *WRONG]})
    file = scored("a", lambda *_: 1.0, **spoil)
    code, out, err = here("preferences", "inputs=[a]", f"scores=[{file}]", "workers=1", "run.dir=out")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert err.startswith(f"error: scores={file}: ") and message in err
    assert not (tmp_path / "out/dataset").exists() and not (tmp_path / "out/preferences.json").exists()


def test_scores_of_records_that_the_run_does_not_have_are_refused(
    here: Here, tmp_path: Path, solved: Solved, scored: Scored
) -> None:
    solved("a", {"p": [*RIGHT, *WRONG]})
    solved("more", {"p": [*RIGHT, *WRONG], "q": RIGHT})
    file = scored("more", lambda *_: 1.0)
    code, _, err = here("preferences", "inputs=[a]", f"scores=[{file}]", "workers=1", "run.dir=out")
    assert code == 2 and "is not in a, or in another order there" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inputs=[nowhere]",), "inputs=nowhere: not a run directory; jobs.preferences reads"),
        (("inputs=[a.jsonl]",), "inputs=a.jsonl: not a run directory"),
        (("inputs=[new]",), "inputs=new: holds problems; jobs.preferences takes a run of solutions"),
        (("inputs=[a]", "scores=[a.jsonl]"), "scores=a.jsonl: has no column record_id"),
        (("inputs=[a]", "scores=[nowhere]"), "scores=nowhere: "),
        (("inputs=[a]", "size=8", "run.dir=a"), "run.dir=a: holds something else"),
    ],
    ids=lambda word: " ".join(word)[:30] if isinstance(word, tuple) else "",
)
def test_what_is_no_finished_run_of_solutions_is_refused_in_a_line(
    here: Here, tmp_path: Path, solved: Solved, words: tuple[str, ...], message: str
) -> None:
    solved("a", {"p": [*RIGHT, *WRONG]})
    assert here("generate", "task=problems", "teacher=rehearsal", "data.size=2", "run.dir=new")[0] == 0
    before = {path.name for path in tmp_path.iterdir()}
    code, out, err = here("preferences", *words)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1 and message in err
    assert {path.name for path in tmp_path.iterdir()} == before


def test_no_problem_with_both_kinds_is_a_failure_that_says_why(
    here: Here, tmp_path: Path, solved: Solved
) -> None:
    solved("a", {"p": RIGHT, "q": [RIGHT[0], WRONG[0]]})
    code, _, err = here("preferences", "inputs=[a]", "workers=1", "run.dir=out")
    assert code == 1 and "all_right 1" in err and "few_responses 1" in err
    assert not (tmp_path / "out/dataset").exists()


def test_a_problem_that_runs_hold_against_different_answers_is_left_out(
    here: Here, tmp_path: Path, solved: Solved
) -> None:
    """By the vote of one run 5 is right, by that of the other 6; 5.0 and 5 are the same."""
    voted = ("data.answer=null",)
    solved("a", {"p": [*RIGHT, *WRONG[:2]], "q": [*RIGHT, *WRONG[:2]], "r": [RIGHT[0], WRONG[0]]}, *voted)
    solved("b", {"p": [*WRONG, *RIGHT[:2]], "q": [text.replace("5", "5.0") for text in RIGHT]}, *voted)
    code, out, err = here("preferences", "inputs=[a,b]", "workers=1", "run.dir=out")
    assert code == 0, err
    assert [row["problem"] for row in read_rows(tmp_path / "out/dataset")] == ["q"]
    counts = stats(tmp_path / "out")
    assert counts["problems"] == {"read": 2, "rows": 1, "other_answer": 1}
    assert counts["inputs"]["1"]["no_truth"] == 2  # a vote of one against another


@pytest.mark.parametrize(
    "form", ["responses", *(pytest.param(form, marks=pytest.mark.slow) for form in ("messages", "pairs"))]
)
def test_every_form_is_the_same_bytes_for_any_number_of_buckets_and_is_not_made_twice(
    here: Here, tmp_path: Path, solved: Solved, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = {f"What is {at} + {5 - at}?": [*RIGHT, *WRONG] for at in range(30)}
    solved("a", problems)
    solved("b", dict(reversed(problems.items())))
    words = ("preferences", "inputs=[a,b]", f"form={form}", "rows_per_file=11", "name=mine", "workers=1")
    assert here(*words, "run.dir=one")[0] == 0
    monkeypatch.setattr("omi_core.combine.buckets.BUCKET_BYTES", 2000)
    assert here(*words, "run.dir=many")[0] == 0
    assert contents(tmp_path / "one/dataset") == contents(tmp_path / "many/dataset")
    verify(tmp_path / "one/dataset")
    from datasets import load_dataset

    rows = load_dataset(str(tmp_path / "one/dataset"), split="train", streaming=True)
    first = next(iter(rows))
    assert len(first.get("right", [])) == (0 if form == "pairs" else 6)
    before = (tmp_path / "one/dataset/stats.json").stat().st_mtime_ns
    assert here(*words, "run.dir=one")[0] == 0
    assert (tmp_path / "one/dataset/stats.json").stat().st_mtime_ns == before
    code, _, err = here(*words, "seed=7", "run.dir=one")
    assert code == 2 and "seed 42 → 7" in err
    assert here(*words, "seed=7", "run.dir=one", "run.fresh=true")[0] == 0
    assert here(*words, "run.root=elsewhere")[0] == 0
    assert [path.name[:5] for path in (tmp_path / "elsewhere").iterdir()] == ["mine-"]
