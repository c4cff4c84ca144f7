"""The command `jobs.reduce`: tables of solutions made elsewhere, read, voted on, filtered and published."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from omi_core.publish.verify import verify
from tests.conftest import Here
from tests.jobs.reducing import LISTS, ONE_PER_ROW, WRITERS, Reduce, Rows, box

VOTED = [("p", box("1"), "1"), ("p", box("1.0"), "1"), ("q", box("2"), "2")]


NO_VOTE = {
    "several different boxes": "Either \\boxed{7} or so \\boxed{8}.",
    "cut off in a box": "It is \\boxed{8}. Check: it is \\boxed{8",
    "cut off at a box": "It is \\boxed{8}. Check: it is \\boxed",
}


@pytest.mark.parametrize("text", NO_VOTE.values(), ids=NO_VOTE)
def test_samples_that_do_not_settle_on_an_answer_do_not_outvote_one_that_does(
    reduce: Reduce, text: str
) -> None:
    rows: Rows = [{"problem": "p", "generated_solution": each} for each in (text, text + " ", box("1"))]
    published, _ = reduce(rows)
    assert published == [("p", box("1"), "1")]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("rows", [ONE_PER_ROW, LISTS], ids=["one solution per row", "a list of solutions"])
def test_solutions_of_a_problem_are_voted_on_together(reduce: Reduce, rows: Rows, name: str) -> None:
    published, stats = reduce(rows, name=name)
    assert published == VOTED
    assert stats["counts"]["selection"] == {"other_answer": 1}
    assert stats["counts"]["samples"] == 4
    assert "truth" not in stats["counts"]


@pytest.mark.parametrize(
    ("row", "arguments", "samples"),
    [
        ({"problem": "p", "model": {"out": box("1")}}, ["solution=[model.out]"], 1),
        ({"problem": "p", "model": {"out": [box("1"), box("1") + " "]}}, ["solution=[model.out]"], 2),
        ({"problem": "p", "a": box("1"), "b": {"c": box("1.0")}}, ["solution=[a,b.c]"], 2),
        ({"problem": "p", "a.b": box("1")}, ["solution=[a.b]"], 1),  # a column of that very name
        ({"in": {"q": "p"}, "a": box("1")}, ["data.problem=in.q", "solution=[a]"], 1),
    ],
    ids=["nested", "nested list", "several", "a dot in the name", "nested problem"],
)
def test_columns_are_mapped_by_the_config(
    reduce: Reduce, row: dict[str, Any], arguments: list[str], samples: int
) -> None:
    published, stats = reduce([row], *arguments)
    assert {problem for problem, _, _ in published} == {"p"}
    assert len(published) == samples
    assert stats["counts"]["samples"] == samples


@pytest.mark.parametrize(
    ("truth", "arguments"),
    [
        ("3", []),
        (3, []),
        (3.0, []),  # JSON: as it stands
        (["3"], []),
        ("1 + 2 = 3\n#### 3", ["data.answer_format=gsm8k"]),
        ("Thus $\\boxed{3}$", ["data.answer_format=boxed"]),
        ("so\nA: 3", ["data.answer_format=pattern", "answers.pattern='^A: (.+)$'"]),
    ],
    ids=str,
)
def test_a_ground_truth_selects_what_equals_it(reduce: Reduce, truth: object, arguments: list[str]) -> None:
    rows = [row | {"answer": truth} for row in ONE_PER_ROW if row["problem"] == "p"]
    published, stats = reduce(rows, "data.answer=answer", *arguments)
    assert published == [("p", box("3"), str(truth) if isinstance(truth, float) else "3")]
    counts = stats["counts"]["truth"]
    assert (counts["equal"], counts["not_equal"], counts["majority_equal"]) == (1, 2, 0)


@pytest.mark.parametrize(
    ("choice", "kept", "counts"),
    [("any", [("1", "1"), ("3", "3")], (2, 1)), ("all", [("3, 1", "1, 3")], (1, 2))],
)
def test_of_several_answers_any_may_be_right_or_all_of_them(
    reduce: Reduce, choice: str, kept: list[tuple[str, str]], counts: tuple[int, int]
) -> None:
    given = ["1", "2", "3"] if choice == "any" else ["3, 1", "1", "3"]
    rows = [{"problem": "p", "generated_solution": box(text), "answer": ["1", "3"]} for text in given]
    published, stats = reduce(rows, "data.answer=answer", f"data.several_answers={choice}")
    assert [(solution, expected) for _, solution, expected in published] == [
        (box(text), expected) for text, expected in kept
    ]
    assert (stats["counts"]["truth"]["equal"], stats["counts"]["truth"]["not_equal"]) == counts


def test_the_vote_may_decide_where_there_is_a_ground_truth(reduce: Reduce) -> None:
    rows = [row | {"answer": "3"} for row in ONE_PER_ROW if row["problem"] == "p"]
    published, stats = reduce(rows, "data.answer=answer", "answers.expected=majority")
    assert published == VOTED[:2]
    assert stats["counts"]["truth"]["equal"] == 1


@pytest.mark.parametrize(("least", "problems"), [(0.6, {"p", "q"}), (0.7, {"q"})])
def test_problems_that_disagree_are_dropped_below_the_least_agreement(
    reduce: Reduce, least: float, problems: set[str]
) -> None:
    published, _ = reduce(ONE_PER_ROW, f"answers.min_agreement={least}")
    assert {problem for problem, _, _ in published} == problems


def test_rows_of_a_problem_far_apart_are_one_record(reduce: Reduce, tmp_path: Path) -> None:
    rows = [{"problem": f"p{n % 3000}", "generated_solution": box(str(n // 3000))} for n in range(6000)]
    rows += [{"problem": "p7", "generated_solution": box("1") + " "}]
    published, stats = reduce(rows, "reduce_tasks=3")
    assert stats["counts"]["records"] == 3000
    # Of two different answers the lower sample index wins, but for the problem with a third.
    assert {answer for _, _, answer in published if answer != "0"} == {"1"}
    assert [problem for problem, _, answer in published if answer == "1"] == ["p7", "p7"]
    assert {path.name for path in (tmp_path / "run/reduce/of-00003").glob("*.zst")} == {
        f"part-0000{n}.jsonl.zst" for n in range(3)
    }


def test_a_problem_under_two_ground_truths_is_two_records(reduce: Reduce) -> None:
    rows = [{"problem": "p", "answer": str(n), "generated_solution": box(str(n))} for n in (1, 2)]
    published, stats = reduce(rows, "data.answer=answer")
    assert stats["counts"]["records"] == 2
    assert published == [("p", box("1"), "1"), ("p", box("2"), "2")]


def test_the_source_may_be_a_column(reduce: Reduce, tmp_path: Path) -> None:
    reduce([row | {"from": f"set {row['problem']}"} for row in ONE_PER_ROW], "data.source=from:from")
    published = pl.read_parquet(tmp_path / "run/dataset/data/*.parquet")
    assert published["problem_source"].to_list() == ["set p", "set p", "set q"]


@pytest.mark.parametrize(
    ("finish", "cut", "unfinished"),
    [
        (["length", "stop", "stop", "stop"], 1, 0),
        (["stop", "eos_token", "STOP", "end_turn"], 0, 0),
        (["stop", "MAX_TOKENS", "repetition", "model_length"], 3, 0),
        (["stop", "abort", "error", "content_filter"], 0, 3),
        (["stop", None, "", "tool_calls"], 0, 3),
        (["stop", "stop", "a word that nobody knows", "length"], 1, 1),
    ],
)
def test_a_column_tells_which_solutions_are_whole_cut_off_or_none(
    reduce: Reduce, finish: list[str | None], cut: int, unfinished: int
) -> None:
    rows = [
        {"problem": f"p{number}", "generated_solution": box("1"), "why": why}
        for number, why in enumerate(finish)
    ]
    published, stats = reduce(rows, "finish_reason=why")
    counts = stats["counts"]
    assert len(published) == len(finish) - cut - unfinished
    assert counts["filters"]["unfinished"]["dropped"] == cut
    assert counts.get("quarantined", 0) == counts.get("errors", {}).get("Unfinished", 0) == unfinished


def test_the_dataset_is_the_same_bytes_for_any_number_of_tasks(reduce: Reduce, tmp_path: Path) -> None:
    rows = [{"problem": f"p{n}", "generated_solution": [box("1"), box("1") + " "]} for n in range(20)]
    files = []
    for tasks in (1, 7):
        reduce(rows, f"reduce_tasks={tasks}", "run.fresh=true")
        root = tmp_path / "run/dataset"
        files.append({path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()})
    assert files[0] == files[1]


# Solutions that the labels shipped with the file call correct.
CORRECT = {"6b_finetuning": 286, "6b_verification": 515, "175b_finetuning": 458, "175b_verification": 742}


def test_real_samples_are_selected_as_their_shipped_labels_say(
    here: Here, tmp_path: Path, shared_data: Path
) -> None:
    """Four models' solutions of GSM8K's test set, which end in a line `A: 18` and have no boxes."""
    path = shared_data / "real_samples/gsm8k_test_gpt3_4x1319.jsonl"
    code, _, err = here(
        "reduce",
        f"input={path}",
        "data.problem=question",
        "data.answer=ground_truth",
        "data.answer_format=pattern",
        "answers.methods=[pattern]",
        "answers.pattern='^A: (.+)$'",
        f"solution=[{','.join(f'{model}.solution' for model in CORRECT)}]",
        # No boxes here; and these two would hide what the comparison says.
        "filters.no_boxed=false",
        "filters.trim_after_answer=false",
        "filters.wrong_arithmetic=false",
        "cluster.workers=1",
        "run.dir=run",
    )
    assert code == 0, err
    verify(tmp_path / "run/dataset")
    published = pl.read_parquet(tmp_path / "run/dataset/data/*.parquet").to_dicts()
    stats = orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())

    inputs = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    labelled = [(row["question"].strip(), row[model]) for row in inputs for model in CORRECT]
    correct = {(problem, sample["solution"]) for problem, sample in labelled if sample["is_correct"]}
    kept = {(row["problem"], row["generated_solution"]) for row in published}
    # Every disagreement with the labels would stand here; there is none to explain.
    assert sorted(kept ^ correct) == []

    # A model's samples stand at its place in `solution`; equal solutions of two models are published once.
    models = list(CORRECT)
    by_model = Counter(models[row["sample"]] for row in published)
    seen: set[tuple[str, str]] = set()
    repeated: Counter[str] = Counter()
    for at, (problem, sample) in enumerate(labelled):
        if sample["is_correct"]:
            repeated[models[at % 4]] += (problem, sample["solution"]) in seen
            seen.add((problem, sample["solution"]))
    assert {model: by_model[model] + repeated[model] for model in models} == CORRECT
    assert stats["duplicates_dropped"] == repeated.total() == 7

    truth = stats["counts"]["truth"]
    assert truth["equal"] == sum(CORRECT.values())
    # One answer is no answer that could be compared, "10+John's age"; its label says it is wrong.
    assert truth["unknown"] == 1
    shares = orjson.loads((tmp_path / "run/summary.json").read_bytes())["shares"]
    assert shares["samples not comparable with the ground truth"] == 1 / truth["samples"]
    assert truth["equal"] + truth["not_equal"] + truth["unknown"] + truth["no_answer"] == 4 * 1319


def test_each_solution_of_a_list_has_its_own_finish_reason(reduce: Reduce) -> None:
    rows = [
        {
            "problem": "p",
            "generated_solution": [box("1"), box("2"), box("2")],
            "why": ["stop", "length", "length"],
        }
    ]
    published, stats = reduce(rows, "finish_reason=why")
    assert published == [("p", box("1"), "1")]  # what was cut off has no vote either
    assert stats["counts"]["filters"]["unfinished"]["dropped"] == 2
