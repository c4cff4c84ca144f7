"""Dialogues by style: a folder of rows for each style, and the variants that are drawn from the same rows.

    DATASET/
      two_students/data/train-00000-HASH.parquet   the rows of a style, and in jsonl/ the same
      longest/, mix/                               the variants that are asked for, in the same form

The rows of a chunk follow each other in the parts, so one pass is enough and no more than a chunk is held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import compress, groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from omi_core.publish.dedupe import SeenRows, digest_keys
from omi_core.publish.mix import RAW, MixChooser
from omi_core.publish.parts import PartError, PartManifest, part_lines
from omi_core.publish.rows import column_types, encode_row
from omi_core.publish.shards import SplitWriter, arrow_schema

LONGEST, MIX = "longest", "mix"
SPLIT = "train"  # the only one that a style has


@dataclass(frozen=True, slots=True)
class Styles:
    """What is published of dialogues: the styles in their order, and the variants that are asked for.

    `longest` is per chunk the longest conversation by tokens, of equal ones the first. `mix` is the share of
    raw text, in tokens, of the variant of that name. `raw` opens the rows of the raw chunks, all of them, in
    the order of the parts; it is called for `mix` alone.
    """

    names: tuple[str, ...]
    longest: bool = False
    mix: float | None = None
    raw: Callable[[], Iterable[Mapping[str, Any]]] = tuple


@dataclass(frozen=True, slots=True)
class StyleLine:
    """A canonical line, and what is asked of it."""

    data: bytes
    chunk: str
    style: str
    tokens: int

    @staticmethod
    def of(data: bytes) -> StyleLine:
        row = orjson.loads(data)
        return StyleLine(data, row["chunk_id"], row["style"], row["tokens"])


def write_styles(
    manifests: Sequence[PartManifest], work: Path, columns: Sequence[str], rows_per_file: int, wanted: Styles
) -> dict[str, Any]:
    """Write a folder for each style and variant that has rows; returns what `stats.json` says of them.

    Raises PartError (a part is damaged, or holds rows that are not of the styles and chunks of its run) and
    OSError.
    """
    reading = _Reading(manifests)
    with ExitStack() as stack:

        def folder(name: str) -> _Folder:
            return stack.enter_context(_Folder(work / name, columns, rows_per_file))

        styles = {name: folder(name) for name in wanted.names}
        variants: dict[str, _Folder] = {}
        chunks: Iterator[_Chunk] = ((None, lines) for lines in reading.chunks())
        if wanted.longest:
            variants[LONGEST] = folder(LONGEST)
        mix = None
        if wanted.mix is not None:
            variants[MIX], mix = folder(MIX), MixChooser(wanted.mix, wanted.names)
            chunks = _beside(wanted.raw(), columns, reading.chunks())
        for raw, lines in chunks:
            for line in lines:
                if line.style not in styles:
                    raise PartError(f"a part holds the style {line.style!r}, which its run does not have")
                styles[line.style].add(line)
            if wanted.longest and lines:
                variants[LONGEST].add(max(lines, key=lambda line: line.tokens))
            if mix is not None and raw is not None:
                for line in mix.choose(raw, lines):
                    variants[MIX].add(line)
        return _described(
            {name: each.finish() for name, each in styles.items()},
            {name: each.finish() for name, each in variants.items()},
            reading.duplicates,
        )


_Chunk = tuple[StyleLine | None, list[StyleLine]]


def content_hash(styles: Mapping[str, Mapping[str, Any]]) -> str:
    """That of the whole: the SHA-256 of a line `HASH  STYLE` for each style, by name."""
    lines = (f"{style['content_hash']}  {name}\n" for name, style in sorted(styles.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def raw_share(styles: Mapping[str, Mapping[str, int]]) -> float:
    """The share of raw text in the tokens of rows, of which `styles` has the figures."""
    total = sum(figures["tokens"] for figures in styles.values())
    return round(styles[RAW]["tokens"] / total, 6) if RAW in styles and total else 0.0


def _described(
    styles: dict[str, dict[str, Any]], variants: dict[str, dict[str, Any]], duplicates: int
) -> dict[str, Any]:
    for style in styles.values():
        del style["styles"]  # its own alone
    if MIX in variants:
        variants[MIX]["raw_share"] = raw_share(variants[MIX]["styles"])
    return {
        "rows": sum(style["rows"] for style in styles.values()),
        "tokens": sum(style["tokens"] for style in styles.values()),
        "duplicates_dropped": duplicates,
        "content_hash": content_hash(styles),
        "styles": styles,
        "variants": variants,
    }


class _Reading:
    """Reads parts, and counts the rows left out because an earlier one is the same."""

    def __init__(self, manifests: Sequence[PartManifest]) -> None:
        self.duplicates = 0
        self._manifests = manifests

    def chunks(self) -> Iterator[list[StyleLine]]:
        """The rows of each chunk that has any."""
        return (list(lines) for _, lines in groupby(self._lines(), key=lambda line: line.chunk))

    def _lines(self) -> Iterator[StyleLine]:
        seen = SeenRows(sum(manifest.rows for manifest in self._manifests))
        for manifest in self._manifests:
            key = manifest.schema.duplicate_key
            for lines in part_lines(manifest):
                new = seen.add(digest_keys([key(line) for line in lines]))
                self.duplicates += len(lines) - int(new.sum())
                yield from map(StyleLine.of, compress(lines, new.tolist()))


def _beside(
    raw: Iterable[Mapping[str, Any]], columns: Sequence[str], chunks: Iterator[list[StyleLine]]
) -> Iterator[_Chunk]:
    """Every raw chunk with its conversations, of which there may be none; both come in one order."""
    types = column_types(columns)
    lines = next(chunks, None)
    for row in raw:
        own = lines if lines is not None and lines[0].chunk == row["chunk_id"] else []
        yield StyleLine(encode_row(row, types), row["chunk_id"], row["style"], row["tokens"]), own
        if own:
            lines = next(chunks, None)
    if lines is not None:
        raise PartError(f"a part holds the chunk {lines[0].chunk!r}, which its run does not have there")


@dataclass
class _Folder:
    """The rows of one style or variant; its files are opened when there is a row for them.

    `load_dataset` cannot open a folder without rows, so then there is none.
    """

    root: Path
    columns: Sequence[str]
    rows_per_file: int
    tokens: int = 0
    styles: dict[str, dict[str, int]] = field(default_factory=dict)
    _writer: SplitWriter | None = None

    def add(self, line: StyleLine) -> None:
        if self._writer is None:
            self._writer = SplitWriter(self.root, SPLIT, arrow_schema(self.columns), self.rows_per_file)
        self._writer.add((line.data,))
        self.tokens += line.tokens
        style = self.styles.setdefault(line.style, {"rows": 0, "tokens": 0})
        style["rows"] += 1
        style["tokens"] += line.tokens

    def finish(self) -> dict[str, Any]:
        """Write what is left; returns the figures: rows, tokens, content_hash, files, and those by style."""
        if self._writer is None:
            written = {"rows": 0, "content_hash": hashlib.sha256().hexdigest(), "files": {}}
        else:
            written = self._writer.finish()
        return written | {"tokens": self.tokens, "styles": self.styles}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)
