"""Where everything of a run lies on disk.

RUN/
  plan.json             what is to be made: counts, fingerprint and the content it covers
  config.json           the composed config of the run's first command, then of the last that submitted jobs
  records.jsonl.zst     the records, framed and indexed like a journal
  skipped_rows.jsonl    rows of the input that were left out, at most 10,000 per reason; only if there are any
  ledger.jsonl          append-only: every attempt of every stage
  generate/0001.json    attempt 1: the keys it takes on, and over how many tasks they are spread
  generate/0001-00000.jsonl.zst (+ .idx, .json)   the journal of its task 0, its index, its manifest
  generate/0001-00000.1.flight, .1.crash, .1.killed   while task 0 runs, after a crash, a kill (`flight`)
  report.html           the page of jobs.report, only if it was asked for
  reduce/part-00000.jsonl.zst (+ .json)           a part and its manifest
  dataset/              what is published
  evaluation/           in place of it, what a run against benchmarks comes to
  rulings-NAME/, judged-NAME/   of such a run: what a judge was asked, a run, and the figures with its rulings
  scored-NAME/          of such a run: the figures with those by the scores of a file or a run
  scored/               of a run that scores an evaluation: the evaluation's figures with those by score
  contamination.jsonl   of such a run: which questions stand in training data, only if it was asked for
  summary.json          the figures that were printed at the end (never part of the dataset)
  explore.sqlite        the index of jobs.explore, only if it was asked for; a cache
  notified.json         the last end of which `notify` was told
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from omi_core.options import ConfigError

_JOURNAL = re.compile(r"\d{4,}-\d{5,}\.jsonl\.zst")


def check_root(root: Path) -> None:
    """Raises ConfigError for a path that is not one line of text: ledgers, logs and hints name it."""
    text = str(root.absolute())
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
        raise ConfigError(
            f"run.dir: {text!r} holds a line break, a control character or no UTF-8; choose another"
        )


class _Below:
    """A path below the root of a layout."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, layout: Layout, owner: type[Layout]) -> Path:
        return layout.root / self._name


@dataclass(frozen=True)
class Layout:
    """Paths below one run directory; creates nothing."""

    root: Path
    plan = _Below("plan.json")
    config = _Below("config.json")
    records = _Below("records.jsonl.zst")
    skipped_rows = _Below("skipped_rows.jsonl")
    ledger = _Below("ledger.jsonl")
    lock = _Below(".lock")
    generate = _Below("generate")
    dataset = _Below("dataset")
    evaluation = _Below("evaluation")
    scored = _Below("scored")
    logs = _Below("logs")
    summary = _Below("summary.json")
    explored = _Below("explore.sqlite")
    notified = _Below("notified.json")

    @property
    def pipeline(self) -> Path | None:
        """The directory of the pipeline that the run is a step of, None where it is not one."""
        parent = self.root.absolute().parent
        return parent if (parent / "pipeline.json").is_file() else None

    def attempt(self, attempt: int) -> Path:
        return self.generate / f"{attempt:04d}.json"

    def journal(self, attempt: int, task: int) -> Path:
        return self.generate / f"{attempt:04d}-{task:05d}.jsonl.zst"

    def repeats(self, attempt: int, task: int) -> Path:
        """The journal of samples that a shard has drawn a second time."""
        return self.generate / f"repeats-{attempt:04d}-{task:05d}.jsonl.zst"

    def flight(self, attempt: int, task: int) -> Path:
        """The stem of a shard's flights."""
        return self.generate / f"{attempt:04d}-{task:05d}"

    def shard_manifest(self, attempt: int, task: int) -> Path:
        return self.generate / f"{attempt:04d}-{task:05d}.json"

    def parts(self, parts: int) -> Path:
        """The directory of a reduce stage with this many parts; another number of parts, other ranges."""
        return self.root / "reduce" / f"of-{parts:05d}"

    def trouble(self, attempt: int, task: int) -> Path:
        """Where a task that failed says why, for the gate."""
        return self.generate / f"{attempt:04d}-{task:05d}.trouble.json"

    def job_trouble(self, job: str) -> Path:
        """Where a job without a shard, `12` or `12_3`, says why it failed, for whoever sends it again."""
        return self.logs / f"{job}.trouble.json"

    def journal_names(self) -> dict[str, bool]:
        """Name of every journal, in no particular order, and whether some of it was set aside."""
        try:
            names = set(os.listdir(self.generate))
        except FileNotFoundError:
            return {}
        return {name: f"{name}.bad" in names for name in names if _JOURNAL.fullmatch(name)}

    def journals(self) -> list[Path]:
        """All journals, oldest attempt first; the order decides which of two equal keys is read."""
        return sorted(self.generate / name for name in self.journal_names())
