"""The directory in which a dataset is made of others: planned once, continued by the same command alone.

DIR/
  combine.json and so on     the fingerprint, and the content it covers: options, and inputs by their digests
  skipped_rows-NAME.jsonl    rows of an input that were left out, at most 10,000 per reason; if there are any
  work/                      what is there between two steps; gone when the dataset is published
  dataset/                   what is published
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core.combine.combine_options import Place
from omi_core.options import ConfigError
from omi_core.publish.dataset import NothingToPublish, recover
from omi_core.stages.run import published_as
from omi_core.store.files import lock
from omi_core.store.fingerprint import fingerprint
from omi_core.store.layout import check_root
from omi_core.store.resumable import Resumable


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
        return published_as(self.dataset, self.fingerprint)

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
    made = Resumable(root, f"{command}.json", f"directory of jobs.{command}")
    if place.fresh and made.exists():
        made.move_aside()
    made.refuse_other(content)
    with made.made_for((ConfigError, NothingToPublish)), lock(made.lock):
        if made.exists():
            made.refuse_other(content)
        else:
            made.write({"fingerprint": digest, "content": content})
        directory = Directory(root, digest, content)
        try:
            yield directory
        except (ConfigError, NothingToPublish):
            # The mended command has another content; it must not be refused for what was never made.
            directory.clear()
            for path in root.glob("skipped_rows-*.jsonl"):
                path.unlink()
            made.file.unlink()
            raise
