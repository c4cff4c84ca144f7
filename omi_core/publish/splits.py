"""The splits of a dataset, written: `train` from the parts, then the fair ones from `train` itself.

The first pass leaves 8 bytes for every row, from which it is decided who belongs where; the second reads what
the first has written. So no row is held, and parts are read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zstandard

from omi_core.publish.chat import ChatForm
from omi_core.publish.dedupe import SeenRows, digest_keys
from omi_core.publish.fair import Draw, FairRows
from omi_core.publish.parts import PartManifest, decompress, part_lines, split_lines
from omi_core.publish.rows import DEFAULT_TASK
from omi_core.publish.shards import SplitWriter, arrow_schema

TRAIN = "train"
CHAT = "chat"  # the directory of the chat form, and its name as a configuration


@dataclass(frozen=True, slots=True)
class Forms:
    """What rows become: their columns, rows of a file, and the chat form, if any; `task` is their kind.

    `unique` says which rows are dropped: those that occurred before ("rows"), also those whose problem was
    ("problems", compared after `normal_text`), or none.
    """

    columns: tuple[str, ...]
    rows_per_file: int
    chat: ChatForm | None = None
    unique: str | None = "rows"
    task: str = DEFAULT_TASK


@dataclass(frozen=True, slots=True)
class Written:
    """What `stats.json` says: of each split, of the chat form if there is one, and of duplicates."""

    splits: dict[str, Any]
    chat: dict[str, Any] | None
    duplicates: int


def write_splits(
    manifests: Sequence[PartManifest], work: Path, forms: Forms, sizes: Mapping[str, int], seed: int
) -> Written:
    """Write `train`, and a fair split of each name and size, smallest first. Raises PartError and OSError."""
    rows = sum(manifest.rows for manifest in manifests)
    fair = FairRows(rows, seed) if sizes else None
    stats: dict[str, dict[str, Any]] = {}
    with _Split(work, TRAIN, forms) as train:
        duplicates = _write_train(manifests, forms.unique, fair, train)
        stats[TRAIN] = train.finish()
    if fair is not None:
        draws = _draw(fair, sizes)
        files = [work / name for name in stats[TRAIN]["rows"]["files"] if name.startswith("jsonl/")]
        stats |= _write_drawn(files, draws, work, forms)
        for name, draw in draws.items():
            stats[name]["rows"] |= {
                "size": sizes[name],
                "seed": seed,
                "problems": draw.problems,
                "full_rounds": draw.full_rounds,
            }
    chat = None
    if forms.chat is not None:
        splits = {name: split[CHAT] for name, split in stats.items()}
        chat = {"columns": list(forms.chat.columns), "splits": splits}
        if forms.chat.reasoning is not None:
            chat["reasoning"] = forms.chat.reasoning
    return Written({name: split["rows"] for name, split in stats.items()}, chat, duplicates)


class _Split:
    """Writes one split in every form that is asked for."""

    def __init__(self, work: Path, name: str, forms: Forms) -> None:
        schema = arrow_schema(forms.columns, forms.task)
        self._writers = {"rows": SplitWriter(work, name, schema, forms.rows_per_file)}
        self._chat = forms.chat
        if forms.chat is not None:
            schema = forms.chat.schema()
            self._writers[CHAT] = SplitWriter(work / CHAT, name, schema, forms.rows_per_file)

    def add(self, lines: Iterable[bytes]) -> None:
        """Append canonical lines (newline included)."""
        lines = list(lines)
        self._writers["rows"].add(lines)
        if self._chat is not None:
            self._writers[CHAT].add(map(self._chat.line, lines))

    def finish(self) -> dict[str, Any]:
        """Write what is left; returns the figures of each form, `rows` and `chat`."""
        return {form: writer.finish() for form, writer in self._writers.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.__exit__(kind, error, trace)


def _write_train(
    manifests: Sequence[PartManifest],
    unique: str | None,
    fair: FairRows | None,
    train: _Split,
) -> int:
    """Stream all rows that are new; returns how many were not."""
    seen = SeenRows(sum(manifest.rows for manifest in manifests)) if unique else None
    duplicates = 0
    for manifest in manifests:
        schema = manifest.schema.by_problem() if unique == "problems" else manifest.schema
        for lines in part_lines(manifest):
            digests = digest_keys([schema.duplicate_key(line) for line in lines])
            new = np.ones(len(lines), np.bool_) if seen is None else seen.add(digests)
            kept = list(compress(lines, new.tolist()))
            if fair is not None:
                fair.add([schema.group_key(line) for line in kept], digests[new, 1])
            train.add(kept)
            duplicates += len(lines) - len(kept)
    return duplicates


def _draw(fair: FairRows, sizes: Mapping[str, int]) -> dict[str, Draw]:
    ranked = fair.rank()
    in_order = sorted(sizes.items(), key=lambda item: (item[1], item[0]))
    return {name: ranked.draw(size) for name, size in in_order}


def _write_drawn(
    files: Sequence[Path], draws: Mapping[str, Draw], work: Path, forms: Forms
) -> dict[str, dict[str, Any]]:
    """Write the splits side by side, reading the rows of `train` once."""
    with ExitStack() as stack:
        splits = {name: stack.enter_context(_Split(work, name, forms)) for name in draws}
        begin = 0
        for lines in _read_back(files):
            end = begin + len(lines)
            for name, split in splits.items():
                split.add(compress(lines, draws[name].mask[begin:end].tolist()))
            begin = end
        if any(len(draw.mask) != begin for draw in draws.values()):
            raise OSError(f"{files[0].parent}: {begin} rows were read back, not those written")
        return {name: split.finish() for name, split in splits.items()}


def _read_back(files: Sequence[Path]) -> Iterator[list[bytes]]:
    for path in files:
        try:
            with open(path, "rb") as file:
                yield from split_lines(decompress(file))
        except zstandard.ZstdError as error:
            raise OSError(f"{path}: what was written cannot be read back ({error})") from error
