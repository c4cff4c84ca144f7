"""What `jobs.reduce` refuses: rows that cannot be used, and mistakes of its user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import Here
from tests.jobs.reducing import LISTS, ONE_PER_ROW, Reduce, box, write_jsonl

UNUSABLE = [
    ({"problem": "  ", "generated_solution": box("1")}, "empty_problem"),
    ({"problem": None, "generated_solution": box("1")}, "empty_problem"),
    ({"problem": "r", "generated_solution": None}, "solution_not_text"),
    ({"problem": "r", "generated_solution": [7]}, "solution_not_text"),
    ({"problem": "r", "generated_solution": box("1"), "answer": " "}, "no_ground_truth"),
    ({"problem": "r", "generated_solution": box("1"), "answer": None}, "no_ground_truth"),
]


@pytest.mark.parametrize(("row", "reason"), UNUSABLE, ids=lambda case: str(case)[:60])
def test_rows_that_cannot_be_used_are_counted(
    reduce: Reduce, tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    good = {"problem": "p", "generated_solution": box("1"), "answer": "1"}
    arguments = ["data.answer=answer"] if reason == "no_ground_truth" else []
    published, stats = reduce([good, {"answer": "1"} | row], *arguments)
    assert published == [("p", box("1"), "1")]
    assert stats["counts"]["skipped_input_rows"] == {reason: 1}
    plan = orjson.loads((tmp_path / "run/plan.json").read_bytes())
    assert plan["skipped_examples"] == {reason: ["in.jsonl:2"]}


def test_a_row_with_no_solution_at_all_is_counted(reduce: Reduce) -> None:
    _, stats = reduce([*LISTS, {"problem": "r", "generated_solution": []}])
    assert stats["counts"]["skipped_input_rows"] == {"no_solution": 1}


def test_finish_reasons_must_be_as_many_as_solutions(here: Here, tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "in.jsonl", [{"problem": "p", "generated_solution": [box("1")], "why": ["stop"] * 2}]
    )
    code, _, err = here("reduce", "input=in.jsonl", "finish_reason=why")
    assert code == 2
    line = "finish_reason=why: in.jsonl:1 has 2 of them for 1 solutions"
    assert err == f"error: {line}; to leave out such rows, data.on_bad_row=skip\n"


def test_a_limit_in_tokens_that_nothing_counts_is_refused(here: Here, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl", ONE_PER_ROW)
    code, _, err = here("reduce", "input=in.jsonl", "run.dir=run", "filters.max_tokens=9")
    assert code == 2 and not (tmp_path / "run").exists()
    assert "filters.max_tokens=9" in err and "filters.tokenizer=FILE" in err and len(err.splitlines()) == 1


def test_nothing_left_is_a_failure_that_names_the_filters(here: Here, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl", [{"problem": "p", "generated_solution": "#### 5"}])
    code, _, err = here("reduce", "input=in.jsonl", "run.dir=run")
    assert code == 1
    assert "no row is left to publish; dropped: no_boxed 1" in err
    assert not (tmp_path / "run/dataset").exists()


MISTAKES = [
    ([], "input: missing"),
    (["input=nowhere.jsonl"], "input=nowhere.jsonl: no such file"),
    (["input=bad.csv"], "input=bad.csv: of unknown kind; it must end in .jsonl"),
    (["input=bad.jsonl"], "bad.jsonl:2: not a line of JSON"),
    (["input=list.jsonl"], "list.jsonl:1: not a JSON object"),
    (["input=bad.parquet"], "bad.parquet: cannot be read"),
    (["input=bad.jsonl.zst"], "bad.jsonl.zst: cannot be read"),
    (["input=empty.jsonl"], "data: the input has no usable record"),
    (["input=in.jsonl", "data.problem=qestion"], "data.problem=qestion: in.jsonl:1 has no such column"),
    (["input=in.jsonl", "data.answer=truth"], "data.answer=truth: in.jsonl:1 has no such column"),
    (["input=in.jsonl", "finish_reason=why"], "finish_reason=why: in.jsonl:1 has no such column"),
    (["input=in.jsonl", "solution=[problem.x]"], "solution=problem.x: in.jsonl:1 has no such column"),
    (["input=in.jsonl", "conversations.min_turns=3"], "conversations.min_turns: not read by task=solutions"),
    (["input=in.jsonl", "solution=5"], "solution=5: in.jsonl:1 has no such column"),
    (["input=in.jsonl", "solution=[]"], "solution: names no column"),
    (["input=in.jsonl", "data=gsm8k"], "data: no choices here; set its options one by one"),
    (["input=in.jsonl", "data.path=in.jsonl"], "data.path: not read by jobs.reduce"),
    (["input=.", "run.dir=r"], ".: not a run directory"),
    (["input=in.jsonl", "samples=4"], "samples: no such option"),
    (["input=in.jsonl", "answers.methods=[box]"], "answers: extraction methods ['box']"),
    (["input=in.jsonl", "answers.pattern='(a+)+'"], "answers: final-answer pattern '(a+)+'"),
    (["input=in.jsonl", "data.answer=problem", "data.answer_format=pattern"], "data.answer_format=pattern:"),
    (["input=in.jsonl", "filters.tokenizer=nowhere"], "filters.tokenizer=nowhere: no such file"),
    (["input=in.jsonl", "run.dir=/proc/nowhere/run"], "run.dir: cannot write in /proc/nowhere"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_is_one_line_with_exit_code_2_and_leaves_nothing(
    here: Here, tmp_path: Path, arguments: list[str], message: str
) -> None:
    write_jsonl(tmp_path / "in.jsonl", ONE_PER_ROW)
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "list.jsonl").write_text("[1]\n")
    for name in ("bad.csv", "bad.parquet", "bad.jsonl.zst", "bad.jsonl"):
        (tmp_path / name).write_text('{"problem": "p", "generated_solution": "s"}\n{"problem": \n')
    before = sorted(tmp_path.iterdir())
    code, out, err = here("reduce", *arguments)
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert out == ""
    assert code == 2
    assert sorted(tmp_path.iterdir()) == before
