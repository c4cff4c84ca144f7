"""Rows become documents: text, id and source, from parquet and JSON lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import zstandard

from omi_core.documents import Document, read_documents
from omi_core.documents.document_options import Documents
from omi_core.inputs import Skipped, file_rows
from omi_core.options import ConfigError
from omi_core.records import digest128

ROWS = [
    {"text": f"Text {n}.", "url": f"http://{n}", "date": "d", "metadata": f'{{"site": {{"rank": {n}}}}}'}
    for n in range(5)
]


def read(rows: list[dict[str, Any]], **options: Any) -> tuple[list[Document], dict[str, int]]:
    skipped = Skipped()
    found = list(
        read_documents(((f"f:{n}", row) for n, row in enumerate(rows)), Documents(**options), skipped)
    )
    return found, skipped.counts


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.zst"])
def test_files_like_openwebmath_are_read(tmp_path: Path, name: str) -> None:
    path, lines = tmp_path / name, b"".join(orjson.dumps(row) + b"\n" for row in ROWS)
    if name.endswith(".parquet"):
        pl.DataFrame(ROWS).write_parquet(path, row_group_size=2)
    else:
        path.write_bytes(zstandard.compress(lines) if name.endswith(".zst") else lines)
    found = list(read_documents(file_rows(path), Documents(source="url"), Skipped()))
    assert [(item.text, item.source) for item in found] == [(row["text"], row["url"]) for row in ROWS]
    assert found[0].id == digest128("document", "Text 0.")


def test_a_name_with_dots_reaches_inside_json() -> None:
    found, _ = read(ROWS, id="metadata.site.rank")
    assert [item.id for item in found] == ["0", "1", "2", "3", "4"]


def test_rows_without_text_or_id_are_counted() -> None:
    rows = [
        {"text": " ", "id": "a"},
        {"text": None, "id": "b"},
        {"text": "t", "id": None},
        {"text": "t", "id": 7},
    ]
    found, skipped = read(rows, id="id")
    assert [item.id for item in found] == ["7"]
    assert skipped == {"empty_document": 2, "no_document_id": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "txt"}, "documents.text=txt: f:0 has no such column (did you mean text?)"),
        ({"id": "metadata.nothing"}, "documents.id=metadata.nothing: f:0 has no such column"),
        ({"source": "url.host"}, "documents.source=url.host: f:0 has no such column"),
    ],
)
def test_a_column_that_is_not_there_is_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(ROWS, **options)
