"""Checks a published directory against its own `stats.json`, from both formats."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import zstandard

from omi_core.publish.dataset import STATS, read_stats
from omi_core.publish.parts import decompress
from omi_core.publish.rows import column_types, encode_row


def verify(dataset_dir: Path) -> None:
    """Recount and rehash every row, in parquet and in jsonl, and compare with `stats.json`.

    Raises ValueError naming the first file or figure that is wrong. Reads everything: minutes for millions
    of rows; memory is that of one parquet row group.
    """
    root = Path(dataset_dir)
    stats = read_stats(root)
    if stats is None:
        raise ValueError(f"{root}: has no {STATS}; it is not a dataset of this suite")
    for name, split in stats["splits"].items():
        for folder in ("data", "jsonl"):
            _verify_split(root, folder, name, split, stats["columns"])
    train = stats["splits"]["train"]
    if (stats["rows"], stats["content_hash"]) != (train["rows"], train["content_hash"]):
        raise ValueError(f"{root / STATS}: rows or content_hash differ from those of its split 'train'")


def _verify_split(root: Path, folder: str, name: str, split: Mapping[str, Any], columns: list[str]) -> None:
    expected = {path: rows for path, rows in split["files"].items() if path.startswith(f"{folder}/")}
    found = sorted(str(path.relative_to(root)) for path in (root / folder).glob(f"{name}-*"))
    if found != sorted(expected):
        odd = min(set(found) ^ set(expected))
        raise ValueError(
            f"{root / odd}: is {'not listed in' if odd in found else 'missing, but listed in'} {STATS}"
        )
    digest = hashlib.sha256()
    for path in found:
        rows = 0
        for block, count in (_parquet_lines if folder == "data" else _jsonl_lines)(root / path, columns):
            digest.update(block)
            rows += count
        if rows != expected[path]:
            raise ValueError(f"{root / path}: holds {rows} rows, {STATS} says {expected[path]}")
    if sum(expected.values()) != split["rows"] or digest.hexdigest() != split["content_hash"]:
        raise ValueError(f"{root / folder}: the rows of split {name!r} are not those that {STATS} describes")


def _jsonl_lines(path: Path, columns: list[str]) -> Iterator[tuple[bytes, int]]:
    try:
        with open(path, "rb") as file:
            for chunk in decompress(file):
                yield chunk, chunk.count(b"\n")
    except zstandard.ZstdError as error:
        raise ValueError(f"{path}: damaged ({error})") from error


def _parquet_lines(path: Path, columns: list[str]) -> Iterator[tuple[bytes, int]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = column_types(columns)
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                rows = batch.to_pylist()
                yield b"".join([encode_row(row, types) for row in rows]), len(rows)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: damaged ({str(error)[:200]})") from error
