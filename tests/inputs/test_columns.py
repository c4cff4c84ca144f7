"""Inputs: every kind of file gives the same records; nothing unusable is dropped without being counted."""

from __future__ import annotations

import ast
from pathlib import Path

import orjson
import polars as pl
import pytest
import zstandard

from omi_core import inputs
from omi_core.config import Data
from omi_core.inputs import Skipped, read_records
from omi_core.options import ConfigError
from omi_core.records import Record

ROWS = [
    {"q": "What is 1+1?", "a": "So #### 2", "meta": {"level": 1}},
    {"q": "  What is 2,000+1?  ", "a": "Thus\n#### 2,001", "meta": {"level": 2}},
]


def write(path: Path, rows: list[dict]) -> Path:
    data = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif path.suffix == ".zst":
        half = data.index(b"\n") + 1  # two frames, as appended files have
        compress = zstandard.ZstdCompressor().compress
        path.write_bytes(compress(data[:half]) + compress(data[half:]))
    else:
        path.write_bytes(data)
    return path


def read(path: Path | str, skipped: Skipped | None = None, **options: object) -> list[Record]:
    values = {"origin": "file", "path": str(path), "problem": "q", "answer": "a", "answer_format": "gsm8k"}
    return list(read_records(Data(**values | options), None, skipped or Skipped()))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.zst", "in.parquet"])
def test_every_kind_of_file_gives_the_same_records(tmp_path: Path, name: str) -> None:
    records = read(write(tmp_path / name, ROWS))
    assert [(r.ordinal, r.text, r.expected_answer) for r in records] == [
        (0, "What is 1+1?", "2"),
        (1, "What is 2,000+1?", "2001"),
    ]


def test_a_glob_reads_files_in_order_of_name(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", ROWS[1:])
    write(tmp_path / "a.jsonl", ROWS[:1])
    assert [r.expected_answer for r in read(tmp_path / "*.jsonl")] == ["2", "2001"]


def test_columns_reach_inside_and_sources_come_from_a_column(tmp_path: Path) -> None:
    records = read(write(tmp_path / "in.jsonl", ROWS), source="from:meta.level")
    assert [r.source for r in records] == ["1", "2"]


def test_a_limit_counts_usable_records(tmp_path: Path) -> None:
    rows = [{"q": " ", "a": "#### 1"}, *ROWS]
    assert [r.expected_answer for r in read(write(tmp_path / "in.jsonl", rows), limit=1)] == ["2"]


def test_unusable_rows_are_counted_with_their_place(tmp_path: Path) -> None:
    rows = [*ROWS, {"q": "", "a": "#### 1"}, {"q": "No answer", "a": "none"}, ROWS[0]]
    path, skipped = write(tmp_path / "in.jsonl", rows), Skipped()
    assert len(read(path, skipped)) == 2
    assert skipped.counts == {"empty_problem": 1, "no_ground_truth": 1, "duplicate": 1}
    assert skipped.examples["duplicate"] == [f"{path}:5"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b'{"q": 1', {}, "in.jsonl:1: not a line of JSON"),
        (b"[1]\n", {}, "in.jsonl:1: not a JSON object"),
        (b'{"question": "x", "a": "y"}\n', {}, "data.problem=q: .*in.jsonl:1 has no such column"),
        (b'{"q": "x", "answer": "y"}\n', {}, "data.answer=a: .* it has q, answer"),
        (b'{"q": "x", "a": "#### 1"}\n', {"source": "from:topic"}, "data.source=topic"),
        (b"", {"answer_format": "pattern"}, "answers.pattern=REGEX"),
    ],
)
def test_an_input_that_cannot_be_read_is_a_mistake_with_its_place(
    tmp_path: Path, content: bytes, options: dict, message: str
) -> None:
    (tmp_path / "in.jsonl").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "in.jsonl", **options)


@pytest.mark.parametrize("name", ["in.parquet", "in.jsonl.zst"])
@pytest.mark.parametrize("tail", [b"", b"\0" * 40], ids=["cut short", "overwritten"])
def test_a_damaged_file_is_a_mistake(tmp_path: Path, name: str, tail: bytes) -> None:
    data = write(tmp_path / name, ROWS * 50).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2 + 3] + tail)
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("path", "message"), [("nowhere.jsonl", "no such file"), ("notes.txt", "of unknown kind")]
)
def test_a_path_must_name_a_file_of_a_known_kind(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / path)


def test_the_demo_draws_by_seed() -> None:
    def draw(seed: int) -> list[Record]:
        data = Data(origin="world", split="test", size=20, seed=seed, answer="answer")
        return list(read_records(data, None, Skipped()))

    assert draw(1) == draw(1)
    assert {r.id for r in draw(1)}.isdisjoint(r.id for r in draw(2))
    assert all(r.expected_answer for r in draw(1))


def test_reading_an_input_knows_no_world_of_its_own() -> None:
    """The demo enters its world from above: `data.origin=world` and `data.answer_format=oracle`."""
    packages = {
        node.module.split(".")[1]
        for path in Path(inputs.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and node.module.startswith("omi_core.")
    }
    assert "options" in packages and packages.isdisjoint({"teachers", "tasks"})


def test_real_training_sets_are_read_whole(shared_data: Path) -> None:
    skipped = Skipped()
    gsm8k = read(shared_data / "gsm8k/train.jsonl", skipped, problem="question", answer="answer")
    math = read(
        shared_data / "math/train.jsonl", skipped, problem="problem", answer="solution", answer_format="boxed"
    )
    assert len(gsm8k) + len(math) == 7473 + 7500 - 2
    # Two solutions of MATH end in an empty box; they are named, not guessed at.
    assert skipped.counts == {"no_ground_truth": 2}
    assert [place.rpartition(":")[2] for place in skipped.examples["no_ground_truth"]] == ["5530", "5532"]
