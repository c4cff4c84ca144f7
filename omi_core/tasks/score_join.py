"""Scores beside the samples that they are of: runs of scores and of samples are read in the same order.

The dataset of `jobs.score input=RUN` has the order of that run, so that one group of its rows is held at a
time. Scores of files, and files of scores that were made elsewhere, have any order, and are held in memory.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from omi_core.inputs import file_rows
from omi_core.options import ConfigError
from omi_core.publish.dataset import read_stats
from omi_core.publish.published import dataset_files, dataset_of
from omi_core.publish.rows import Column, Schema, clean_text
from omi_core.records import Candidate, Sample, digest128
from omi_core.tasks.settings import Config

SCORES = Schema(
    "scores",
    ("record_id", "sample", "score", "tokens", "right", "text_digest"),
    (),
    key=2,
    own={
        "tokens": Column(int, "tokens of problem and solution together", nullable=False),
        "right": Column(bool, "whether it is right as its run has judged it; null: that is not known"),
        "text_digest": Column(str, "128-bit digest of the solution's text", nullable=False),
    },
)
_KEYS = ("record_id", "sample", "score")
_COLUMNS = (*_KEYS, "text_digest")
_NEEDED = "give a published run of jobs.score"

# Of one record: sample → its score, and the first 64 bits of its text's digest, None where that is not known.
Scored = Mapping[int, tuple[float | None, int | None]]


def text_digest(text: str) -> str:
    """What tells the text of a sample from any other: the same for a sample and for the row made of it."""
    return digest128(clean_text(text))


def scores_hash(given: str) -> str:
    """Tells the scores that `answers.scores` names from others. Raises ConfigError: there are none."""
    if not Path(given).is_dir():
        digests = [digest128(path.read_bytes()) for path in dataset_files("answers.scores", given)]
        return digest128("scores", *digests)
    dataset, _ = dataset_of("answers.scores", given, SCORES.task, _NEEDED)
    try:
        stats: dict[str, Any] = read_stats(dataset) or {}
    except ValueError as error:
        raise ConfigError(f"answers.scores={given}: {error}") from error
    return stats["content_hash"]


def ended_texts(samples: Sequence[Sample]) -> list[tuple[int, str | None]]:
    """What `ScoreReader.of` is asked of a record's samples."""
    return [(each.index, each.text if each.finish_reason == "stop" else None) for each in samples]


def best_scored(passed: Sequence[Candidate], top: int) -> tuple[list[Candidate], list[str]]:
    """Of each record the `top` candidates with the highest scores, in their order, each text once.

    Of equal scores the first sample's. Of each other candidate, why it is left out.
    """
    kept: list[Candidate] = []
    left: list[str] = []
    for _, group in groupby(passed, lambda one: one.record_id):
        several = list(group)
        scored = [(-one.score, one.index, one.solution) for one in several if one.score is not None]
        texts: dict[str, int] = {}
        for _, index, text in sorted(scored):
            if len(texts) < top:
                texts.setdefault(text, index)
        for one in several:
            if texts.get(one.solution) == one.index:
                kept.append(one)
            else:
                left.append("no_score" if one.score is None else "other_solution")
    return kept, left


def check_scores(config: Config) -> None:
    """Raises ConfigError when scores are needed and not given, or given where there can be none."""
    answers = config.answers
    needing = {
        "answers.select": answers.select == "best",
        "filters.min_score": config.filters.min_score is not None,
    }
    if answers.scores is None:
        if key := next((key for key, asked in needing.items() if asked), None):
            raise ConfigError(
                f"{key}: needs scores; give a run of jobs.score as answers.scores=RUN, or omit it"
            )
    elif hasattr(config, "teacher"):
        raise ConfigError("answers.scores: there is nothing to score yet; give it to jobs.reduce input=RUN")
    if answers.select == "best" and answers.expected == "picked":
        raise ConfigError("answers.select=best: picks choose already; omit it, or answers.expected=picked")
    if answers.select != "best" and answers.top != 1:
        raise ConfigError(f"answers.top={answers.top}: not used; set answers.select=best, or omit it")


class ScoreReader:
    """The scores that the option `key` names: of a run, or files with record_id, sample and score.

    Nothing is opened before the first record is asked for. Records are asked for in the order of their run.
    """

    def __init__(self, key: str, given: str) -> None:
        self._key, self._given = key, given
        self._groups: Iterator[tuple[str, Scored]] | None = None
        self._held: _Held | None = None

    def check(self) -> list[Path]:
        """The files with the scores. Raises ConfigError: there are none."""
        if Path(self._given).is_dir():
            dataset_of(self._key, self._given, SCORES.task, _NEEDED)
        return dataset_files(self._key, self._given)

    def of(self, record_id: str, samples: Sequence[tuple[int, str | None]]) -> list[float | None]:
        """The scores of a record's samples; None for one without.

        Of each sample its index and its text, None for the text of one that has no end: it needs no score.

        Raises:
            ConfigError: a score is missing, or was made of another text.
        """
        ended = [index for index, text in samples if text is not None]
        if not ended:
            return [None] * len(samples)
        found = self._next(record_id)
        if not found.keys() >= set(ended) and self._held is None:  # they have another order
            self._held = _Held(self._rows())
            found = self._held.of(record_id)
        for index in ended:
            if index not in found:
                raise ConfigError(
                    f"{self._key}={self._given}: sample {index} of record {record_id} is missing; score all"
                )
        return [self._score(found, record_id, index, text) for index, text in samples]

    def _score(self, found: Scored, record_id: str, index: int, text: str | None) -> float | None:
        score, digest = found.get(index, (None, None))
        if text is not None and digest is not None and digest != _short(text_digest(text)):
            raise ConfigError(
                f"{self._key}={self._given}: the score of sample {index} of record {record_id} was made of "
                "another text; score the run as it is now"
            )
        return score

    def _next(self, record_id: str) -> Scored:
        """The scores of the record that is asked for if it is the next one; all are looked at, once held."""
        if self._held is None and self._groups is None:
            files = self.check()
            if Path(self._given).is_dir():
                rows = groupby(_rows_from(files, record_id), itemgetter("record_id"))
                self._groups = ((name, _by_sample(group)) for name, group in rows)
            else:
                self._held = _Held(self._rows())
        if self._held is not None:
            return self._held.of(record_id)
        name, found = next(self._groups or iter(()), (None, {}))
        return found if name == record_id else {}

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Every row with a score. Raises ConfigError: one holds none, but for those of a run."""
        of_run = Path(self._given).is_dir()
        for path in self.check():
            for where, row in file_rows(path, _COLUMNS if of_run else None):
                record, sample, score = (row.get(name) for name in _KEYS)
                scored = isinstance(score, int | float) and math.isfinite(score) or of_run and score is None
                if not (isinstance(record, str) and isinstance(sample, int) and sample >= 0 and scored):
                    raise ConfigError(
                        f"{self._key}={self._given}: {where} holds no score; give record_id, sample and score"
                    )
                yield row


class _Held:
    """All scores in flat arrays, 36 bytes each."""

    def __init__(self, rows: Iterator[Mapping[str, Any]]) -> None:
        ids, samples, scores, digests = bytearray(), array("Q"), array("d"), array("Q")
        for row in rows:
            ids += _key(row["record_id"])
            samples.append(row["sample"])
            scores.append(math.nan if row["score"] is None else row["score"])
            digests.append(_short(row.get("text_digest") or "0"))
        found = np.frombuffer(ids, dtype="S16")
        order = np.argsort(found, kind="stable")
        self._ids = found[order]
        self._samples = np.frombuffer(samples, dtype=np.uint64)[order]
        self._scores = np.frombuffer(scores, dtype=np.float64)[order]
        self._digests = np.frombuffer(digests, dtype=np.uint64)[order]

    def of(self, record_id: str) -> Scored:
        key = np.bytes_(_key(record_id))
        place = slice(*(np.searchsorted(self._ids, key, side) for side in ("left", "right")))
        columns = (each[place].tolist() for each in (self._samples, self._scores, self._digests))
        return {
            sample: (None if math.isnan(score) else score, digest or None)
            for sample, score, digest in zip(*columns, strict=True)
        }


def _key(record_id: str) -> bytes:
    return bytes.fromhex(digest128(record_id))


def _short(digest: str) -> int:
    return int(digest[:16], 16)


def _by_sample(rows: Iterator[Mapping[str, Any]]) -> Scored:
    return {row["sample"]: (row["score"], _short(row["text_digest"])) for row in rows}


def _rows_from(files: Sequence[Path], first: str) -> Iterator[dict[str, Any]]:
    """The rows of parquet files from the record `first` on; of those before, only the ids are read."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    begun = False
    for path in files:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                at = 0
                if not begun:
                    ids = file.read_row_group(number, columns=["record_id"]).column(0)
                    at = pc.index(ids, first).as_py()
                    if at < 0:
                        continue
                    begun = True
                yield from file.read_row_group(number, columns=list(_COLUMNS)).slice(at).to_pylist()
