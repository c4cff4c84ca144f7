"""Where test questions and problems come from: files, runs, the hub; and what is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from omi_core import benchmarks
from omi_core.config import Data
from omi_core.decontaminate import questions
from omi_core.decontaminate.questions import read_problems, read_sets
from omi_core.inputs import Skipped
from omi_core.options import ConfigError
from omi_core.publish import CardInfo, PartWriter, publish
from omi_core.publish.publish_options import Publish
from tests.conftest import Here


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"question": "Q", "answer": "A"}, None),
        ({"problem": "Q", "question": "other"}, None),
        ({"text": "Q", "problem": "other"}, "text"),
        ({"meta": {"question": "Q"}}, "meta.question"),
    ],
)
def test_a_test_set_of_a_file(tmp_path: Path, row: dict[str, Any], column: str | None, suffix: str) -> None:
    path = write(tmp_path / f"set.{suffix}", [row])
    (questions,) = read_sets([f"mine={path}"], column)
    assert (questions.name, questions.texts) == ("mine", ["Q"])


@pytest.mark.parametrize("name", [*benchmarks.known(), "mine=someone/something", "math=someone/math"])
def test_a_test_set_of_the_hub(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked: list[Data] = []

    def rows(data: Data) -> Iterator[tuple[str, dict[str, Any]]]:
        asked.append(data)
        yield "there:1", {"question": "Q"}

    monkeypatch.setattr(questions, "hub_rows", rows)
    assert [questions.texts for questions in read_sets([name])] == [["Q"]]
    known, _, hub = name.partition("=")
    sets = benchmarks.known()
    assert asked[0].hub == (hub or sets[known].data.hub)
    assert asked[0].split == (sets[known].data.split if known in sets else "test")


@pytest.mark.parametrize("given", ["run", "run/dataset", "run/dataset/data/train-*.parquet"])
def test_of_a_dataset_all_rows_are_read_and_no_split_twice(tmp_path: Path, given: str) -> None:
    (tmp_path / "run").mkdir()
    with PartWriter(tmp_path / "run", 0, fingerprint="f") as part:
        for number in range(5):
            texts = ("problem", "generated_solution", "expected_answer", "problem_source")
            part.write({name: str(number) for name in texts})
        part.finish()
    card = CardInfo(name="n", task="solutions", teacher="t", prompt="p", source="s", samples=1)
    publish(
        [part.path],
        tmp_path / "run/dataset",
        card=card,
        config={},
        options=Publish(splits={"train_3": 3, "small": 2}),
    )
    found = read_problems(str(tmp_path / given), "problem", Skipped())
    assert [problem.text for problem in found] == ["0", "1", "2", "3", "4"]


MISTAKES = [
    ([], "test=[]: missing"),
    (["gsm"], "test=gsm: no known test set (did you mean gsm8k?); give test=[gsm=FILE]"),
    (["=x.jsonl"], "test==x.jsonl: has no name"),
    (["a={file}", "a={file}"], "test=a={file}: given twice"),
    (["a={file}.jsonl"], "test=a={file}.jsonl: no such file"),
    (["a={empty}"], "test=a={empty}: holds no questions"),
    (["a={other}"], "test_column=problem: {other}:1 has no such column; it has x"),
    (["a={number}"], "test_column=problem: {number}:1 holds the number 3"),
]


@pytest.mark.parametrize(("given", "message"), MISTAKES, ids=[" ".join(given) for given, _ in MISTAKES])
def test_a_mistake_in_a_test_set_is_one_line(tmp_path: Path, given: list[str], message: str) -> None:
    files = {
        "file": write(tmp_path / "file.jsonl", [{"problem": "Q"}]),
        "empty": write(tmp_path / "empty.jsonl", []),
        "other": write(tmp_path / "other.jsonl", [{"x": "Q"}]),
        "number": write(tmp_path / "number.jsonl", [{"problem": 3}]),
    }
    with pytest.raises(ConfigError) as told:
        read_sets([word.format(**files) for word in given])
    assert str(told.value).startswith(message.format(**files))
    assert "\n" not in str(told.value)


def test_problems_of_files_and_of_a_dataset(tmp_path: Path) -> None:
    rows = [{"problem": "P", "x": 1}, {"problem": "P", "x": 2}]
    for path in (write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.parquet", rows)):
        found = list(read_problems(str(path), "problem", Skipped(), whole_rows=True))
        assert [(problem.where, problem.text, problem.row) for problem in found] == [
            (f"{path}:{number}", "P", row) for number, row in enumerate(rows, 1)
        ]
    assert len(list(read_problems(str(tmp_path / "*.*"), "problem", Skipped()))) == 4
    part = write(tmp_path / "dataset/data/train-00000.parquet", rows)
    assert [problem.where for problem in read_problems(str(tmp_path / "dataset"), "problem", Skipped())] == [
        f"{part}:1",
        f"{part}:2",
    ]


def test_of_a_dataset_with_smaller_splits_every_row_is_read_once(tmp_path: Path) -> None:
    for split, rows in (("small", ["P"]), ("train", ["P", "Q"])):
        write(tmp_path / f"data/{split}-00000.parquet", [{"problem": text} for text in rows])
    assert [problem.text for problem in read_problems(str(tmp_path), "problem", Skipped())] == ["P", "Q"]


def test_of_parquet_only_the_column_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "b.parquet", [{"problem": "P", "solution": "long"}])
    assert [problem.row for problem in read_problems(str(path), "problem", Skipped())] == [{"problem": "P"}]
    with pytest.raises(ConfigError, match="it has problem, solution"):
        list(read_problems(str(path), "prob", Skipped()))


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no dataset"):
        list(read_problems(str(tmp_path), "problem", Skipped()))


def test_a_bad_row_stops_or_is_left_out_and_clean_rows_keep_their_numbers(here: Here, tmp_path: Path) -> None:
    good = b'{"problem":"How many?","n":%d,"x":1.50}\n' % 3**50
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + good + b'{"problem": null}\n{torn\n')
    write(tmp_path / "test.jsonl", [{"problem": "Another question altogether?"}])
    command = ["decontaminate", "input=in.jsonl", "test=[mine=test.jsonl]", "clean=clean.jsonl"]
    code, _, err = here(*command)
    assert (code, err.count("\n")) == (2, 1)
    assert "in.jsonl:2 holds null" in err and "on_bad_row=skip" in err
    assert not (tmp_path / "clean.jsonl").exists()
    code, out, err = here(*command, "on_bad_row=skip")
    assert code == 0, err
    assert "left out: 1 rows, not_json (in.jsonl:3)" in out
    assert (tmp_path / "clean.jsonl").read_bytes() == good
