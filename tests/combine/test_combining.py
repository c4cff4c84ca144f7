"""Combined datasets: whose rows, which columns, what is counted, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from omi_core.combine.combine_options import load_combine
from omi_core.combine.combining import Outcome, combine
from omi_core.combine.sources import InputDamaged
from omi_core.options import ConfigError
from omi_core.publish import NothingToPublish, part_path, verify
from omi_core.publish.publish_options import Publish
from omi_core.store.files import LockTaken, lock
from tests.combine.conftest import Dataset, contents, read_rows, solution, write_lines
from tests.conftest import Here
from tests.published import published_file

Combining = Callable[..., Outcome]


@pytest.fixture
def combined(tmp_path: Path) -> Combining:
    """(inputs, further options) -> the outcome, by default in `out`."""

    def make(*inputs: Path | str, out: str = "out", fresh: bool = False, **values: Any) -> Outcome:
        run = {"dir": str(tmp_path / out), "fresh": fresh}
        return combine(load_combine({"inputs": [str(i) for i in inputs], "run": run} | values))

    return make


def test_rows_stand_in_the_order_of_the_inputs_and_each_once(dataset: Dataset, combined: Combining) -> None:
    a = dataset("a", [solution("p1", problem_source="math"), solution("p2")])
    b = dataset(
        "b", [solution("p3"), solution("p1", expected_answer="6"), solution("p1", "5", problem_source="x")]
    )
    made = combined(b, a)
    rows = read_rows(made.dataset)
    assert [(row["problem"], row["generated_solution"][:1], row["problem_source"]) for row in rows] == [
        ("p3", "2", "s"),
        ("p1", "2", "s"),
        ("p1", "5", "x"),
        ("p2", "2", "s"),
    ]
    assert made.stats["duplicates_dropped"] == 1
    assert rows[1]["expected_answer"] == "6"  # of equal rows the first stays
    verify(made.dataset)


def test_columns_of_provenance_are_those_that_all_inputs_have(
    dataset: Dataset, combined: Combining, tmp_path: Path
) -> None:
    a = dataset("a", [solution("p1", votes=3, sample=0, teacher="t1")])
    b = dataset("b", [solution("p2", votes=None, teacher="t2")])
    assert list(read_rows(combined(a, b).dataset)[0])[4:] == ["votes", "teacher"]
    file = write_lines(tmp_path / "c.jsonl", [solution("p3", votes=1, other=5)])
    assert list(read_rows(combined(a, file, out="2").dataset)[0])[4:] == ["votes"]
    without = combined(a, b, out="3", publish={"provenance": False})
    assert list(read_rows(without.dataset)[0]) == list(solution("p"))


def test_splits_and_chat_messages_are_published_as_of_a_run(dataset: Dataset, combined: Combining) -> None:
    rows = [solution(f"p{at // 4}", f"{at} \\boxed{{5}}") for at in range(40)]
    publish = {"splits": {"small": 12}, "chat": "answer"}
    made = combined(dataset("a", rows[:20]), dataset("b", rows[20:]), publish=publish)
    small = read_rows(made.dataset, "small")
    assert len(small) == 12 and len({row["problem"] for row in small}) == 10
    assert read_rows(made.dataset, "small", "chat/data")[0]["answer"] == "5"
    # The same rows published by one run draw the same split.
    one = dataset("one", rows, options=Publish(splits={"small": 12}))
    assert read_rows(one / "dataset", "small") == small
    again = combined(one, out="again", publish={**publish, "seed": 7})
    assert read_rows(again.dataset, "small") != small
    verify(made.dataset)


def test_the_card_and_the_configuration_name_every_input(dataset: Dataset, combined: Combining) -> None:
    a = dataset("a", [solution("p1")], teacher="strong")
    b = dataset("b", [solution("p2"), solution("p3")], teacher="weak", rehearsal=True)
    made = combined(combined(a, out="first").dataset, b, name="All of it")
    card = (made.dataset / "README.md").read_text()
    assert "# All of it" in card and "REHEARSAL" in card
    assert "| `combined` | `strong` | 1 | 1 |" in card
    assert "| `solutions of b` | `weak` | 2 | 2 |" in card
    config = orjson.loads((made.dataset / "config.json").read_bytes())
    assert [item["teacher"] for item in config["inputs"].values()] == ["strong", "weak"]
    assert made.stats["rehearsal"]


ODD_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("no_problem", solution("  ")),
    ("no_problem", solution("p") | {"problem": None}),
    ("no_problem", solution("p") | {"problem": ["p"]}),
    ("no_generated_solution", solution("p", "")),
    ("no_expected_answer", solution("p") | {"expected_answer": {"a": 5}}),
    ("no_problem_source", solution("p") | {"problem_source": None}),
    ("wrong_votes", solution("p") | {"votes": "3"}),
    ("wrong_votes", solution("p") | {"votes": 1 << 63}),
    ("wrong_agreement", solution("p") | {"agreement": "all"}),
]


def test_an_answer_is_the_text_that_stands_in_the_file(combined: Combining, tmp_path: Path) -> None:
    answers = b"1.50", b"%d" % 3**50, b'["5"]', b'" 7"'
    lines = [
        b'{"problem": "p%d", "generated_solution": "s", "expected_answer": %b, "problem_source": 8}\n' % item
        for item in enumerate(answers)
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + b"".join(lines))
    rows = read_rows(combined(tmp_path / "in.jsonl").dataset)
    assert [row["expected_answer"] for row in rows] == ["1.50", str(3**50), "5", " 7"]
    assert {row["problem_source"] for row in rows} == {"8"}


def test_a_bad_row_stops_or_is_left_out_and_listed(here: Here, tmp_path: Path) -> None:
    good = write_lines(tmp_path / "in.jsonl", [solution("good")]).read_bytes()
    (tmp_path / "in.jsonl").write_bytes(b"{torn\n" + good + b'{"problem": "p"}\n')
    command = ["combine", "inputs=[in.jsonl]", "run.dir=out"]
    code, _, err = here(*command)
    assert (code, err.count("\n")) == (2, 1)
    assert "in.jsonl:1: not a line of JSON" in err and "on_bad_row=skip" in err
    code, out, err = here(*command, "on_bad_row=skip")
    assert code == 0, err
    assert "3 rows, 1 taken, missing column 1, not json 1" in out
    assert read_rows(tmp_path / "out/dataset") == [solution("good")]
    listed = map(orjson.loads, (tmp_path / "out/skipped_rows-1.jsonl").read_bytes().splitlines())
    assert [row["where"] for row in listed] == ["in.jsonl:1", "in.jsonl:3"]


def test_rows_of_files_that_cannot_be_used_are_counted_by_reason(combined: Combining, tmp_path: Path) -> None:
    good = solution("good", votes=1, agreement=0.5)
    rows = [{"votes": 1, "agreement": 1} | row for _, row in ODD_ROWS]
    made = combined(write_lines(tmp_path / "in.jsonl", [good, *rows]))
    expected: dict[str, int] = {"read": 1 + len(rows), "rows": 1}
    for reason, _ in ODD_ROWS:
        expected[reason] = expected.get(reason, 0) + 1
    assert made.stats["counts"]["inputs"] == {"1": expected}
    assert read_rows(made.dataset) == [good]


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.zst", "in.parquet"])
def test_files_of_every_kind_are_read_and_hostile_text_stays_as_it_is(
    combined: Combining, tmp_path: Path, name: str
) -> None:
    import zstandard

    text = 'a\x00b","expected_answer":"7\\ \u2028 \U0001f600'
    plain = write_lines(tmp_path / "plain", [solution(text, text), solution("p2")])
    if name.endswith("zst"):
        (tmp_path / name).write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    elif name.endswith("parquet"):
        pl.read_ndjson(plain).write_parquet(tmp_path / name)
    else:
        plain.rename(tmp_path / name)
    rows = read_rows(combined(tmp_path / name).dataset)
    assert rows == [solution(text, text), solution("p2")]


def test_only_problems_of_another_dataset_are_kept_and_the_others_counted(
    dataset: Dataset, combined: Combining, tmp_path: Path
) -> None:
    a = dataset("a", [solution(f"p{at}", f"{at} {s}") for at in range(3000) for s in range(2)])
    # What is kept: every third problem, with rows in any order, and one that is nowhere else.
    kept = [solution(f"p{at}", "x") for at in range(0, 3000, 3)]
    b = dataset("b", [*kept[::-1], *kept, solution("P1"), solution("p1 ")])
    made = combined(a, keep_problems_of=str(b))
    assert [row["problem"] for row in read_rows(made.dataset)] == [
        f"p{at}" for at in range(0, 3000, 3) for _ in range(2)
    ]
    assert made.stats["counts"]["inputs"]["1"] == {"read": 6000, "rows": 2000, "other_problem": 4000}
    assert "whose problem is also in `solutions of b`" in (made.dataset / "README.md").read_text()
    file = write_lines(tmp_path / "f.jsonl", [{"problem": "p5"}])
    assert len(read_rows(combined(a, out="2", keep_problems_of=str(file)).dataset)) == 2


def test_one_row_of_each_problem_is_kept_if_that_is_asked_for(dataset: Dataset, combined: Combining) -> None:
    a = dataset("a", [solution("p", "one"), solution("P ", "two"), solution("q", "three")])
    b = dataset("b", [solution("q", "four"), solution("r", "five")])
    made = combined(a, b, unique="problems")
    assert [row["generated_solution"] for row in read_rows(made.dataset)] == ["one", "three", "five"]
    assert made.stats["duplicates_dropped"] == 2
    assert "of rows with one problem the first stays" in (made.dataset / "README.md").read_text()


def test_nothing_left_says_why(dataset: Dataset, combined: Combining, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "f.jsonl", [{"problem": "q"}])
    with pytest.raises(NothingToPublish, match="no row of the inputs is left .other_problem 1"):
        combined(dataset("a", [solution("p")]), keep_problems_of=str(file))
    write_lines(file, [{"problem": "p"}])  # the same directory: what was never made is no plan
    assert len(read_rows(combined(tmp_path / "a", keep_problems_of=str(file)).dataset)) == 1


def test_problems_are_combined_too_and_solutions_count_as_problems_if_that_is_asked_for(
    dataset: Dataset, combined: Combining, tmp_path: Path
) -> None:
    problems = write_lines(
        tmp_path / "f.jsonl",
        [{"problem": "One  Two?", "problem_source": "x"}, {"problem": "p", "problem_source": "y"}],
    )
    assert combined(problems).stats["columns"] == ["problem", "problem_source"]
    a = dataset("a", [solution("one two?"), solution("p2")])
    with pytest.raises(ConfigError, match="combine one kind, or choose columns that all have by task=NAME"):
        combined(problems, a, out="2")
    made = combined(problems, a, out="3", task="problems")
    assert [row["problem"] for row in read_rows(made.dataset)] == ["One  Two?", "p", "p2"]


def test_the_same_inputs_elsewhere_give_the_same_bytes_and_nothing_is_done_twice(
    dataset: Dataset, combined: Combining, tmp_path: Path
) -> None:
    inputs = [dataset("a", [solution("p1")]), dataset("b", [solution("p2")])]
    first = contents(combined(*inputs).dataset)
    for run in inputs:
        shutil.copytree(run, tmp_path / "moved" / run.name)
    elsewhere = [tmp_path / "moved" / run.name / "dataset" for run in inputs]
    assert contents(combined(*elsewhere, out="2").dataset) == first
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("[!.]*")}
    combined(*elsewhere)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("[!.]*")} == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "combine.json", "dataset"]


def test_other_inputs_or_options_are_refused_with_the_difference(
    dataset: Dataset, combined: Combining, tmp_path: Path
) -> None:
    a, b = dataset("a", [solution("p1")]), dataset("b", [solution("p2")])
    combined(a)
    with pytest.raises(ConfigError, match=r"another config \(inputs\.1\.digest \w+… → \w+…; inputs\.1\.name"):
        combined(b)
    with pytest.raises(ConfigError, match=r"inputs\.2 unset → "):
        combined(a, b)
    with pytest.raises(ConfigError, match=r"publish\.chat unset → answer"):
        combined(a, publish={"chat": "answer"})
    made = combined(b, fresh=True)
    assert [row["problem"] for row in read_rows(made.dataset)] == ["p2"]
    assert [row["problem"] for row in read_rows(tmp_path / "out.old-1/dataset")] == ["p1"]


def test_two_commands_do_not_work_in_one_directory(
    dataset: Dataset, combined: Combining, tmp_path: Path
) -> None:
    a = dataset("a", [solution("p1")])
    combined(a)
    with lock(tmp_path / "out/.lock"), pytest.raises(LockTaken, match="in use by process"):
        combined(a)


def test_an_input_that_changed_under_its_own_name_is_found_out(dataset: Dataset, combined: Combining) -> None:
    a, b = dataset("a", [solution("p1")]), dataset("b", [solution("p2")])
    file, other = published_file(a / "dataset/jsonl"), published_file(b / "dataset/jsonl")
    shutil.copy(other, file)
    with pytest.raises(InputDamaged, match="its rows are not those it was published with"):
        combined(a)
    file.write_bytes(other.read_bytes()[:-5])
    with pytest.raises(InputDamaged):
        combined(a)
    file.unlink()
    with pytest.raises(InputDamaged, match="is missing, though the dataset lists it"):
        combined(a)


def test_a_part_that_is_damaged_between_two_commands_is_made_again(
    dataset: Dataset, combined: Combining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [dataset("a", [solution("p1")]), dataset("b", [solution("p2")])]
    expected = contents(combined(*inputs).dataset)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("omi_core.combine.combining.publish", full)
        with pytest.raises(OSError):
            combined(*inputs, out="2")
    part = part_path(tmp_path / "2/work", 1)
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    assert contents(combined(*inputs, out="2").dataset) == expected


def test_dialogues_by_style_are_combined_by_the_files_of_a_style(combined: Combining, tmp_path: Path) -> None:
    (tmp_path / "run/dataset").mkdir(parents=True)
    (tmp_path / "run/dataset/stats.json").write_text('{"styles": {}, "columns": []}')
    with pytest.raises(
        ConfigError, match="has a folder for each style; give the files of one, .*/STYLE/data"
    ):
        combined(tmp_path / "run")


TALK = {"text": "A: Hello.", "style": "debate", "document_id": "d", "chunk_id": "d-0", "tokens": 3}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"inputs": []}, "inputs: missing"),
    ({"inputs": ["nowhere"]}, "inputs=nowhere: no such file"),
    ({"inputs": ["empty.jsonl"]}, "inputs=empty.jsonl: holds no rows"),
    ({"inputs": ["bad.jsonl"]}, "bad.jsonl:1: not a line of JSON"),
    ({"inputs": ["other.jsonl"]}, "inputs=other.jsonl: holds no rows of a known kind"),
    ({"inputs": ["other.jsonl"], "task": "solutions"}, "inputs=problem: other.jsonl:1 has no such column"),
    ({"inputs": ["p.jsonl"], "publish": {"chat": "answer"}}, "publish.chat=answer: problems have no chat"),
    ({"inputs": ["talk.jsonl"], "unique": "problems"}, "unique=problems: dialogues have no problem"),
    ({"inputs": ["p.jsonl"], "keep_problems_of": "other.jsonl"}, "keep_problems_of=problem: other.jsonl:1"),
    ({"inputs": ["p.jsonl"], "publish": {"splits": {"train": 3}}}, "publish.splits.train: not a name"),
    ({"inputs": ["p.jsonl"], "run": {"dir": "p.jsonl"}}, "run.dir=p.jsonl: is a file"),
]


@pytest.mark.parametrize(("values", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(Path("empty.jsonl"), [])
    Path("bad.jsonl").write_text("{\n")
    write_lines(Path("other.jsonl"), [{"question": "q"}])
    write_lines(Path("p.jsonl"), [{"problem": "q", "problem_source": "s"}])
    write_lines(Path("talk.jsonl"), [TALK])
    with pytest.raises(ConfigError) as caught:
        combine(load_combine({"run": {"dir": "out"}} | values))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
