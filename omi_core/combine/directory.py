"""The directory in which a dataset is combined or mixed: planned once, continued by the same command alone.

DIR/
  combine.json or mix.json   the fingerprint, and the content it covers: options, and inputs by their digests
  skipped_rows-NAME.jsonl    rows of an input that were left out, at most 10,000 per reason; if there are any
  work/                      what is there between two steps; gone when the dataset is published
  dataset/                   what is published
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core.combine.options import Place
from omi_core.options import ConfigError
from omi_core.publish.dataset import NothingToPublish, lacks, read_stats, recover
from omi_core.store.files import fsync_directory, lock, read_json, write_json
from omi_core.store.fingerprint import differences, fingerprint
from omi_core.store.layout import check_root

_SHOWN = 5


@dataclass(frozen=True)
class Directory:
    """A planned directory, held by this process alone."""

    root: Path
    fingerprint: str
    content: Mapping[str, Any]

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def dataset(self) -> Path:
        return self.root / "dataset"

    def skipped_rows(self, name: str) -> Path:
        """The list of the rows of an input that are left out."""
        return self.root / f"skipped_rows-{name}.jsonl"

    def published(self) -> dict[str, Any] | None:
        """The statistics of the dataset, if it is there and belongs to this plan."""
        recover(self.dataset)
        try:
            stats = read_stats(self.dataset)
            if stats is None or stats["fingerprint"] != self.fingerprint or lacks(self.dataset, stats):
                return None
            return stats
        except (AttributeError, KeyError, TypeError, ValueError):  # damaged: it is made again
            return None

    def clear(self) -> None:
        """Removes what a published dataset needs no more."""
        shutil.rmtree(self.work, ignore_errors=True)


@contextmanager
def planned(place: Place, name: str, command: str, content: Mapping[str, Any]) -> Iterator[Directory]:
    """The directory of a command's `content`, made or found; a mistake inside leaves it as never planned.

    Raises:
        ConfigError: it cannot be written, was made with another content, or holds something else.
        LockTaken: another process works in it.
    """
    digest = fingerprint(content)
    root = Path(place.dir) if place.dir else Path(place.root) / f"{name}-{digest[:8]}"
    check_root(root)
    plan = root / f"{command}.json"
    if place.fresh and plan.exists():
        _move_aside(root)
    _refuse_foreign(root, plan)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"run.dir={root}: cannot be made ({error.strerror}); choose another") from error
    with lock(root / ".lock"):
        old = _read(plan)
        if old is None:
            for scrap in root.glob(f".{plan.name}.*.tmp"):
                scrap.unlink()
            write_json(plan, {"fingerprint": digest, "content": content})
        elif old["fingerprint"] != digest:
            changes = differences(old["content"], content)
            more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
            raise ConfigError(
                f"run.dir={root}: was made with another config ({'; '.join(changes[:_SHOWN])}{more}); "
                "choose another run.dir, or run.fresh=true to start it anew"
            )
        directory = Directory(root, digest, content)
        try:
            yield directory
        except (ConfigError, NothingToPublish):
            # The mended command has another content; it must not be refused for what was never made.
            directory.clear()
            for path in root.glob("skipped_rows-*.jsonl"):
                path.unlink()
            plan.unlink()
            raise


def _read(plan: Path) -> dict[str, Any] | None:
    try:
        found = read_json(plan)
        if found["fingerprint"] != fingerprint(found["content"]):
            raise ValueError("it does not match its own fingerprint")
        return found
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{plan}: not a plan this version can read ({error})") from error


def _refuse_foreign(root: Path, plan: Path) -> None:
    """Raises ConfigError when the directory is somebody else's; scraps of a killed start are not."""
    entries = sorted(root.iterdir()) if root.is_dir() and not plan.exists() else []
    for entry in entries:
        if not entry.name.startswith((".lock", f".{plan.name}.")):
            raise ConfigError(
                f"run.dir={root}: holds something else ({entry.name}, and no {plan.name}); choose another"
            )


def _move_aside(root: Path) -> None:
    """Gives a directory another name; nothing of it is deleted. Raises LockTaken while it is in use."""
    with lock(root / ".lock"):
        number = 1
        while (aside := root.with_name(f"{root.name}.old-{number}")).exists():
            number += 1
        os.rename(root, aside)
        fsync_directory(root.parent)
