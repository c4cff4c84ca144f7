"""What is combined: published datasets and plain files, each with its rows and a digest of their content.

A dataset is read from its JSON lines, and what is read is checked against the hash that it was published
with. Of a file the digest is that of its bytes, so it is read twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import zstandard

from omi_core.inputs import OnBad, Row, file_rows, refuse
from omi_core.options import ConfigError
from omi_core.publish.dataset import read_stats
from omi_core.publish.parts import decompress, split_lines
from omi_core.publish.published import dataset_directory, dataset_files, train_of
from omi_core.publish.splits import CHAT, TRAIN
from omi_core.store.files import read_json

NOT_STATED = "not stated"
_CARD_NAME = re.compile(r'^pretty_name: (".*")$', re.M)
_CHUNK = 1 << 20


class InputDamaged(RuntimeError):
    """A published dataset does not hold the rows it was published with."""


@dataclass(frozen=True)
class Source:
    """One input: what cards call it, its columns, who wrote it, where its rows lie.

    `digest` decides the rows and their order; `content_hash` is the SHA-256 of the lines of a dataset.
    """

    name: str
    files: tuple[Path, ...]
    columns: tuple[str, ...]
    digest: str
    teacher: str = NOT_STATED
    rehearsal: bool = False
    content_hash: str | None = None

    def described(self) -> dict[str, Any]:
        """What the fingerprint covers; all of it may stand on a card, and nothing says where it lies."""
        return {"name": self.name, "teacher": self.teacher, "digest": self.digest}

    def rows(
        self, columns: Sequence[str], texts: Sequence[str] = (), bad: OnBad = refuse
    ) -> Iterator[tuple[str, Row]]:
        """(where, row) in order, streamed; of plain files by `columns`, `texts`, `bad` as in `file_rows`.

        Raises:
            InputDamaged: at the latest after the last row, a dataset is not what it was; what was made of the
                rows must not be kept.
            ConfigError: a file cannot be read; or as `bad` does.
        """
        if self.content_hash is None:
            for path in self.files:
                yield from file_rows(path, columns, texts, bad)
            return
        digest = hashlib.sha256()
        for path in self.files:
            for number, line in enumerate(_lines(path), 1):
                digest.update(line)
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise InputDamaged(f"{path}:{number}: not a line of JSON ({error})") from error
                yield f"{path}:{number}", row
        if digest.hexdigest() != self.content_hash:
            raise InputDamaged(f"{self.files[0].parent}: its rows are not those it was published with")


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for lines in split_lines(decompress(file)):
                yield from lines
    except FileNotFoundError:
        raise InputDamaged(f"{path}: is missing, though the dataset lists it") from None
    except zstandard.ZstdError as error:
        raise InputDamaged(f"{path}: damaged ({error})") from error


def open_source(key: str, given: str, *, chat: bool = False, bad: OnBad = refuse) -> Source:
    """The source that the option `key` names: a file, a glob, a run or a dataset; with `chat` its messages.

    Raises:
        ConfigError: there is no such thing, it is empty, or the dataset has no chat messages; or, of a file's
            first rows, as `bad` does.
    """
    path = Path(given)
    dataset = dataset_directory(path) if path.is_dir() else None
    if dataset is not None:
        return _published(key, given, dataset, chat)
    files = tuple(dataset_files(key, given))
    first = next((row for file in files for _, row in file_rows(file, (), (), bad)), None)
    if first is None:
        raise ConfigError(f"{key}={given}: holds no rows")
    return Source(path.name, files, tuple(map(str, first)), _digest(files))


def _published(key: str, given: str, dataset: Path, chat: bool) -> Source:
    split = train_of(key, given, dataset)
    try:
        stats = read_stats(dataset)
        config = read_json(dataset / "config.json")
    except (ValueError, OSError) as error:
        raise ConfigError(f"{key}={given}: {error}") from error
    assert stats is not None
    columns, folder = stats["columns"], dataset
    if chat and "messages" not in stats["columns"]:
        if CHAT not in stats:
            raise ConfigError(
                f"{key}={given}: is published without chat messages; make them with jobs.combine "
                f"inputs=[{given}] publish.chat=answer"
            )
        columns, folder = stats[CHAT]["columns"], dataset / CHAT
        split = stats[CHAT]["splits"][TRAIN]
    return Source(
        _card_name(dataset) or Path(given).name,
        tuple(folder / name for name in split["files"] if name.startswith("jsonl/")),
        tuple(columns),
        split["content_hash"],
        _teacher(config),
        bool(stats["rehearsal"]),
        split["content_hash"],
    )


def _card_name(dataset: Path) -> str | None:
    """The name on the card, which tells nothing of where the dataset lies."""
    try:
        found = _CARD_NAME.search((dataset / "README.md").read_text(encoding="utf-8"))
        return json.loads(found[1]) if found else None
    except (OSError, ValueError):
        return None


def _teacher(config: Mapping[str, Any]) -> str:
    """The teacher in the configuration of a dataset; of a combined one those of its inputs."""
    if isinstance(teacher := config.get("teacher"), Mapping):
        return str(teacher.get("name", NOT_STATED))
    if isinstance(inputs := config.get("inputs"), Mapping):
        named = {str(item.get("teacher", NOT_STATED)): None for item in inputs.values()}
        return ", ".join(named)
    return NOT_STATED


def _digest(files: tuple[Path, ...]) -> str:
    """128 bits over the bytes of the files in order, each with its length."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                digest.update(size.to_bytes(8, "little"))
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
