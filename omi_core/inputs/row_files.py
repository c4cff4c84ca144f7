"""Rows of local files, streamed: JSON lines, plain or in zstd, and parquet."""

from __future__ import annotations

import codecs
import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from omi_core.inputs.cells import head
from omi_core.inputs.numbers import decode, is_broken_text, is_inexact, is_rounded, needs_types, typed
from omi_core.inputs.skipped import BadRow, OnBad, refuse
from omi_core.options import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]


def local_files(key: str, pattern: str) -> list[Path]:
    """The files a path or glob names, sorted.

    Raises:
        ConfigError: there are none, or one is of an unknown kind.
    """
    path = Path(pattern)
    paths = [path] if path.is_file() else sorted(Path(name) for name in glob.glob(pattern))
    paths = [path for path in paths if path.is_file()]
    if not paths:
        raise ConfigError(f"{key}={pattern}: no such file")
    for path in paths:
        if not path.name.endswith((".jsonl", ".jsonl.zst", ".json", ".parquet")):
            raise ConfigError(f"{key}={path}: of unknown kind; it must end in .jsonl, .jsonl.zst or .parquet")
    return paths


def file_rows(
    path: Path, columns: Sequence[str] | None = None, texts: Sequence[str] | None = (), bad: OnBad = refuse
) -> Iterator[tuple[str, Row]]:
    """(where, row) for the rows of one local file, streamed.

    `columns` says which are needed, if not all; a.b lies inside a. What stands in the others cannot spoil a
    row; they may be there or not. In the columns `texts` (None: in all) numbers that Python might spell
    otherwise are `Number`s. `bad` is told of each bad row; by default the first one ends the reading.

    Raises:
        ConfigError: the file is damaged; or as `bad` does.
    """
    import pyarrow as pa
    import zstandard

    try:
        if path.name.endswith(".parquet"):
            yield from _parquet_rows(path, columns, texts, bad)
        else:
            yield from _json_rows(path, columns, texts, bad)
    except (OSError, zstandard.ZstdError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error


def _json_rows(
    path: Path, columns: Sequence[str] | None, texts: Sequence[str] | None, bad: OnBad
) -> Iterator[tuple[str, Row]]:
    needed = None if columns is None else _with_heads(columns)
    exact = None if texts is None else _with_heads(texts)
    with path.open("rb") as raw:
        lines: Iterable[bytes] = _zstd_lines(raw) if path.name.endswith(".zst") else raw
        for number, line in enumerate(lines, 1):
            if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise ConfigError(f"{path}: is written in UTF-16; convert it to UTF-8")
            where = f"{path}:{number}"
            try:
                row = _json_row(line, where, needed, exact)
            except BadRow as fault:
                bad(fault)
                continue
            if row is not None:
                yield where, row


def _with_heads(columns: Sequence[str]) -> list[str]:
    """The columns, and what lies above those that reach inside; which of both is there is not known yet."""
    return list(dict.fromkeys([*columns, *map(head, columns)]))


def _json_row(
    line: bytes, where: str, needed: Sequence[str] | None, exact: Sequence[str] | None
) -> Row | None:
    """The row of a line, None of a blank one. Raises BadRow."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            return None
        row = _decode(line, where, exactly=False)
        if isinstance(row, dict):
            _refuse_broken_text(row, where, needed)
    if not isinstance(row, dict):
        raise BadRow("not_json", where, f"{where}: not a JSON object; one object per line is expected")
    names = row if exact is None else exact
    if any(name in row and type(row[name]) is not str and is_inexact(row[name], line) for name in names):
        again = _decode(line, where, exactly=True)
        row.update({name: again[name] for name in names if name in row})
    return row


def _decode(line: bytes, where: str, *, exactly: bool) -> Any:
    """The value of a line that orjson refuses, or of which it loses something. Raises BadRow."""
    try:
        return decode(line, exactly=exactly)
    except ValueError as error:
        raise BadRow("not_json", where, f"{where}: not a line of JSON ({error})") from None


def _refuse_broken_text(row: Row, where: str, needed: Sequence[str] | None) -> None:
    """Raises BadRow when a column that is needed (None: any) holds broken text; in others it does no harm."""
    for name in row if needed is None else needed:
        if is_broken_text(row.get(name)) or needed is None and is_broken_text(name):
            raise BadRow(
                "broken_text",
                where,
                f"{where}: column {name} holds broken text (half a character, or bytes that are not UTF-8)",
            )


def _zstd_lines(raw: BinaryIO) -> Iterator[bytes]:
    """Lines of a zstd file of one frame or many. Raises OSError when the last frame is cut short."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor()
    frame, tail = None, b""
    while chunk := raw.read(1 << 20):
        while chunk:
            # Not zstandard's own stream reader: it takes the end of a truncated file for the end of the data.
            frame = frame or decompressor.decompressobj()
            head, newline, rest = frame.decompress(chunk).rpartition(b"\n")
            if newline:
                yield from (tail + head).split(b"\n")
                tail = rest
            else:
                tail += rest
            chunk = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if frame is not None:
        raise OSError("the file is cut short")
    if tail:
        yield tail


def _parquet_rows(
    path: Path, columns: Sequence[str] | None, texts: Sequence[str] | None, bad: OnBad
) -> Iterator[tuple[str, Row]]:
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(path) as file:
        if columns:
            names = file.schema_arrow.names
            columns = [column if column in names else head(column) for column in columns]
            if not set(columns) <= set(names):
                columns = None  # one is missing; then a message can name what there is
        chosen = list(dict.fromkeys(columns)) if columns else None
        for batch in file.iter_batches(batch_size=1024, columns=chosen):
            yield from arrow_rows(batch, f"{path}", number, texts, bad)
            number += batch.num_rows


def arrow_rows(
    batch: pa.RecordBatch | pa.Table,
    name: str,
    before: int,
    texts: Sequence[str] | None,
    bad: OnBad,
    *,
    converted: bool = False,
) -> Iterator[tuple[str, Row]]:
    """(where, row) for the rows of an Arrow batch, which `before` others precede; as `file_rows`.

    Where the batch was `converted` from something else, a large float may have been another whole number
    there, so it makes a bad row.
    """
    wanted = None if texts is None else set(_with_heads(texts))
    kinds = {
        field.name: field.type
        for field in batch.schema
        if (wanted is None or field.name in wanted) and needs_types(field.type)
    }
    for number, row in enumerate(_python_rows(batch), before + 1):
        where = f"{name}:{number}"
        if row is None:
            bad(BadRow("broken_text", where, f"{where}: holds broken text (bytes that are not UTF-8)"))
            continue
        if converted and any(is_rounded(row[column]) for column in kinds):
            line = f"{where}: holds a number of more than 15 digits as a float, so some may be lost"
            bad(BadRow("lost_digits", where, f"{line}; download the file and give it by data.path=FILE"))
            continue
        for column, kind in kinds.items():
            row[column] = typed(row[column], kind)
        yield where, row


def _python_rows(batch: pa.RecordBatch | pa.Table) -> Iterator[Row | None]:
    """The rows; None in place of one with text that is not UTF-8, which Arrow does not check."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for at in range(batch.num_rows):
            try:
                yield batch.slice(at, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield None
