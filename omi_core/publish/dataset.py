"""Publishing: parts in, a dataset directory out, whole or not at all.

    DATASET/
      README.md                         the card, with the header that `load_dataset` reads
      data/train-00000-HASH.parquet     the rows; other splits under their own names
      jsonl/train-00000-HASH.jsonl.zst  the same rows
      chat/                             where it is asked for: the same two, with the rows as chat messages
      STYLE/                            of dialogues, instead of these: the same two, with the rows of a style
      stats.json                        counts and content hash
      config.json                       the configuration, as the caller gave it

Equal rows make a byte-identical directory, however they were spread over parts: nothing in it tells
time, place or number of tasks.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from omi_core.options import ConfigError
from omi_core.publish.card import CardInfo, render_card
from omi_core.publish.chat import chat_form
from omi_core.publish.parts import PartError, PartManifest, merge_counts, read_manifest
from omi_core.publish.publish_options import Publish
from omi_core.publish.splits import TRAIN, Forms, write_splits
from omi_core.publish.styles import Styles, write_styles
from omi_core.store.files import fsync_tree, rename

STATS = "stats.json"
_VERSION = 1
_PARQUET_END = b"PAR1"


@dataclass(frozen=True)
class Hole:
    """What a dataset was made without: `missing` samples `of` all, and a digest of their keys."""

    missing: int
    of: int
    digest: str

    def __str__(self) -> str:
        return f"{self.missing:,} of {self.of:,} samples are missing"


class NothingToPublish(ValueError):
    """No part holds a row. `load_dataset` cannot open a dataset without rows, so none is made."""


def publish(
    parts: Iterable[Path],
    out_dir: Path,
    *,
    card: CardInfo,
    config: Mapping[str, Any],
    counts: Mapping[str, Any] | None = None,
    options: Publish | None = None,
    unique: str | None = "rows",
    styles: Styles | None = None,
    hole: Hole | None = None,
) -> dict[str, Any]:
    """Write the rows of `parts`, in the order given and without exact duplicates, to `out_dir`.

    A row is a duplicate when problem and generated solution are those of an earlier row; with `unique`
    "problems" when the problem is, and None is for rows that are repeated on purpose. All rows are the split
    `train`; by the `options` there are further ones, drawn fairly (see `fair`), and every split as chat
    messages, too. With `styles` the rows are dialogues, and lie in a folder for each style; they have no
    other splits. `counts` (by default the sum of the parts' own) goes into `stats.json` as it is; like
    `config` it must have a JSON form and hold nothing that changes from one run of the same work to the next.
    A `hole` is told in the card and in `stats.json`. Returns the content of `stats.json`. Memory: a few row
    groups for each split and form, and for every row of the parts 22 to 43 bytes, with splits up to 4 more
    and one for each of them.

    An older dataset at `out_dir` stays until the new one is complete on disk. One publisher per `out_dir`
    at a time: the run's lock is the caller's business. Raises PartError (a part is damaged, or differs in
    fingerprint or columns), NothingToPublish, ConfigError (`out_dir` holds something that is not a dataset)
    and OSError; in each case `out_dir` is as it was.
    """
    out_dir, options = Path(out_dir), options or Publish()
    with made_whole(out_dir, config) as work:
        manifests = [read_manifest(part) for part in parts]
        totals = merge_counts(manifest.counts for manifest in manifests) if counts is None else counts
        if not any(manifest.rows for manifest in manifests):
            raise NothingToPublish(_why_empty(out_dir, totals))
        fingerprint, columns = _agreed(manifests)
        if styles is None:
            chat = chat_form(options, columns)
            forms = Forms(columns, options.rows_per_file, chat, unique, manifests[0].task)
            written = _with_splits(manifests, work, forms, options.splits, options.seed)
        else:
            written = write_styles(manifests, work, columns, options.rows_per_file, styles)
        stats = {
            "version": _VERSION,
            "fingerprint": fingerprint,
            "rehearsal": card.rehearsal,
            "columns": list(columns),
            "counts": totals,
            **written,
        }
        if card.notes and not card.inputs:  # those of combined datasets stand on the card alone
            stats["notes"] = list(card.notes)
        if hole is not None:
            stats["hole"] = asdict(hole)
        _write_json(work / STATS, stats)
        _write_json(work / "config.json", config)
        (work / "README.md").write_text(render_card(card, columns, stats), encoding="utf-8")
    return stats


@contextmanager
def made_whole(out_dir: Path, config: Mapping[str, Any]) -> Iterator[Path]:
    """A new directory to write what is to lie at `out_dir`, which takes its place at the end.

    What is written there has a `stats.json`, and `config` as its `config.json`. An exception leaves `out_dir`
    as it was. Raises ConfigError: something else lies there.
    """
    recover(out_dir)
    _refuse_foreign(out_dir, config)
    work = _beside(out_dir, "partial")
    work.mkdir(parents=True)
    try:
        yield work
        fsync_tree(work)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _swap_in(work, out_dir)


def _with_splits(
    manifests: Sequence[PartManifest], work: Path, forms: Forms, sizes: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """Write `train` and the smaller splits; returns what `stats.json` says of them."""
    written = write_splits(manifests, work, forms, sizes, seed)
    train = written.splits[TRAIN]
    said = {
        "rows": train["rows"],
        "duplicates_dropped": written.duplicates,
        "content_hash": train["content_hash"],
        "splits": written.splits,
    }
    return said if written.chat is None else said | {"chat": written.chat}


def recover(out_dir: Path) -> None:
    """Undo what a killed `publish` left beside `out_dir`: its old dataset comes back, its scraps go.

    `publish` does this itself; a reader that finds no dataset after a crash may do it first.
    """
    out_dir = Path(out_dir)
    previous = _beside(out_dir, "previous")
    if previous.is_dir() and not out_dir.exists():
        rename(previous, out_dir)
    for leftover in (previous, _beside(out_dir, "partial")):
        if leftover.exists():
            shutil.rmtree(leftover)


def read_stats(dataset_dir: Path) -> dict[str, Any] | None:
    """`stats.json` of a published dataset, None where there is none; ValueError when it is damaged."""
    path = Path(dataset_dir) / STATS
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); publish again") from error


def hole_of(stats: Mapping[str, Any]) -> Hole | None:
    """The hole that `stats.json` states, None for a dataset that is whole."""
    return Hole(**stats["hole"]) if "hole" in stats else None


def lacks(dataset_dir: Path, stats: Mapping[str, Any]) -> str | None:
    """The first file of a published dataset that is gone or was cut short, None where none can be seen to be.

    No file is read but for the last bytes of the parquet ones; what is wrong inside, `verify` finds.
    """
    for name in (STATS, "config.json", "README.md", *_data_files(stats)):
        path = Path(dataset_dir) / name
        try:
            with path.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - len(_PARQUET_END)))
                end = file.read()
        except OSError:
            return name
        if not end or (path.suffix == ".parquet" and end != _PARQUET_END):
            return name
    return None


def _data_files(stats: Mapping[str, Any]) -> Iterator[str]:
    """Every data file that `stats.json` lists, from the dataset's directory on."""
    yield from stats.get("files", ())
    folders = [("", stats.get("splits", {})), ("chat/", stats.get("chat", {}).get("splits", {}))]
    for prefix, splits in folders:
        for split in splits.values():
            yield from (prefix + name for name in split["files"])
    for style, figures in {**stats.get("styles", {}), **stats.get("variants", {})}.items():
        yield from (f"{style}/{name}" for name in figures.get("files", ()))


def _beside(out_dir: Path, what: str) -> Path:
    return out_dir.with_name(f".{out_dir.name}.{what}")


def _refuse_foreign(out_dir: Path, config: Mapping[str, Any]) -> None:
    """Raises ConfigError unless a dataset of this suite lies there, or what is left of this very one."""
    if not out_dir.exists():
        return
    ours = out_dir.is_dir() and (not any(out_dir.iterdir()) or (out_dir / STATS).is_file())
    if not ours:
        with suppress(OSError, ValueError):
            ours = orjson.loads((out_dir / "config.json").read_bytes()) == orjson.loads(_json(config))
    if not ours:
        raise ConfigError(f"{out_dir}: holds something that is not a dataset of this suite; move it away")


def _why_empty(out_dir: Path, counts: Mapping[str, Any]) -> str:
    dropped = dict(counts.get("selection", {}))
    dropped |= {name: count.get("dropped", 0) for name, count in counts.get("filters", {}).items()}
    dropped |= {"quarantined": counts.get("quarantined", 0)}
    shown = ", ".join(f"{name} {n:,}" for name, n in sorted(dropped.items(), key=lambda item: -item[1]) if n)
    why = f"; dropped: {shown}" if shown else ""
    return f"{out_dir}: no row is left to publish{why}; filters.NAME=false turns a filter off"


def _agreed(manifests: Sequence[PartManifest]) -> tuple[str, tuple[str, ...]]:
    """The fingerprint and columns that all parts share."""
    first = manifests[0]
    for other in manifests:
        for name in ("fingerprint", "task", "columns"):
            if getattr(other, name) != getattr(first, name):
                raise PartError(
                    f"{other.path}: its {name} differs from that of {first.path.name}; reduce again"
                )
    return first.fingerprint, first.columns


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_bytes(_json(value))


def _json(value: Mapping[str, Any]) -> bytes:
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(value, option=options)


def _swap_in(work: Path, out_dir: Path) -> None:
    """Put `work` in place of `out_dir`. Killed at any point, one whole dataset is at hand for `recover`."""
    previous = _beside(out_dir, "previous")
    if out_dir.exists():
        rename(out_dir, previous)
    rename(work, out_dir)
    with suppress(OSError):  # a leftover for the next run, not a failure of this one
        # Renamed first: half deleted under the old name, `recover` might take it for a dataset.
        rename(previous, work)
        shutil.rmtree(work)
