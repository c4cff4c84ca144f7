"""Parts: the files between reduce and publish, each with a manifest that proves it whole.

`part-00007.jsonl.zst` holds canonical rows (`rows.encode_row`), `part-00007.json` its manifest. The data
are renamed into place before the manifest: a part without a manifest, or with one that does not match, was
not finished and is refused. Writing a part again replaces it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson
import zstandard

from omi_core.publish.rows import SCHEMAS, SOLUTIONS, Schema, column_types, encode_row
from omi_core.records import Seen, digest128
from omi_core.store.files import fsync_path, rename, write_atomic

LEVEL = 3
_VERSION = 1
_CHUNK = 1 << 20


class PartError(ValueError):
    """A part is missing, unfinished or damaged; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class PartManifest:
    """What a finished part says of itself.

    `size` and `sha256` are those of the uncompressed lines; `counts` is free: nested mappings of integers,
    added up over parts by `merge_counts`. `task` says which rows they are. `seen` are the samples that it was
    made of, None where it was made of something else.
    """

    path: Path
    rows: int
    size: int
    sha256: str
    columns: tuple[str, ...]
    fingerprint: str
    counts: dict[str, Any] = field(default_factory=dict)
    task: str = SOLUTIONS.task
    seen: Seen | None = None

    @property
    def schema(self) -> Schema:
        return SCHEMAS[self.task]

    def to_json(self) -> dict[str, Any]:
        names = ("rows", "size", "sha256", "columns", "fingerprint", "counts", "task")
        said = {"version": _VERSION, "part": self.path.name} | {name: getattr(self, name) for name in names}
        if self.seen is not None:
            said["seen"] = asdict(self.seen)
        return said | {"check": _check(said)}


def _check(said: Mapping[str, Any]) -> str:
    """A checksum of the manifest itself: a flipped digit in a count is as wrong as one in a row."""
    content = {name: value for name, value in said.items() if name != "check"}
    return digest128(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


def part_path(directory: Path, number: int) -> Path:
    return directory / f"part-{number:05d}.jsonl.zst"


def manifest_path(part: Path) -> Path:
    return part.with_name(part.name.removesuffix(".jsonl.zst") + ".json")


class PartWriter:
    """Writes one part; nothing is visible before `finish`.

        with PartWriter(directory, 7, fingerprint=fingerprint, provenance=("votes", "voters")) as part:
            for row in rows:
                part.write(row)
            part.finish({"samples": 128})

    Leaving the block without `finish`, by an exception or not, leaves no file. One writer per part number
    at a time: a run's lock is the caller's business.
    """

    def __init__(
        self,
        directory: Path,
        number: int,
        *,
        fingerprint: str,
        provenance: Iterable[str] = (),
        schema: Schema = SOLUTIONS,
    ) -> None:
        self.path = part_path(Path(directory), number)
        self.rows = 0
        self._fingerprint = fingerprint
        self._task = schema.task
        self._types = column_types(schema.columns(provenance), schema.task)
        self._size = 0
        self._hash = hashlib.sha256()
        self._temporary = self.path.with_name(f".{self.path.name}.partial")
        self._file = open(self._temporary, "wb")
        # No content size in the frame: it is not known before the end. The checksum finds a flipped bit.
        self._zstd = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(
            self._file, closefd=False
        )
        self._buffer = bytearray()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; ValueError names the column that is missing, unknown or of the wrong type."""
        self.append(encode_row(row, self._types))

    def append(self, line: bytes) -> None:
        """Append one row as another part of the same columns holds it: its line, newline included."""
        self._buffer += line
        self.rows += 1
        if len(self._buffer) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        self._hash.update(self._buffer)
        self._size += len(self._buffer)
        self._zstd.write(self._buffer)
        self._buffer.clear()

    def finish(self, counts: Mapping[str, Any] | None = None, seen: Seen | None = None) -> PartManifest:
        """Make the part durable and visible, with `counts` and `seen` in its manifest.

        Raises OSError (disk full).
        """
        counts = merge_counts([counts or {}])
        self._flush()
        self._zstd.close()
        self._file.close()
        fsync_path(self._temporary)
        manifest = PartManifest(
            self.path,
            self.rows,
            self._size,
            self._hash.hexdigest(),
            tuple(self._types),
            self._fingerprint,
            counts,
            self._task,
            seen,
        )
        rename(self._temporary, self.path)
        write_atomic(manifest_path(self.path), orjson.dumps(manifest.to_json(), option=orjson.OPT_INDENT_2))
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            # On a full disk, closing the compressor fails again; the file goes either way.
            with suppress(OSError):
                self._zstd.close()
            with suppress(OSError):
                self._file.close()
        self._temporary.unlink(missing_ok=True)


def read_manifest(part: Path) -> PartManifest:
    """The manifest of a part, checked for form only (the data: `read_lines`). Raises PartError."""
    part = Path(part)
    path = manifest_path(part)
    try:
        raw = orjson.loads(path.read_bytes())
        if raw["check"] != _check(raw):
            raise ValueError("its checksum is wrong")
        if raw["version"] != _VERSION or raw["part"] != part.name:
            raise ValueError(f"it describes {raw['part']!r}, format {raw['version']!r}")
        columns = tuple(raw["columns"])
        task = str(raw.get("task", SOLUTIONS.task))  # a part of an earlier version does not say
        if task not in SCHEMAS:
            raise ValueError(f"its task {task!r} is not known")
        column_types(columns, task)
        return PartManifest(
            part,
            int(raw["rows"]),
            int(raw["size"]),
            str(raw["sha256"]),
            columns,
            str(raw["fingerprint"]),
            dict(raw["counts"]),
            task,
            Seen(**raw["seen"]) if "seen" in raw else None,
        )
    except FileNotFoundError:
        raise PartError(
            f"{part}: has no manifest {path.name}, so it was never finished; reduce it again"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise PartError(f"{path}: not a valid manifest ({error}); reduce this part again") from error


def part_lines(manifest: PartManifest) -> Iterator[list[bytes]]:
    """The canonical lines of a part, newline included, in lists of about a megabyte.

    Raises PartError, at the latest after the last line, when the data are not those of the manifest;
    whatever is built from the lines must not be committed before the iterator ends.
    """
    digest = hashlib.sha256()
    rows = size = 0

    def hashed() -> Iterator[bytes]:
        nonlocal size
        for chunk in _decompressed(manifest.path):
            digest.update(chunk)
            size += len(chunk)
            if size > manifest.size:
                return
            yield chunk

    for lines in split_lines(hashed()):
        rows += len(lines)
        yield lines
    if (rows, size, digest.hexdigest()) != (manifest.rows, manifest.size, manifest.sha256):
        raise PartError(
            f"{manifest.path}: holds {rows} rows in {size} bytes that do not match its manifest "
            f"({manifest.rows} rows, {manifest.size} bytes); it is damaged, reduce this part again"
        )


def split_lines(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines of chunks, newline included, in lists of about a chunk; a torn last one is left out."""
    tail: list[bytes] = []
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if not end:
            tail.append(chunk)
            continue
        # Not `splitlines`: that also takes a carriage return for the end of a line.
        yield io.BytesIO(b"".join([*tail, chunk[:end]])).readlines()
        tail = [chunk[end:]] if end < len(chunk) else []


def _decompressed(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            yield from decompress(file)
    except FileNotFoundError:
        raise PartError(f"{path}: is missing though its manifest is there; reduce this part again") from None
    except zstandard.ZstdError as error:
        raise PartError(f"{path}: damaged ({error}); reduce this part again") from error


def decompress(file: BinaryIO) -> Iterator[bytes]:
    """Chunks of at most a megabyte of a zstd file's content."""
    with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def read_part(part: Path) -> Iterator[dict[str, Any]]:
    """The rows of a part; PartError when it is unfinished or, at its end at the latest, damaged."""
    for lines in part_lines(read_manifest(part)):
        for line in lines:
            yield orjson.loads(line)


def merge_counts(counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of nested mappings of integers, key by key; a key that only some hold counts as 0 elsewhere.

    Integers only, since a sum of floats depends on how rows were spread over parts. Keys come out sorted,
    for the same reason. Raises ValueError naming the key whose value is anything else.
    """
    total: dict[str, Any] = {}
    for mapping in counts:
        _add(total, mapping, "")
    return _sorted(total)


def _add(total: dict[str, Any], mapping: Mapping[str, Any], prefix: str) -> None:
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            inner = total.setdefault(key, {})
            if not isinstance(inner, dict):
                raise ValueError(f"counts: {name!r} is a number in one part and a mapping in another")
            _add(inner, value, f"{name}.")
        elif type(value) is int:
            if isinstance(total.get(key, 0), dict):
                raise ValueError(f"counts: {name!r} is a number in one part and a mapping in another")
            total[key] = total.get(key, 0) + value
        else:
            raise ValueError(f"counts: {name!r} must be an integer or a mapping, not {type(value).__name__}")


def _sorted(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: _sorted(v) if isinstance(v, dict) else v for key, v in sorted(mapping.items())}
