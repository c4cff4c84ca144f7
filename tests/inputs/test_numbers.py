"""Numbers are the text that stands in the file: JSON by its spelling, parquet by the type of the column."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from omi_core.config import Data
from omi_core.inputs import Number, Skipped, file_rows, hub_rows, json_form, read_records
from omi_core.inputs.numbers import float_text
from omi_core.options import ConfigError


def answers(path: Path, column: str = "a") -> list[str | None]:
    data = Data(origin="file", path=str(path), problem="q", answer=column)
    return [record.expected_answer for record in read_records(data, None, Skipped())]


SPELLINGS = [
    "0",
    "-0",
    "7",
    "1.50",
    "2.0",
    "1E5",
    "1e400",
    "-1e-400",
    str(3**50),
    str(2**63),
    str(2**64),
    str(-(2**63) - 1),
    "6366805760909027985741435139224001",
    "0.1000000000000000055511151231257827",
    "9" * 5000,
]


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.zst"])
def test_a_number_in_json_keeps_its_spelling(tmp_path: Path, name: str) -> None:
    lines = [f'{{"q": "p{at}", "a": {text}, "b": [{{"c": {text}}}]}}\n' for at, text in enumerate(SPELLINGS)]
    raw = "".join(lines).encode()
    (tmp_path / name).write_bytes(zstandard.compress(raw) if name.endswith(".zst") else raw)
    assert answers(tmp_path / name) == SPELLINGS
    assert answers(tmp_path / name, "b.0.c") == SPELLINGS


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True))
def test_every_number_of_json_round_trips_as_text(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "number.jsonl"
    path.write_text(f'{{"q": "p", "a": {text}}}\n')
    assert answers(path) == [text]


def test_numbers_of_other_columns_stay_numbers(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(
        '\ufeff{"a": 1.50, "score": 0.5, "n": 3}\n{"a": 1e400, "score": 1, "n": NaN}\n'
    )
    first, second = (row for _, row in file_rows(tmp_path / "in.jsonl", None, ("a",)))
    assert first == {"a": "1.50", "score": 0.5, "n": 3}
    assert (second["a"], second["score"]) == ("1e400", 1)
    assert math.isnan(second["n"])


TYPED = [
    (pa.float32(), [0.1, 2.0, 16777216.0, 1e20], ["0.1", "2", "16777216", "1e+20"]),
    (pa.float16(), [np.float16(0.1)], ["0.1"]),
    (pa.float64(), [0.1, 2.0, -7.0, 1e-05, 3.0**50], ["0.1", "2", "-7", "1e-05", repr(3.0**50)]),
    (pa.int64(), [-5, 2**62], ["-5", str(2**62)]),
    (pa.uint64(), [2**64 - 1], [str(2**64 - 1)]),
    (pa.decimal128(6, 2), [Decimal("1.50"), Decimal("0")], ["1.50", "0.00"]),
    (pa.decimal128(12, 10), [Decimal(0)], ["0.0000000000"]),
    (pa.decimal256(60, 0), [Decimal(3**100)], [str(3**100)]),
]


@pytest.mark.parametrize(("kind", "values", "texts"), TYPED, ids=lambda case: str(case)[:20])
@pytest.mark.parametrize("shape", ["plain", "list", "struct", "dictionary"])
def test_a_number_in_parquet_is_the_shortest_text_of_its_own_type(
    tmp_path: Path, kind: Any, values: list[Any], texts: list[str], shape: str
) -> None:
    column, name = pa.array(values, kind), "a"
    if shape == "list":
        column = pa.array([[value] for value in values], pa.list_(kind))
    elif shape == "struct":
        column, name = pa.array([{"b": value} for value in values], pa.struct([("b", kind)])), "a.b"
    elif shape == "dictionary" and not pa.types.is_float16(kind):
        column = column.dictionary_encode()
    problems = [f"p{at}" for at in range(len(values))]
    pq.write_table(pa.table({"q": problems, "a": column}), tmp_path / "in.parquet")
    assert answers(tmp_path / "in.parquet", name) == texts


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_the_text_of_a_float_is_read_back_by_its_own_type(value: float) -> None:
    assert np.float32(float_text(value, 32)) == np.float32(value)
    assert float(float_text(value, 64)) == value


def test_rows_are_written_as_they_stood() -> None:
    row = {
        "a": Number("1.50"),
        "b": [Number(str(3**50))],
        "c": "1.50",
        "d": float("nan"),
        "e": Decimal("1.5"),
    }
    assert json_form(row) == b'{"a":1.50,"b":[%d],"c":"1.50","d":null,"e":"1.5"}\n' % 3**50


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is read as a dataset of the hub is."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def test_numbers_of_the_hub_are_those_of_their_columns(hub: Path) -> None:
    pq.write_table(pa.table({"q": ["p", "r"], "a": pa.array([0.1, 2], pa.float32())}), hub / "train.parquet")
    data = Data(origin="hub", hub=str(hub), problem="q", answer="a")
    assert [record.expected_answer for record in read_records(data, None, Skipped())] == ["0.1", "2"]
    assert [row for _, row in hub_rows(data)] == [
        {"q": "p", "a": float(np.float32(0.1))},
        {"q": "r", "a": 2.0},
    ]


def test_a_number_of_the_hub_that_may_have_lost_digits_is_refused(hub: Path) -> None:
    lines = [orjson.dumps({"q": "p", "a": 1}), b'{"q": "r", "a": %d}' % 3**50]
    (hub / "train.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    data = Data(origin="hub", hub=str(hub), problem="q", answer="a")
    with pytest.raises(ConfigError, match=r":2: holds a number of more than 15 digits .* data.path=FILE"):
        list(read_records(data, None, Skipped()))
    skipped = Skipped("skip")
    assert [record.expected_answer for record in read_records(data, None, skipped)] == ["1"]
    assert skipped.counts == {"lost_digits": 1}
