"""One bad row does not end an input: it stops there with its place, or is left out, counted and listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from omi_core.config import Data
from omi_core.inputs import Skipped, read_records
from omi_core.inputs import skipped as skipping
from omi_core.options import ConfigError
from tests.conftest import Here

GOOD = b'{"q": "one", "a": "1"}\n', b'{"q": "two", "a": "2"}\n'


def read(path: Path, skipped: Skipped | None = None) -> list[str]:
    data = Data(origin="file", path=str(path), problem="q", answer="a")
    return [record.text for record in read_records(data, None, skipped or Skipped())]


def write(path: Path, raw: bytes) -> Path:
    path.write_bytes(zstandard.compress(raw) if path.name.endswith(".zst") else raw)
    return path


HARMLESS = {
    "a BOM": b"\xef\xbb\xbf%b%b",
    "a BOM in each of two files put together": b"\xef\xbb\xbf%b\xef\xbb\xbf%b",
    "blank lines": b"\n%b \t\r\n%b\n\n",
    "NaN in a column that is not read": b'%b{"q": "two", "a": "2", "x": [NaN, -Infinity]}\n',
    "half a character in a column that is not read": b'%b{"q": "two", "a": "2", "x": {"y": "\\ud800"}}\n',
    "no UTF-8 in a column that is not read": b'%b{"q": "two", "a": "2", "x": "\xff\xfe"}\n',
    "a number beyond floats in a column that is not read": b'%b{"q": "two", "a": "2", "x": 1e999}\n',
    "no line break at the end": b'%b{"q": "two", "a": "2"}',
}


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.zst"])
@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_harmless_is_simply_read(tmp_path: Path, case: str, name: str) -> None:
    pattern = HARMLESS[case]
    raw = pattern % GOOD if pattern.count(b"%b") == 2 else pattern % GOOD[:1]
    for content in (raw, raw.replace(b"\n", b"\r\n")):
        assert read(write(tmp_path / name, content)) == ["one", "two"]


BAD = {
    b"[1]": ("not_json", "not a JSON object"),
    b"null": ("not_json", "not a JSON object"),
    b'{"q": "x", "a"': ("not_json", "not a line of JSON"),
    b'{"q": "x", "a": "1"} {}': ("not_json", "not a line of JSON"),
    b'{"q": "x", "a": "1", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}": ("not_json", "nested too deeply"),
    b'{"q": "\\ud800", "a": "1"}': ("broken_text", "column q holds broken text"),
    b'{"q": "x", "a": ["\\udfff"]}': ("broken_text", "column a holds broken text"),
    b'{"q": "\xff", "a": "1"}': ("broken_text", "column q holds broken text"),
    b'{"a": "1"}': ("missing_column", "data.problem=q: {where} has no such column"),
    b'{"q": "x"}': ("missing_column", "data.answer=a: {where} has no such column"),
    b'{"q": "x", "a": NaN}': ("not_an_answer", "data.answer=a: {where} holds the number nan"),
    b'{"q": "x", "a": {"b": 1}}': ("not_an_answer", "data.answer=a: {where} holds a mapping"),
    b'{"q": "x", "a": [1, 2]}': ("several_answers", "data.several_answers=any"),
    b'{"q": 7, "a": "1"}': ("not_a_problem", "data.problem=q: {where} holds the number 7"),
}


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:40].decode("utf-8", "replace"))
def test_a_bad_row_stops_with_its_place_or_is_left_out(tmp_path: Path, line: bytes) -> None:
    reason, why = BAD[line]
    path = write(tmp_path / "in.jsonl", GOOD[0] + line + b"\n" + GOOD[1])
    where = f"{path}:2"
    with pytest.raises(ConfigError) as told:
        read(path)
    assert where in str(told.value) and why.format(where=where) in str(told.value)
    assert str(told.value).endswith("; to leave out such rows, data.on_bad_row=skip")
    assert "\n" not in str(told.value)
    skipped = Skipped("skip")
    assert read(path, skipped) == ["one", "two"]
    assert (skipped.counts, skipped.examples) == ({reason: 1}, {reason: [where]})
    skipped.write(tmp_path / "listed.jsonl")
    (listed,) = map(orjson.loads, (tmp_path / "listed.jsonl").read_bytes().splitlines())
    assert (listed["reason"], listed["where"]) == (reason, where)
    assert why.format(where=where) in listed["why"]


def test_a_torn_last_line_is_a_bad_row(tmp_path: Path) -> None:
    path, skipped = write(tmp_path / "in.jsonl", b"".join(GOOD) + GOOD[0][:-4]), Skipped("skip")
    assert read(path, skipped) == ["one", "two"]
    assert skipped.examples == {"not_json": [f"{path}:3"]}


def test_a_row_of_parquet_that_is_not_utf8_is_a_bad_row(tmp_path: Path) -> None:
    texts = pa.Array.from_buffers(
        pa.string(), 3, pa.array([b"one", b"\xff", b"two"], pa.binary()).buffers(), 0
    )
    table = pa.table({"q": texts, "a": ["1", "1", "2"], "unused": texts})
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(ConfigError, match=r"in.parquet:2: holds broken text .* data.on_bad_row=skip"):
        read(tmp_path / "in.parquet")
    skipped = Skipped("skip")
    assert read(tmp_path / "in.parquet", skipped) == ["one", "two"]
    pq.write_table(table.set_column(0, "q", pa.array(["one", "two", "three"])), tmp_path / "in.parquet")
    assert read(tmp_path / "in.parquet") == ["one", "two", "three"]


def test_utf16_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", GOOD[0].decode().encode("utf-16"))
    with pytest.raises(ConfigError, match="is written in UTF-16; convert it to UTF-8"):
        read(path, Skipped("skip"))


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_any_bytes_between_rows_are_counted_or_blank(
    tmp_path_factory: pytest.TempPathFactory, junk: list[bytes]
) -> None:
    lines = [line for part in junk for line in part.split(b"\n")]
    path = write(tmp_path_factory.getbasetemp() / "junk.jsonl", GOOD[0] + b"\n".join(lines) + b"\n" + GOOD[1])
    skipped = Skipped("skip")
    assert read(path, skipped) == ["one", "two"]
    assert sum(skipped.counts.values()) == sum(
        bool(line.removeprefix(b"\xef\xbb\xbf").strip()) for line in lines
    )


def test_the_list_is_bounded_and_the_counts_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipping, "LISTED", 7)
    skipped = Skipped("skip")
    assert read(write(tmp_path / "in.jsonl", b"x\n" * 20 + GOOD[0]), skipped) == ["one"]
    skipped.write(tmp_path / "listed.jsonl")
    assert skipped.counts == {"not_json": 20}
    assert len((tmp_path / "listed.jsonl").read_bytes().splitlines()) == 7


ROWS = [GOOD[0], b"{broken\n", b'{"q": "\\ud800", "a": "1"}\n', b'{"q": "x", "a": {}}\n', GOOD[1]]
COMMANDS = {
    "generate": ["data=file", "data.path=in.jsonl", "teacher=rehearsal", "samples=2"],
    "reduce": ["input=in.jsonl", "solution=[a]", "filters.no_boxed=false"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_stops_with_nothing_left_or_skips_and_lists(
    here: Here, tmp_path: Path, command: str
) -> None:
    write(tmp_path / "in.jsonl", b"".join(ROWS))
    given = [
        command,
        *COMMANDS[command],
        "data.problem=q",
        "data.answer=a",
        "run.dir=run",
        "cluster.workers=1",
    ]
    code, _, err = here(*given)
    assert (code, err.count("\n")) == (2, 1)
    assert "in.jsonl:2: not a line of JSON" in err and "data.on_bad_row=skip" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    code, out, err = here(*given, "data.on_bad_row=skip")
    assert code in (0, 1), err  # the rehearsal's two samples may both be wrong
    counts = {"not_json": 1, "broken_text": 1, "not_an_answer": 1}
    plan: dict[str, Any] = orjson.loads((tmp_path / "run/plan.json").read_bytes())
    assert plan["skipped"] == counts
    listed = [orjson.loads(line) for line in (tmp_path / "run/skipped_rows.jsonl").read_bytes().splitlines()]
    assert [row["where"] for row in listed] == ["in.jsonl:2", "in.jsonl:3", "in.jsonl:4"]
    assert "left out: they are listed in run/skipped_rows.jsonl" in err
    code, out, _ = here(*given, "data.on_bad_row=skip", "plan=true", "run.fresh=true")
    assert "1 input rows: not_json (in.jsonl:2)" in out
