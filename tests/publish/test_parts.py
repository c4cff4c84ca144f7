"""Parts: what a finished one guarantees, and which ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from omi_core.publish import (
    PartError,
    PartWriter,
    clean_text,
    manifest_path,
    merge_counts,
    part_path,
    read_part,
)
from omi_core.publish.parts import read_manifest
from omi_core.publish.rows import PUBLISHED, SOLUTIONS, column_types, encode_row


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "problem": f"What is {number} + 1?",
        "generated_solution": f"\\boxed{{{number + 1}}}",
        "expected_answer": str(number + 1),
        "problem_source": "sums",
    } | more


def write(
    directory: Path, rows: list[dict[str, Any]], number: int = 0, provenance: tuple[str, ...] = ()
) -> Path:
    with PartWriter(directory, number, fingerprint="f1", provenance=provenance) as part:
        for item in rows:
            part.write(item)
        return part.finish({"samples": len(rows)}).path


def test_a_part_gives_back_its_rows_and_counts(tmp_path: Path) -> None:
    rows = [row(i, votes=i, agreement=i / 7, teacher=None) for i in range(5)]
    path = write(tmp_path, rows, provenance=("teacher", "agreement", "votes"))
    assert path == part_path(tmp_path, 0)
    assert list(read_part(path)) == rows
    manifest = read_manifest(path)
    assert (manifest.rows, manifest.fingerprint, manifest.counts) == (5, "f1", {"samples": 5})
    assert manifest.columns == (*PUBLISHED, "votes", "agreement", "teacher")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["part-00000.json", "part-00000.jsonl.zst"]


def test_a_part_without_rows_is_a_part(tmp_path: Path) -> None:
    assert list(read_part(write(tmp_path, []))) == []


def test_rows_longer_than_a_read_come_back_whole(tmp_path: Path) -> None:
    rows = [row(0, generated_solution="x" * 3_000_000), row(1), row(2, generated_solution="é" * 1_500_000)]
    assert list(read_part(write(tmp_path, rows))) == rows


def test_writing_a_part_again_replaces_it(tmp_path: Path) -> None:
    write(tmp_path, [row(1)])
    assert list(read_part(write(tmp_path, [row(2)]))) == [row(2)]


@pytest.mark.parametrize("how", ["error", "no finish"])
def test_an_unfinished_part_leaves_no_file(tmp_path: Path, how: str) -> None:
    def attempt() -> None:
        with PartWriter(tmp_path, 0, fingerprint="f1") as part:
            part.write(row(1))
            if how == "error":
                raise KeyError("stop")

    if how == "error":
        with pytest.raises(KeyError):
            attempt()
    else:
        attempt()
    assert list(tmp_path.iterdir()) == []


BAD_ROWS = {
    "missing column": ({"problem": "p"}, "missing"),
    "unknown column": (row(1, colour="red"), "'colour'"),
    "null in a published column": (row(1, problem=None), "'problem' must be string"),
    "number as text": (row(1, expected_answer=2), "'expected_answer' must be string"),
    "text as number": (row(1, votes="2"), "'votes' must be int64"),
    "true as number": (row(1, votes=True), "'votes' must be int64"),
    "fraction as integer": (row(1, votes=2.5), "'votes' must be int64"),
    "over 64 bits": (row(1, votes=1 << 63), "'votes' must be int64"),
    "not a number": (row(1, votes=float("nan")), "'votes' must be int64"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_row_of_the_wrong_form_is_refused(tmp_path: Path, case: str) -> None:
    bad, message = BAD_ROWS[case]
    with PartWriter(tmp_path, 0, fingerprint="f1", provenance=("votes",) if "votes" in bad else ()) as part:
        with pytest.raises(ValueError, match=message):
            part.write(bad)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "0.5"])
def test_agreement_is_a_finite_number(tmp_path: Path, value: object) -> None:
    with PartWriter(tmp_path, 0, fingerprint="f1", provenance=["agreement"]) as part:
        with pytest.raises(ValueError, match="'agreement' must be float64"):
            part.write(row(1, agreement=value))
        part.write(row(1, agreement=1))


def test_an_unknown_provenance_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'colour'"):
        PartWriter(tmp_path, 0, fingerprint="f1", provenance=["colour"])


def damage(path: Path, how: str) -> None:
    """Change the part at `path` in one of the ways a crash, a bad disk or a user can."""
    data, manifest = path.read_bytes(), manifest_path(path)
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    fields = orjson.loads(manifest.read_bytes())
    match how:
        case "no manifest":
            manifest.unlink()
        case "no data":
            path.unlink()
        case "manifest is not JSON":
            manifest.write_bytes(b"{")
        case "manifest is a list":
            manifest.write_bytes(b"[]")
        case "manifest of another part":
            manifest.write_bytes(orjson.dumps(fields | {"part": "part-00009.jsonl.zst"}))
        case "unknown column":
            manifest.write_bytes(orjson.dumps(fields | {"columns": ["problem", "colour"]}))
        case "truncated":
            path.write_bytes(data[: len(data) // 2])
        case "empty":
            path.write_bytes(b"")
        case "flipped bit":
            path.write_bytes(data[:30] + bytes([data[30] ^ 4]) + data[31:])
        case "other rows":
            path.write_bytes(zstandard.compress(plain.replace(b"sums", b"sumz")))
        case "one row more":
            path.write_bytes(zstandard.compress(plain + plain[: plain.index(b"\n") + 1]))
        case "last newline gone":
            path.write_bytes(zstandard.compress(plain[:-1]))
        case "not zstd":
            path.write_bytes(plain)
        case _:
            raise AssertionError(how)


DAMAGE = (
    "no manifest",
    "no data",
    "manifest is not JSON",
    "manifest is a list",
    "manifest of another part",
    "unknown column",
    "truncated",
    "empty",
    "flipped bit",
    "other rows",
    "one row more",
    "last newline gone",
    "not zstd",
)


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_part_is_refused_in_one_line(tmp_path: Path, how: str) -> None:
    path = write(tmp_path, [row(i) for i in range(20)])
    damage(path, how)
    with pytest.raises(PartError, match="reduce") as error:
        list(read_part(path))
    assert "\n" not in str(error.value) and "part-00000" in str(error.value)


SURROGATES = [
    ("plain é 数", "plain é 数"),
    ("lone high \ud83d.", "lone high \ufffd."),
    ("lone low \ude00", "lone low \ufffd"),
    ("two halves \ud83d\ude00", "two halves 😀"),
    ("wrong way round \ude00\ud83d", "wrong way round \ufffd\ufffd"),
    ("NUL \x00 stays", "NUL \x00 stays"),
]


@pytest.mark.parametrize(("text", "clean"), SURROGATES)
def test_surrogates_are_replaced_where_a_row_is_written(tmp_path: Path, text: str, clean: str) -> None:
    (read,) = read_part(write(tmp_path, [row(1, generated_solution=text)]))
    assert read["generated_solution"] == clean == clean_text(text)


# Any text at all, surrogates included, with a bias to what could be mistaken for JSON structure.
TEXT = st.text(max_size=30) | st.text(alphabet='",:\\expctd_answer{}\n\r\ud83d\ude00', max_size=40)


@given(TEXT, TEXT, TEXT)
def test_the_duplicate_key_is_equal_just_for_equal_problem_and_solution(a: str, b: str, c: str) -> None:
    types = column_types(PUBLISHED)

    def key(problem: str, solution: str, answer: str) -> bytes:
        values = dict(zip(PUBLISHED, (problem, solution, answer, "s"), strict=True))
        return SOLUTIONS.duplicate_key(encode_row(values, types))

    a, b, c = clean_text(a), clean_text(b), clean_text(c)
    assert key(a, b, c) == key(a, b, "other")
    for other in ((b, a), (a, c), (c, b), (a + b, ""), (a, b + '","expected_answer":')):
        assert (key(a, b, c) == key(*other, c)) == ((a, b) == other)


def test_a_line_does_not_depend_on_the_order_of_keys() -> None:
    types = column_types(SOLUTIONS.columns(["votes", "record_id"]))
    item = row(1, votes=2, record_id="r")
    assert encode_row(item, types) == encode_row(dict(reversed(item.items())), types)


@given(st.lists(st.fixed_dictionaries({}, optional={"x": st.integers(), "y": st.integers()}), max_size=5))
def test_counts_add_up_key_by_key_in_any_order(items: list[dict[str, int]]) -> None:
    nested = [{"filters": item, "rows": 1} for item in items]
    total = merge_counts(nested)
    assert total == merge_counts(reversed(nested))
    assert total.get("rows", 0) == len(items)
    for name in ("x", "y"):
        assert total.get("filters", {}).get(name, 0) == sum(item.get(name, 0) for item in items)


@pytest.mark.parametrize(
    "bad", [[{"a": 0.5}], [{"a": True}], [{"a": 1}, {"a": {"b": 1}}], [{"a": {"b": 1}}, {"a": 1}]]
)
def test_counts_that_do_not_add_up_are_refused(bad: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="'a'"):
        merge_counts(bad)
