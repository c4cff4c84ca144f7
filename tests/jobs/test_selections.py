"""A run of selections over a run of solutions, and the choice of one solution of many by its picks."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from omi_core.publish.verify import verify
from tests.conftest import Here
from tests.tasks.test_problems import rows

REHEARSED = ("teacher=rehearsal", "cluster.workers=1")
# Few solutions are right, so that a vote is wrong now and then.
SOLVED = (
    "generate",
    *REHEARSED,
    "data.size=40",
    "samples=6",
    "teacher.rehearsal.wrong=0.7",
    "run.dir=solved",
)
SELECT = ("generate", *REHEARSED, "task=selections", "data=file", "data.path=solved")
ALL = (*SELECT, "selections.keep=all", "selections.groups=3", "teacher.rehearsal.wrong=0", "run.dir=picks")
CHOOSE = ("reduce", "input=solved", "answers.expected=picked", "answers.picks=picks", "cluster.workers=1")


def done(here: Here, *words: str) -> str:
    code, out, err = here(*words)
    assert code == 0, err
    return out


def stats(directory: Path) -> dict[str, Any]:
    return orjson.loads((directory / "dataset/stats.json").read_bytes())


def files_of(directory: Path) -> dict[str, bytes]:
    root = directory / "dataset"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_right_picks_are_published_the_same_for_any_number_of_tasks(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    shown = [line.split() for line in done(here, *SELECT, "run.dir=one").splitlines()]
    done(here, *SELECT, "run.dir=many", "tasks=5", "reduce_tasks=3", "engine.max_num_seqs=3")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "many")
    verify(tmp_path / "one/dataset")
    assert any(line[:4] == ["picks", "that", "are", "right"] for line in shown)
    solved = {(row["record_id"], row["sample"]): row for row in rows(tmp_path / "solved")}
    found = rows(tmp_path / "one")
    assert found and all(row["right"] for row in found)
    for row in found:
        assert row["selected_solution"] in row["prompt"] and row["problem"] in row["prompt"]
        assert 1 <= row["right_candidates"] < row["candidates"] <= 16
        source = solved.get((row["record_id"], row["sample"]))  # filters may have dropped it
        assert source is None or source["expected_answer"] == row["expected_answer"]
    plan = orjson.loads((tmp_path / "one/plan.json").read_bytes())
    assert plan["records"] + sum(plan["skipped"].values()) == 40
    assert set(plan["skipped"]) <= {"all_right", "all_wrong", "few_candidates"}


def test_the_picks_choose_one_solution_of_each_problem(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    done(here, *ALL)
    done(here, *CHOOSE, "run.dir=chosen", "reduce_tasks=3")
    verify(tmp_path / "chosen/dataset")
    chosen, counts = rows(tmp_path / "chosen"), stats(tmp_path / "chosen")["counts"]
    picked = Counter((row["record_id"], row["sample"]) for row in rows(tmp_path / "picks"))
    assert len({row["record_id"] for row in chosen}) == len(chosen) > 20
    of_record: dict[str, int] = {}
    for (record, _), count in picked.items():
        of_record[record] = max(count, of_record.get(record, 0))
    assert sum(picked[row["record_id"], row["sample"]] == of_record[row["record_id"]] for row in chosen) > 20
    assert {row["record_id"] for row in chosen} <= set(of_record)
    picks = counts["picks"]
    assert picks["records"] + picks.get("records_without", 0) == 40
    assert picks["picked_equal"] > picks["voted_equal"]
    card = (tmp_path / "chosen/dataset/README.md").read_text(encoding="utf-8")
    assert "picked answers equal to the ground truth" in card
    content = orjson.loads((tmp_path / "chosen/plan.json").read_bytes())["content"]
    assert content["answers"]["picks"] == stats(tmp_path / "picks")["content_hash"]
    done(here, *CHOOSE, "run.dir=again")
    assert files_of(tmp_path / "again") == files_of(tmp_path / "chosen")


def test_one_solution_that_a_filter_drops_makes_way_for_the_next(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    done(here, *ALL)
    done(here, *CHOOSE, "run.dir=chosen", "filters.min_chars=80")
    assert all(len(row["generated_solution"]) >= 80 for row in rows(tmp_path / "chosen"))
    plain = len(list(rows(tmp_path / "chosen")))
    done(here, *CHOOSE, "run.dir=all")
    before = {row["record_id"]: row["sample"] for row in rows(tmp_path / "all")}
    moved = [row for row in rows(tmp_path / "chosen") if before[row["record_id"]] != row["sample"]]
    assert moved and plain <= len(before)


REFUSED = [
    (("answers.expected=picked",), "answers.picks: missing; give the run of selections whose picks decide"),
    (("answers.picks=right",), "answers.picks: not used; set answers.expected=picked, or omit it"),
    (
        ("answers.expected=picked", "answers.picks=nowhere"),
        "answers.picks=nowhere: is not published; give a published run of task=selections with selections",
    ),
    (("answers.expected=picked", "answers.picks=right"), "holds only picks that are right; give "),
    (("answers.expected=picked", "answers.picks=solved"), "holds no selections; give "),
    (("answers.expected=picked", "answers.picks=bare"), "has no column record_id; make it with "),
    (("answers.expected=picked", "answers.picks=foreign"), "picks another solution as sample "),
]  # fmt: skip


def test_picks_that_cannot_decide_are_one_line_and_leave_nothing(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    done(here, *SELECT, "run.dir=right")
    done(here, *ALL, "run.dir=bare", "publish.provenance=false")
    done(here, *SOLVED, "seed=7", "run.dir=other")
    done(here, *ALL, "data.path=other", "run.dir=foreign")
    for words, message in REFUSED:
        code, out, err = here("reduce", "input=solved", *words, "run.dir=made")
        assert (code, out, err.count("\n")) == (2, "", 1), words
        assert message in err and not (tmp_path / "made").exists()
    code, _, err = here("generate", "answers.expected=picked", "answers.picks=right")
    assert code == 2 and err.startswith("error: answers.expected=picked: there is nothing to pick from yet;")


def test_other_picks_than_when_the_run_was_planned_are_refused(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    done(here, *ALL)
    done(here, *CHOOSE, "run.dir=chosen")
    before = files_of(tmp_path / "chosen")
    shutil.rmtree(tmp_path / "chosen/dataset")
    shutil.rmtree(tmp_path / "chosen/reduce")
    shutil.rmtree(tmp_path / "picks")
    done(here, *ALL, "seed=3")
    code, _, err = here("resume", "chosen")
    assert code == 2 and "was published anew since this run was planned" in err
    shutil.rmtree(tmp_path / "picks")
    done(here, *ALL)
    done(here, "resume", "chosen")
    assert files_of(tmp_path / "chosen") == before


INPUTS = [
    ("data.path=null", "data.path: missing; task=selections picks among the solutions of a run, data=file"),
    ("data.path=nowhere", "data.path=nowhere: not a run; task=selections picks among the solutions of a run"),
    ("data.path=right/dataset", "data.path=right/dataset: not a run directory; task=selections reads"),
    ("data.path=a.jsonl", "data.path=a.jsonl: not a run; "),
    ("data.path=right", "data.path=right: holds selections; task=selections takes a run of solutions"),
    ("data.path=half", "data.path=half: not published whole; finish that run first"),
]


def test_what_is_no_finished_run_of_solutions_is_refused(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    done(here, *SELECT, "run.dir=right")
    shutil.copytree(tmp_path / "solved", tmp_path / "half")
    shutil.rmtree(tmp_path / "half/dataset")
    (tmp_path / "a.jsonl").write_text('{"problem": "q"}\n')
    for path, message in INPUTS:
        code, out, err = here(*SELECT, path, "run.dir=made")
        assert (code, out, err.count("\n")) == (2, "", 1) and err.startswith(f"error: {message}")
        assert not (tmp_path / "made").exists()


def test_solutions_made_elsewhere_are_picked_from_as_well(here: Here, tmp_path: Path) -> None:
    lines = [
        {"problem": f"What is {a} + 1?", "generated_solution": f"\\boxed{{{a + b}}}", "answer": f"{a + 1}"}
        for a in range(8)
        for b in (1, 2, 1)
    ]
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    done(here, "reduce", "input=in.jsonl", "data.answer=answer", "run.dir=solved", "cluster.workers=1")
    done(here, *ALL)
    done(here, *CHOOSE, "run.dir=chosen")
    assert [row["expected_answer"] for row in rows(tmp_path / "chosen")] == [str(a + 1) for a in range(8)]


def test_thinking_before_picks_is_published_later_as_well(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    out = done(here, *SELECT, "teacher.rehearsal.thinking=0.9", "run.dir=picked")
    assert "thinking is left out" in out
    done(here, "reduce", "input=picked", "publish.reasoning=column", "run.dir=again", "cluster.workers=1")
    found = rows(tmp_path / "again")
    assert [row["generated_selection"] for row in found] == [
        row["generated_selection"] for row in rows(tmp_path / "picked")
    ]
    assert sum(row["reasoning"] is not None and row["reasoning_tokens"] > 0 for row in found) > len(found) / 2


def test_the_plan_shows_the_prompt(here: Here) -> None:
    done(here, *SOLVED)
    out = done(here, *SELECT, "plan=true", "run.dir=made")
    assert "Best solution: N" in out and "{{candidates}}" in out
