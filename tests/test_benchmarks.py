"""The list of test sets agrees with the training data of the same sets, real files and the docs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from omi_core import benchmarks
from omi_core.benchmarks.reading import read_benchmark
from omi_core.decontaminate.questions import read_sets
from omi_core.inputs import Skipped, read_records
from omi_core.inputs.data_options import Data
from omi_core.options import ConfigError, check
from omi_core.tasks.demo import world_rows

ROOT = Path(__file__).parents[1]
BENCHMARKS = benchmarks.known()
FILES = ("gsm8k", "math", "amc23", "aime24", "olympiadbench")  # those at hand


@pytest.mark.parametrize("name", BENCHMARKS)
def test_what_is_read_of_a_benchmark_is_a_valid_input_with_answers(name: str) -> None:
    data = BENCHMARKS[name].data
    check(data)
    assert data.hub and data.answer and BENCHMARKS[name].source


@pytest.mark.parametrize("name", ["gsm8k", "math"])
def test_training_data_of_the_same_set_is_another_split_of_the_same(name: str) -> None:
    given = yaml.safe_load((ROOT / f"hydra_conf/data/{name}.yaml").read_text())
    data = vars(BENCHMARKS[name].data)
    same = ("hub", "hub_config", "problem", "answer", "answer_format")
    assert {key: given[key] for key in same} == {key: data[key] for key in same}
    assert (given["split"], data["split"]) == ("train", "test")


@pytest.mark.parametrize("name", FILES)
def test_every_question_of_a_real_file_has_its_answer(name: str, shared_data: Path) -> None:
    """By its path alone: files of a set differ from the hub's in the names of columns."""
    _, found = benchmarks.find(f"{name}={shared_data / name / 'test.jsonl'}")
    skipped = Skipped()
    answers = [record.expected_answer for record in read_records(found.data, None, skipped)]
    assert len(answers) == found.rows and None not in answers
    assert skipped.counts == {}


def test_a_benchmark_of_ones_own_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "data: {path: rows.jsonl, answer: a}\nrows: 2\nsource: me\nlevel: l\n"
    )
    name, found = benchmarks.find(str(tmp_path / "mine.yaml"))
    assert (name, found.rows, found.data.origin) == ("mine", 2, "file")
    assert (found.data.path, found.columns) == (str(tmp_path / "rows.jsonl"), ["l"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data: {path: x.jsonl}", "no data.answer"),
        ("data: {path: x.jsonl, answer: a}\nrow: 3", "row: no such option .did you mean rows"),
        ("data: {path: x.jsonl, answer: 3}", "data.answer=3: not a value"),
        ("rows: 3", "no section 'data'"),
        ("{", "cannot be read"),
    ],
)
def test_a_file_that_is_no_benchmark_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"^benchmarks=.*mine.yaml: .*{says}"):
        benchmarks.find(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("word", ["gms8k", "gms8k=x.jsonl", "nowhere.yaml", "gsm8k=nowhere.jsonl"])
def test_a_benchmark_that_there_is_not_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="^benchmarks=") as caught:
        benchmarks.find(word)
    assert "gms8k" not in word or "did you mean gsm8k" in str(caught.value)


def test_the_docs_list_what_there_is() -> None:
    """A row for each: name, dataset and split, source, licence."""
    text = (ROOT / "docs/decontaminate.md").read_text()
    for name, found in BENCHMARKS.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert f"`{found.data.hub}`, {found.data.split}" in row
        assert row.endswith(f"| {found.source} | {found.licence or 'not known'} |")


@pytest.mark.parametrize(
    ("read", "key", "instead"),
    [
        (
            lambda: list(read_benchmark("gsm8k", BENCHMARKS["gsm8k"], None, Skipped())),
            "benchmarks=gsm8k=openai/gsm8k",
            "benchmarks=[gsm8k=FILE]",
        ),
        (lambda: read_sets(["gsm8k"]), "test=gsm8k=openai/gsm8k", "test=[gsm8k=FILE]"),
        (lambda: read_sets(["mine=a/b"]), "test=mine=a/b", "test=[mine=FILE]"),
        (
            lambda: list(read_records(Data(origin="hub", hub="a/b"), None, Skipped())),
            "data.hub=a/b",
            "data.path=FILE",
        ),
    ],
)
def test_a_hub_that_cannot_be_read_is_told_with_the_option_that_names_a_file(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any], key: str, instead: str
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise ConnectionError("no way there")

    monkeypatch.setattr("datasets.load_dataset", lost)
    with pytest.raises(ConfigError) as told:
        read()
    assert str(told.value) == (
        f"{key}: cannot be read (ConnectionError: no way there); without a connection give a local file, "
        f"{instead}"
    )


def test_the_problems_of_the_demo_are_held_out_and_no_known_test_set() -> None:
    assert benchmarks.find("demo=7")[1].data.size == 7
    for size in ("0", "-1", "x", "", "1e3", "100001", "٣"):
        with pytest.raises(ConfigError, match="give the number of its problems"):
            benchmarks.find(f"demo={size}")
    name, found = benchmarks.find("demo")
    assert name == "demo" and name not in BENCHMARKS
    skipped = Skipped()
    asked = list(read_benchmark(name, found, 20, skipped))
    assert len(asked) == 20 and None not in [record.expected_answer for record in asked]
    seen = {row["problem"] for _, row in world_rows(Data(split="train", size=400))}
    assert not seen & {record.text for record in asked}
