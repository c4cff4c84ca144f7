"""Checks a published directory against its own `stats.json`, from both formats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import zstandard

from omi_core.publish.dataset import STATS, read_stats
from omi_core.publish.parts import decompress
from omi_core.publish.rows import column_types, encode_row
from omi_core.publish.splits import CHAT, TRAIN


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
        _verify_split(root, name, split, _row_encoder(stats["columns"]))
    train = stats["splits"][TRAIN]
    if (stats["rows"], stats["content_hash"]) != (train["rows"], train["content_hash"]):
        raise ValueError(f"{root / STATS}: rows or content_hash differ from those of its split 'train'")
    for name, split in stats["splits"].items():
        if name != TRAIN and split["rows"] != min(split["size"], train["rows"]):
            raise ValueError(
                f"{root / STATS}: split {name!r} has {split['rows']} rows, not {split['size']} "
                f"of the {train['rows']} there are"
            )
    if "chat" in stats:
        _verify_chat(root / CHAT, stats)


def _verify_chat(root: Path, stats: Mapping[str, Any]) -> None:
    for name, split in stats["splits"].items():
        chat = stats["chat"]["splits"][name]
        _verify_split(root, name, chat, _encode_chat)
        if chat["rows"] != split["rows"]:
            raise ValueError(
                f"{root}: split {name!r} has {chat['rows']} rows, as plain rows it has {split['rows']}"
            )


Encoder = Callable[[Mapping[str, Any]], bytes]


def _row_encoder(columns: Iterable[str]) -> Encoder:
    types = column_types(columns)
    return lambda row: encode_row(row, types)


def _encode_chat(row: Mapping[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _verify_split(root: Path, name: str, split: Mapping[str, Any], encode: Encoder) -> None:
    for folder in ("data", "jsonl"):
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
            for block, count in (_parquet_lines if folder == "data" else _jsonl_lines)(root / path, encode):
                digest.update(block)
                rows += count
            if rows != expected[path]:
                raise ValueError(f"{root / path}: holds {rows} rows, {STATS} says {expected[path]}")
        if sum(expected.values()) != split["rows"] or digest.hexdigest() != split["content_hash"]:
            raise ValueError(
                f"{root / folder}: the rows of split {name!r} are not those that {STATS} describes"
            )


def _jsonl_lines(path: Path, encode: Encoder) -> Iterator[tuple[bytes, int]]:
    try:
        with open(path, "rb") as file:
            for chunk in decompress(file):
                yield chunk, chunk.count(b"\n")
    except zstandard.ZstdError as error:
        raise ValueError(f"{path}: damaged ({error})") from error


def _parquet_lines(path: Path, encode: Encoder) -> Iterator[tuple[bytes, int]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                rows = batch.to_pylist()
                yield b"".join([encode(row) for row in rows]), len(rows)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: damaged ({str(error)[:200]})") from error
