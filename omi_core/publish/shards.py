"""The files of one split: parquet under `data/`, jsonl.zst under `jsonl/`, written side by side.

Where files and row groups end depends on the rows alone, never on how they arrive, so equal rows make
equal bytes (under equal versions of pyarrow and zstandard, which both leave their mark).
Compression and the JSON decoding run in two threads, outside the interpreter's lock, while the caller
reads on; the two formats of a row group are the only rows held.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson
import zstandard

from omi_core.publish.chat import messages_type
from omi_core.publish.names import file_name
from omi_core.publish.parts import LEVEL
from omi_core.publish.rows import COLUMNS, DEFAULT_TASK, column_types, columns_of

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_PER_GROUP = 10_000
BYTES_PER_GROUP = 32 << 20
_IN_FLIGHT = 2
_ROLE = "messages.list.element.role"


def arrow_kinds() -> dict[type, pa.DataType]:
    """The Arrow type of each type of a column."""
    import pyarrow as pa

    kinds: dict[type, pa.DataType] = {
        str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), list: messages_type()
    }  # fmt: skip
    return kinds | {list[kind]: pa.list_(kinds[kind]) for kind in (str, float, bool, list)}


def arrow_schema(columns: Iterable[str], task: str = DEFAULT_TASK) -> pa.Schema:
    """These columns with their types, not null where they never are; ValueError for an unknown column."""
    import pyarrow as pa

    kinds, known = arrow_kinds(), columns_of(task)
    return pa.schema(
        [
            pa.field(name, kinds[kind], nullable=known[name].nullable)
            for name, kind in column_types(columns, task).items()
        ]
    )


class SplitWriter:
    """Writes the rows of one split, in order, as both formats.

    Files are `data/<split>-00000-<hash>.parquet` and `jsonl/<split>-00000-<hash>.jsonl.zst`, each of
    `rows_per_file` rows but the last; the hash is known when all are written, so they get it in `finish`.
    Leaving the `with` block by an exception leaves broken files behind: the directory is the caller's to
    throw away.
    """

    def __init__(self, root: Path, split: str, schema: pa.Schema, rows_per_file: int) -> None:
        if rows_per_file < 1:
            raise ValueError(f"rows_per_file must be at least 1, not {rows_per_file}")
        self.rows = 0
        self._rows_per_file = rows_per_file
        self._group: list[bytes] = []
        self._group_size = 0
        self._parquet = _ParquetFiles(root / "data", split, schema)
        self._jsonl = _JsonlFiles(root / "jsonl", split)
        self._pools = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]
        self._pending: deque[Future[None]] = deque()

    def add(self, lines: Iterable[bytes]) -> None:
        """Append canonical lines (newline included) as rows."""
        for line in lines:
            self._group.append(line)
            self._group_size += len(line)
            self.rows += 1
            file_full = self.rows % self._rows_per_file == 0
            if file_full or len(self._group) == ROWS_PER_GROUP or self._group_size >= BYTES_PER_GROUP:
                self._submit(file_full)

    def _submit(self, file_full: bool) -> None:
        block, rows = b"".join(self._group), len(self._group)
        self._group, self._group_size = [], 0
        for pool, files in zip(self._pools, (self._parquet, self._jsonl), strict=True):
            self._pending.append(pool.submit(files.write, block, rows, file_full))
        while len(self._pending) > 2 * _IN_FLIGHT:
            self._pending.popleft().result()

    def finish(self) -> dict[str, Any]:
        """Write what is left; returns what `stats.json` says of the split: rows, content_hash and files."""
        if self._group:
            self._submit(True)
        while self._pending:
            self._pending.popleft().result()
        self._parquet.close()
        self._jsonl.close()
        digest = self._jsonl.digest.hexdigest()
        files = self._parquet.named(digest) | self._jsonl.named(digest)
        return {"rows": self.rows, "content_hash": digest, "files": files}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)
        self._parquet.abandon()
        self._jsonl.abandon()


class _Files:
    """A numbered series of files, the next opened when there are rows for it."""

    def __init__(self, folder: Path, split: str, suffix: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._rows: list[int] = []  # of each file
        self._folder = folder
        self._split = split
        self._suffix = suffix
        self._open = False

    def write(self, block: bytes, rows: int, file_full: bool) -> None:
        if not self._open:
            self._begin(self._unnamed(len(self._rows)))
            self._rows.append(0)
            self._open = True
        self._append(block, rows)
        self._rows[-1] += rows
        if file_full:
            self._open = False
            self._end()

    def close(self) -> None:
        """End the series."""
        if self._open:
            self._open = False
            self._end()

    def abandon(self) -> None:
        """Let go of a file that an error left open; after `close` there is none."""
        if self._open:
            self._open = False
            try:
                self._end()
            except Exception:
                pass  # the error that brought us here is the one to report

    def named(self, content_hash: str) -> dict[str, int]:
        """Give the closed files their names; returns the rows of each, by its path from the split's root."""
        files = {}
        for number, rows in enumerate(self._rows):
            name = file_name(self._split, number, self._suffix, content_hash)
            self._unnamed(number).rename(self._folder / name)
            files[f"{self._folder.name}/{name}"] = rows
        return files

    def _unnamed(self, number: int) -> Path:
        return self._folder / f"{self._split}-{number:05d}{self._suffix}"

    def _begin(self, path: Path) -> None:
        raise NotImplementedError

    def _append(self, block: bytes, rows: int) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError


class _ParquetFiles(_Files):
    _writer: pq.ParquetWriter

    def __init__(self, folder: Path, split: str, schema: pa.Schema) -> None:
        super().__init__(folder, split, ".parquet")
        self._schema = schema

    def _begin(self, path: Path) -> None:
        self._writer = parquet_writer(path, self._schema)

    def _append(self, block: bytes, rows: int) -> None:
        self._writer.write_table(parse_lines(block, rows, self._schema), row_group_size=ROWS_PER_GROUP)

    def _end(self) -> None:
        self._writer.close()


class _JsonlFiles(_Files):
    def __init__(self, folder: Path, split: str) -> None:
        super().__init__(folder, split, ".jsonl.zst")
        self.digest = hashlib.sha256()

    def _begin(self, path: Path) -> None:
        self._file = open(path, "wb")
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._writer = compressor.stream_writer(self._file, closefd=False)

    def _append(self, block: bytes, rows: int) -> None:
        self.digest.update(block)
        self._writer.write(block)

    def _end(self) -> None:
        try:
            self._writer.close()
        finally:  # on a full disk the writer cannot end its frame, and would leave the file open
            self._file.close()


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Opens a parquet file as all published ones are written."""
    import pyarrow.parquet as pq

    known = {name: COLUMNS[name] for name in schema.names if name in COLUMNS}  # of lists nothing is told
    options: dict[str, Any] = {  # typed here: pyarrow's own annotations know only bool for the lists
        "compression": "zstd",
        "compression_level": LEVEL,
        "use_dictionary": [name for name in known if known[name].repeats]
        + [_ROLE] * ("messages" in schema.names),
        "write_statistics": [name for name in known if not known[name].long],
        # The serialised Arrow schema adds nothing to the Parquet schema, and changes with versions.
        "store_schema": False,
    }
    return pq.ParquetWriter(path, schema, **options)


def parse_lines(block: bytes, rows: int, schema: pa.Schema) -> pa.Table:
    """`rows` canonical lines as a table of `schema`, of one chunk; ValueError when they are not rows of it.

    polars takes half the time of `pyarrow.json` for it, and as little of the lock.
    """
    import polars as pl

    line = block[: block.index(b"\n")]
    names = list(orjson.loads(line))
    if names != schema.names:  # polars would leave out what it does not look for
        raise ValueError(f"a part holds lines of the columns {', '.join(names)}, not those of its manifest")
    try:
        table = pl.read_ndjson(block, schema={field.name: _polars_type(field.type) for field in schema})
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"a part holds lines that are not rows of its columns: {str(error)[:200]}"
        ) from error
    if len(table) != rows:
        raise ValueError(f"a part holds {len(table)} rows in {rows} lines")
    for field in schema:
        if not field.nullable and table[field.name].null_count():
            raise ValueError(f"a part holds rows without {field.name!r}")
    # As one chunk: where polars cuts is its own affair, and pages of a parquet file would go by it.
    return table.rechunk().to_arrow(compat_level=pl.CompatLevel.newest()).cast(schema)


def _polars_type(kind: pa.DataType) -> pl.DataType:
    import polars as pl
    import pyarrow as pa

    if pa.types.is_list(kind):
        return pl.List(_polars_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pl.Struct({field.name: pl.String for field in kind})
    types = {pa.string(): pl.String(), pa.int64(): pl.Int64(), pa.float64(): pl.Float64()}
    return (types | {pa.bool_(): pl.Boolean()})[kind]
