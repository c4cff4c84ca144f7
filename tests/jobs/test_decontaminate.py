"""The command `jobs.decontaminate`: its report, its files, and its mistakes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import orjson
import pytest

from tests.conftest import Here

QUESTION = (
    "A baker sells 12 loaves each morning and 15 loaves each evening. How many does she sell in 7 days?"
)
OTHER = (
    "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts does it take in all?"
)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def files(tmp_path: Path) -> None:
    """a.jsonl and b.jsonl are test sets; problems.jsonl holds six rows of four problems."""
    write(tmp_path / "a.jsonl", [{"question": QUESTION}, {"question": OTHER}])
    write(tmp_path / "b.jsonl", [{"problem": "Find $x$."}, {"problem": QUESTION}])
    problems = [
        QUESTION,
        QUESTION,
        QUESTION.replace("7 days", "8 days"),
        "find  x",
        "Something new?",
        "Something new?",
    ]
    write(
        tmp_path / "problems.jsonl",
        [{"problem": text, "sample": number} for number, text in enumerate(problems)],
    )


@pytest.mark.usefixtures("files")
def test_report_pairs_and_clean_rows(here: Here, tmp_path: Path) -> None:
    code, out, err = here(
        "decontaminate", "input=problems.jsonl", "test=[a=a.jsonl,b=b.jsonl]", "clean=clean.jsonl"
    )
    assert (code, err) == (0, "")
    assert "4 problems, 3 contaminated, 5 pairs" in out
    table = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line[:2] in ("a ", "b ")}
    assert table["a"] == ["1", "0", "1", "2", "50.0%", "1", "of", "2"]
    assert table["b"] == ["1", "1", "1", "3", "75.0%", "2", "of", "2"]
    pairs = lines(tmp_path / "contamination.jsonl")
    assert [(pair["where"], pair["test_set"], pair["test_index"], pair["method"]) for pair in pairs] == [
        ("problems.jsonl:1", "a", 0, "exact"),
        ("problems.jsonl:1", "b", 1, "exact"),
        ("problems.jsonl:3", "a", 0, "ngram"),
        ("problems.jsonl:3", "b", 1, "ngram"),
        ("problems.jsonl:4", "b", 0, "whole"),
    ]
    assert pairs[2]["problem"] == QUESTION.replace("7 days", "8 days")
    assert (pairs[2]["test_text"], pairs[2]["score"]) == (QUESTION, pytest.approx(19 / 20))
    assert [row["sample"] for row in lines(tmp_path / "clean.jsonl")] == [4, 5]


@pytest.mark.usefixtures("files")
def test_what_is_written_per_problem_can_be_limited_and_the_counts_stay(here: Here, tmp_path: Path) -> None:
    code, out, _ = here("decontaminate", "input=problems.jsonl", "test=[a=a.jsonl,b=b.jsonl]", "top=1")
    assert code == 0
    assert "5 pairs" in out
    assert len(lines(tmp_path / "contamination.jsonl")) == 3


def test_a_problem_of_many_rows_counts_once_however_many_there_are(here: Here, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"question": QUESTION}])
    write(tmp_path / "problems.jsonl", [{"problem": QUESTION}] * 2500 + [{"problem": OTHER}] * 2500)
    arguments = ("input=problems.jsonl", "test=[a=a.jsonl]", "clean=clean.jsonl")
    assert "2 problems, 1 contaminated, 1 pairs" in here("decontaminate", *arguments)[1]
    assert len(lines(tmp_path / "clean.jsonl")) == 2500


def test_a_run_is_searched_by_its_dataset(here: Here, tmp_path: Path) -> None:
    made = here("generate", "teacher=rehearsal", "data.size=20", "run.dir=runs/r", "cluster.workers=1")
    assert made[0] == 0
    row = lines_of_zst(tmp_path / "runs/r/dataset/jsonl/train-00000.jsonl.zst")[0]
    write(tmp_path / "a.jsonl", [{"question": row["problem"]}])
    code, out, _ = here("decontaminate", "input=runs/r", "test=[a=a.jsonl]")
    assert code == 0
    assert "1 of 1" in out
    assert lines(tmp_path / "contamination.jsonl")[0]["method"] == "exact"


def lines_of_zst(path: Path) -> list[dict[str, Any]]:
    import zstandard

    text = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    return [orjson.loads(line) for line in text.splitlines()]


class Model:
    """Stands in for a sentence-transformers model: a text is whether it tells of loaves, of bolts or of x."""

    def __init__(self, name: str) -> None:
        assert name == "some/model"

    def encode(self, sentences: list[str], **options: Any) -> np.ndarray:
        return np.array([[word in text for word in ("loaves", "bolts", "x")] for text in sentences], float)


@pytest.mark.usefixtures("files")
def test_with_a_model_every_problem_has_its_nearest_questions(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    package = ModuleType("sentence_transformers")
    monkeypatch.setattr(package, "SentenceTransformer", Model, raising=False)
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    arguments = ("input=problems.jsonl", "test=[a=a.jsonl,b=b.jsonl]", "model=some/model", "top=2")
    assert here("decontaminate", *arguments)[0] == 0
    found = lines(tmp_path / "nearest.jsonl")
    assert [row["where"] for row in found] == [f"problems.jsonl:{number}" for number in (1, 3, 4, 5)]
    near = [(hit["test_set"], hit["test_index"]) for hit in found[1]["nearest"]]
    assert near == [("a", 0), ("b", 1)]
    assert found[1]["nearest"][0]["score"] == pytest.approx(1)


MISTAKES = [
    ([], "input: missing"),
    (["input=problems.jsonl"], "test=[]: missing"),
    (["input=none.jsonl", "test=[a=a.jsonl]"], "input=none.jsonl: no such file"),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "column=text"],
        "column=text: problems.jsonl:1 has no such",
    ),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "pairs=no/where.jsonl"],
        "pairs=no/where.jsonl: not a file",
    ),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "clean=problems.jsonl"],
        "clean=problems.jsonl: is read or",
    ),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "clean=contamination.jsonl"],
        "clean=contamination.jsonl: is",
    ),
    (["input=problems.jsonl", "test=[a=a.jsonl]", "pairs=a.jsonl"], "pairs=a.jsonl: is read or written"),
    (["input=problems.jsonl", "test=[a=a.jsonl]", "share=2"], "share=2.0: must be at most 1"),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "lenght=problem"],
        "lenght: no such option (did you mean length",
    ),
    (["problems.jsonl"], "problems.jsonl: not an option"),
    (["input=problems.jsonl", "test=[a=a.jsonl]", "model=m"], "model=m: the package sentence-transformers"),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(a) or "none" for a, _ in MISTAKES])
def test_a_mistake_is_one_line_with_exit_code_2_and_leaves_no_file(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = here("decontaminate", *arguments)
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert (code, out) == (2, "")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_help_lists_every_option(here: Here) -> None:
    code, out, _ = here("decontaminate", "--help")
    assert code == 0
    for option in ("input=null", "test=[]", "top=5", "share=0.6", "length=shorter"):
        assert f"  {option}\n" in out
    assert "RUN\n" not in out
