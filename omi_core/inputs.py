"""Reading the input: a hub dataset, local files or the demo's world become a stream of records.

Rows that cannot be used are never silently dropped: `Skipped` counts them by reason, with the first few
places, and the plan keeps that account.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from omi_core.config import Data
from omi_core.options import ConfigError, did_you_mean
from omi_core.records import Record

Row = dict[str, Any]


@dataclass
class Skipped:
    """Rows left out of the plan: how many per reason, and where the first of each were.

    `chunks` counts documents, their chunks, and the cuts inside sentences, formulas and words.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    chunks: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        places = self.examples.setdefault(reason, [])
        if len(places) < 5:
            places.append(where)


def read_records(data: Data, pattern: str | None, skipped: Skipped) -> Iterator[Record]:
    """Records in input order, ordinals from 0, each content once; unusable rows go to `skipped`.

    `pattern` is the final-answer pattern, for `data.answer_format=pattern`.

    Raises:
        ConfigError: no such file or column, or an input that cannot be read.
    """
    record_of = RowReader(data, pattern, skipped)
    seen: set[bytes] = set()
    for where, row in read_rows(data):
        record = record_of(row, where)
        if record is None:
            continue
        key = bytes.fromhex(record.id)
        if key in seen:
            skipped.add("duplicate", where)
            continue
        yield replace(record, ordinal=len(seen))
        seen.add(key)
        if data.limit is not None and len(seen) >= data.limit:
            return


class RowReader:
    """Makes a record of a row, with ordinal 0; of a row that cannot be used it tells `skipped` why."""

    def __init__(self, data: Data, pattern: str | None, skipped: Skipped) -> None:
        self._data = data
        self._truth = GroundTruth(data, pattern)
        self._skipped = skipped

    def __call__(self, row: Row, where: str) -> Record | None:
        """None when the row was skipped. Raises ConfigError: it lacks a column that the config names."""
        text = cell(row, self._data.problem, where, "data.problem")
        if not isinstance(text, str) or not text.strip():
            self._skipped.add("empty_problem", where)
            return None
        expected = self._truth(row, where)
        known = self._data.answer is None or self._data.answer_format == "oracle"
        if expected is None and not known:
            self._skipped.add("no_ground_truth", where)
            return None
        return Record.make(0, text.strip(), expected, source_of(self._data, row, where))


class GroundTruth:
    """The expected answer of a row, by `data.answer_format`; None where it cannot be found."""

    def __init__(self, data: Data, pattern: str | None) -> None:
        from omi_core.answers import Extractor, gsm8k_ground_truth, math_ground_truth

        if data.answer_format == "pattern" and pattern is None:
            raise ConfigError("data.answer_format=pattern: give the pattern, answers.pattern=REGEX")
        by_pattern = Extractor(("pattern",), pattern)
        self._data = data
        self._read: Callable[[str], str | None] = {
            "plain": lambda text: text.strip() or None,
            "gsm8k": gsm8k_ground_truth,
            "boxed": math_ground_truth,
            "pattern": lambda text: by_pattern(text).answer,
            "oracle": oracle,
        }[data.answer_format]

    def __call__(self, row: Row, where: str) -> str | None:
        if self._data.answer is None:
            return None
        value = cell(row, self._data.answer, where, "data.answer")
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return self._read(str(value))


def oracle(text: str) -> str | None:
    """The answer to a problem of the demo's world, else None: new problems need not make sense."""
    from omi_core.teachers.tiny import world

    return world.answer(text)


def source_of(data: Data, row: Row, where: str) -> str:
    """What is published as `problem_source`: the configured label, or with `from:COLUMN` the row's own."""
    if not data.source.startswith("from:"):
        return data.source
    return str(cell(row, data.source.removeprefix("from:").strip(), where, "data.source"))


def cell(row: Row, column: str, where: str, key: str) -> Any:
    """The value at `column`; a.b reaches inside when there is no column of that very name.

    Raises:
        ConfigError: no such column, naming those there are.
    """
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if not isinstance(value, dict) or part not in value:
            names = [str(name) for name in row]
            raise ConfigError(
                f"{key}={column}: {where} has no such column{did_you_mean(column, names)}; "
                f"it has {', '.join(names[:12]) or 'none'}"
            )
        value = value[part]
    return value


def read_rows(data: Data, columns: Sequence[str] | None = None) -> Iterator[tuple[str, Row]]:
    """(where, row) for every row of the input; `where` is for messages: file and line, or dataset and row.

    `columns` says which are needed, if not all.
    """
    if data.path is not None:
        if data.origin == "world":
            raise ConfigError(f"data.path={data.path}: data=demo makes its own problems; choose data=file")
        for path in local_files("data.path", data.path):
            yield from file_rows(path, columns)
    elif data.origin == "hub":
        yield from hub_rows(data)
    elif data.origin == "world":
        yield from world_rows(data)
    else:
        raise ConfigError("data.path: missing; give a .jsonl, .jsonl.zst or .parquet file")


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


def file_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[str, Row]]:
    """Rows of one local file, streamed; `columns` says which are needed, if not all; a.b lies inside a.

    Raises:
        ConfigError: the file is damaged or a line is not a JSON object.
    """
    import pyarrow as pa
    import zstandard

    try:
        if path.name.endswith(".parquet"):
            yield from _parquet_rows(path, columns)
        else:
            yield from _json_rows(path)
    except (OSError, zstandard.ZstdError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error


def _json_rows(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open("rb") as raw:
        lines: Iterable[bytes] = _zstd_lines(raw) if path.name.endswith(".zst") else raw
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ConfigError(f"{where}: not a line of JSON ({error})") from error
            if not isinstance(row, dict):
                raise ConfigError(f"{where}: not a JSON object; one object per line is expected")
            yield where, row


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


def _parquet_rows(path: Path, columns: Sequence[str] | None) -> Iterator[tuple[str, Row]]:
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(path) as file:
        if columns is not None:
            names = file.schema_arrow.names
            columns = [column if column in names else column.partition(".")[0] for column in columns]
            if not set(columns) <= set(names):
                columns = None  # one is missing; then a message can name what there is
        for batch in file.iter_batches(batch_size=1024, columns=columns and list(dict.fromkeys(columns))):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}:{number}", row


def hub_rows(data: Data) -> Iterator[tuple[str, Row]]:
    """Rows of a dataset on the hub, streamed, its configurations one after another.

    Raises:
        ConfigError: no id is given, or the hub cannot be reached or does not have it.
    """
    if not data.hub:
        raise ConfigError("data.hub: missing; give a dataset id, e.g. data.hub=openai/gsm8k")
    import datasets

    # It would tell of every retry; the outcome is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    for config in data.hub_config or [None]:
        try:
            stream = datasets.load_dataset(
                data.hub, config, split=data.split, revision=data.revision, streaming=True
            )
            for number, row in enumerate(stream, 1):
                assert isinstance(row, dict)
                yield f"{data.hub}:{number}", row
        except ConfigError:
            raise
        except Exception as error:  # the hub client raises many kinds; all mean "not to be had"
            raise ConfigError(
                f"data.hub={data.hub}: cannot be read ({type(error).__name__}: {_short(error)}); "
                "without a connection give a local file, data.path=FILE"
            ) from error


def world_rows(data: Data) -> Iterator[tuple[str, Row]]:
    """The demo: `data.size` problems of the embedded teachers' world, drawn by `data.seed`.

    `text` is a problem with its working as prose, for dialogues.
    """
    from random import Random

    from omi_core.teachers.tiny import world

    if data.split not in ("train", "test"):
        raise ConfigError(f"data.split={data.split}: the demo has train and test")
    for number, problem in enumerate(world.draw(data.seed, data.size, data.split), 1):
        text = world.passage(problem, Random(f"demo, {data.seed}, {number}"))
        yield f"demo:{number}", {"problem": problem.text, "answer": problem.answer, "text": text}


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
