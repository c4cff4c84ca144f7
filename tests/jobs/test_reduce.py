"""The command `jobs.reduce`: tables of solutions made elsewhere, read, voted on, filtered and published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import zstandard

from omi_core.publish.verify import verify
from tests.conftest import Here

Rows = list[dict[str, Any]]
Reduce = Callable[..., tuple[list[tuple[str, str, str]], dict[str, Any]]]


def box(answer: str) -> str:
    return f"It is $\\boxed{{{answer}}}$."


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def write_zst(path: Path, rows: Rows) -> None:
    path.write_bytes(zstandard.compress(b"".join(orjson.dumps(row) + b"\n" for row in rows)))


def write_parquet(path: Path, rows: Rows) -> None:
    pl.DataFrame(rows).write_parquet(path)


WRITERS = {"in.jsonl": write_jsonl, "in.jsonl.zst": write_zst, "in.parquet": write_parquet}


@pytest.fixture
def reduce(here: Here, tmp_path: Path) -> Reduce:
    """Runs the command on rows; returns the published (problem, solution, expected answer) and stats.json."""

    def run(rows: Rows, *arguments: str, name: str = "in.jsonl") -> tuple[list[tuple[str, str, str]], Any]:
        WRITERS[name](tmp_path / name, rows)
        code, _, err = here("reduce", f"input={name}", "run.dir=run", "cluster.workers=1", *arguments)
        assert code == 0, err
        verify(tmp_path / "run/dataset")
        published = pl.read_parquet(tmp_path / "run/dataset/data/*.parquet")
        columns = published["problem"], published["generated_solution"], published["expected_answer"]
        stats = orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())
        return list(zip(*columns, strict=True)), stats

    return run


ONE_PER_ROW: Rows = [
    {"problem": "p", "generated_solution": box("1")},
    {"problem": "q", "generated_solution": box("2")},
    {"problem": "p", "generated_solution": box("3")},
    {"problem": "p", "generated_solution": box("1.0")},
]
LISTS: Rows = [
    {"problem": "p", "generated_solution": [box("1"), box("3"), box("1.0")]},
    {"problem": "q", "generated_solution": [box("2")]},
]
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


def test_a_limit_in_tokens_that_nothing_counts_is_refused(here: Here, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl", ONE_PER_ROW)
    code, _, err = here("reduce", "input=in.jsonl", "run.dir=run", "filters.max_tokens=9")
    assert code == 2 and not (tmp_path / "run").exists()
    assert "filters.max_tokens=9" in err and "filters.tokenizer=FILE" in err and len(err.splitlines()) == 1


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


def test_the_same_command_again_does_nothing_and_a_changed_input_is_refused(
    reduce: Reduce, here: Here, tmp_path: Path
) -> None:
    reduce(ONE_PER_ROW)
    command = ["input=in.jsonl", "run.dir=run", "cluster.workers=1"]
    assert "complete, nothing to do" in here("reduce", *command)[2]
    write_jsonl(tmp_path / "in.jsonl", LISTS[:1])
    code, _, err = here("reduce", *command)
    assert code == 2
    assert err.startswith("error: run.dir=run: was made with another config (input ")


def test_the_dataset_is_the_same_bytes_for_any_number_of_tasks(reduce: Reduce, tmp_path: Path) -> None:
    rows = [{"problem": f"p{n}", "generated_solution": [box("1"), box("1") + " "]} for n in range(20)]
    files = []
    for tasks in (1, 7):
        reduce(rows, f"reduce_tasks={tasks}", "run.fresh=true")
        root = tmp_path / "run/dataset"
        files.append({path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()})
    assert files[0] == files[1]


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


def test_finish_reasons_must_be_as_many_as_solutions(here: Here, tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "in.jsonl", [{"problem": "p", "generated_solution": [box("1")], "why": ["stop"] * 2}]
    )
    code, _, err = here("reduce", "input=in.jsonl", "finish_reason=why")
    assert code == 2
    line = "finish_reason=why: in.jsonl:1 has 2 of them for 1 solutions"
    assert err == f"error: {line}; to leave out such rows, data.on_bad_row=skip\n"


def test_a_row_with_no_solution_at_all_is_counted(reduce: Reduce) -> None:
    _, stats = reduce([*LISTS, {"problem": "r", "generated_solution": []}])
    assert stats["counts"]["skipped_input_rows"] == {"no_solution": 1}


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


GENERATE = ("teacher=rehearsal", "data.size=30", "samples=4", "cluster.workers=1")


def test_a_run_reduced_again_gives_what_it_would_have_given_from_the_start(
    here: Here, tmp_path: Path
) -> None:
    other = ("filters.wrong_arithmetic=false", "answers.expected=majority", "filters.min_chars=30")
    assert here("generate", *GENERATE, "run.dir=first", "tasks=3")[0] == 0
    before = files_of(tmp_path / "first")
    code, _, err = here("reduce", "input=first", *other, "run.dir=again", "cluster.workers=1")
    assert code == 0, err
    assert here("generate", *GENERATE, *other, "run.dir=anew")[0] == 0
    assert files_of(tmp_path / "again/dataset") == files_of(tmp_path / "anew/dataset")
    assert files_of(tmp_path / "first") == before


def test_a_run_that_is_not_complete_cannot_be_reduced_again(here: Here, tmp_path: Path) -> None:
    assert here("generate", *GENERATE, "run.dir=first")[0] == 0
    journal = tmp_path / "first/generate/0001-00000.jsonl.zst"
    journal.write_bytes(journal.read_bytes()[:-5])
    code, _, err = here("reduce", "input=first", "run.dir=again")
    assert code == 2
    assert err == "error: input=first: 120 of its samples are missing; finish that run first\n"
    assert not (tmp_path / "again").exists()


def test_an_import_can_be_reduced_again_too(reduce: Reduce, here: Here, tmp_path: Path) -> None:
    reduce(ONE_PER_ROW)
    code, _, err = here(
        "reduce", "input=run", "answers.min_agreement=0.7", "run.dir=again", "cluster.workers=1"
    )
    assert code == 0, err
    assert "filters.max_tokens=1024: off, nothing counts the tokens" in err
    plan = orjson.loads((tmp_path / "again/plan.json").read_bytes())
    assert plan["content"]["filters"]["max_tokens"] is None
    published = pl.read_parquet(tmp_path / "again/dataset/data/*.parquet")
    assert published["problem"].to_list() == ["q"]
    code, _, err = here("reduce", "input=run", "filters.max_tokens=9", "run.dir=refused")
    assert code == 2 and err.startswith("error: filters.max_tokens=9: nothing counts the tokens")


def test_a_damaged_import_is_named_and_made_anew(reduce: Reduce, here: Here, tmp_path: Path) -> None:
    reduce(ONE_PER_ROW)
    journal = tmp_path / "run/generate/0001-00000.jsonl.zst"
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    (tmp_path / "run/dataset").rename(tmp_path / "away")
    code, _, err = here("reduce", "input=in.jsonl", "run.dir=run", "cluster.workers=1")
    assert code == 1
    assert err.splitlines()[-1].startswith("failed: run/generate/0001-00000.jsonl.zst: ")
    assert err.splitlines()[-1].endswith("import the samples anew with run.fresh=true")
    code, _, err = here("reduce", "input=in.jsonl", "run.dir=run", "cluster.workers=1", "run.fresh=true")
    assert code == 0, err
