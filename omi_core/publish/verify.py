"""Checks a published directory against its own `stats.json`, from both formats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import zstandard

from omi_core.publish.dataset import STATS, read_stats
from omi_core.publish.parts import decompress
from omi_core.publish.rows import encode_row
from omi_core.publish.shards import arrow_kinds
from omi_core.publish.splits import CHAT, TRAIN
from omi_core.publish.styles import SPLIT, content_hash, raw_share


def verify(dataset_dir: Path) -> None:
    """Recount and rehash every row, in parquet and in jsonl, and compare with `stats.json`.

    Raises ValueError naming the first file or figure that is wrong. Reads everything: minutes for millions
    of rows; memory is that of one parquet row group.
    """
    root = Path(dataset_dir)
    stats = read_stats(root)
    if stats is None:
        raise ValueError(f"{root}: has no {STATS}; it is not a dataset of this suite")
    if "styles" in stats:
        _verify_styles(root, stats)
    else:
        _verify_splits(root, stats)


def _verify_splits(root: Path, stats: Mapping[str, Any]) -> None:
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


def _verify_styles(root: Path, stats: Mapping[str, Any]) -> None:
    """Every style and variant, with its tokens and the styles of its rows, and the figures of the whole."""
    styles, variants = stats["styles"], stats["variants"]
    for name, folder in (styles | variants).items():
        tally = _Tally(_row_encoder(stats["columns"]))
        _verify_split(root / name, SPLIT, folder, tally.encode)
        expected = folder.get("styles", {name: {key: folder[key] for key in ("rows", "tokens")}})
        if tally.styles != {style: figures for style, figures in expected.items() if figures["rows"]}:
            raise ValueError(f"{root / name}: its styles or their tokens are not those that {STATS} says")
        if folder["tokens"] != sum(figures["tokens"] for figures in tally.styles.values()):
            raise ValueError(f"{root / STATS}: the tokens of {name!r} are not the sum of those of its rows")
        if "raw_share" in folder and folder["raw_share"] != raw_share(tally.styles):
            raise ValueError(f"{root / STATS}: raw_share of {name!r} is not that of its rows")
    for key in ("rows", "tokens"):
        if stats[key] != sum(style[key] for style in styles.values()):
            raise ValueError(f"{root / STATS}: its {key} are not the sum of those of its styles")
    if stats["content_hash"] != content_hash(styles):
        raise ValueError(f"{root / STATS}: content_hash is not that of its styles")


class _Tally:
    """Encodes rows, and counts them and their tokens by style."""

    def __init__(self, encode: Encoder) -> None:
        self.styles: dict[str, dict[str, int]] = {}
        self._encode = encode

    def encode(self, row: Mapping[str, Any], types: Mapping[str, type]) -> bytes:
        line = self._encode(row, types)  # first: it says what is wrong with a row
        style = self.styles.setdefault(row["style"], {"rows": 0, "tokens": 0})
        style["rows"] += 1
        style["tokens"] += row["tokens"]
        return line


# The canonical line of a row, given the types of its file's columns: those that a package declares are known
# only where it is installed.
Encoder = Callable[[Mapping[str, Any], Mapping[str, type]], bytes]


def _row_encoder(columns: Sequence[str]) -> Encoder:
    def encode(row: Mapping[str, Any], types: Mapping[str, type]) -> bytes:
        if list(types) != columns:
            raise ValueError(f"row: its columns are {', '.join(types)}; {STATS} lists {', '.join(columns)}")
        return encode_row(row, types)

    return encode


def _encode_chat(row: Mapping[str, Any], types: Mapping[str, type]) -> bytes:
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
            kinds = arrow_kinds()
            types = {  # not by a mapping of them: what a list holds is called otherwise in a file
                field.name: next((python for python, kind in kinds.items() if kind == field.type), list)
                for field in file.schema_arrow
            }
            for batch in file.iter_batches(batch_size=1000):
                rows = batch.to_pylist()
                yield b"".join([encode(row, types) for row in rows]), len(rows)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: damaged ({str(error)[:200]})") from error
