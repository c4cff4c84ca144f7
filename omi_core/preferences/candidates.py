"""The responses of a finished run as candidates: those that came to their end, right or wrong, with scores.

A run is judged as it was when it was reduced. Its scores stand in its own order, so both are read side by
side, and neither is held.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import Any

from omi_core.answers import Verdict
from omi_core.answers.judging import Judged
from omi_core.combine.sources import Source
from omi_core.inputs import Row
from omi_core.options import ConfigError
from omi_core.preferences.preference_options import Preferences
from omi_core.records import Record, Sample
from omi_core.stages.reduce import readings, windows
from omi_core.stages.run import Run
from omi_core.store.seen import Survey
from omi_core.tasks.score_join import text_digest
from omi_core.tasks.solutions import SolutionsReducer

_COLUMNS = ("record_id", "sample", "score")


@dataclass(frozen=True)
class Graded:
    """An input: a finished run of solutions, its dataset, and the dataset of its scores, if it has any.

    `given` and `scored` are what the user calls run and scores.
    """

    given: str
    run: Run[Any]
    source: Source
    scored: str = ""
    scores: Source | None = None


def candidate_rows(graded: Graded, config: Preferences, counts: Counter[str]) -> Iterator[Row]:
    """For each problem whose right answer is known its candidates, as a row of responses, however many.

    `counts` gets the samples that were read, the candidates, and why the others are none.

    Raises:
        ConfigError: the scores are not those of the run, or lack some.
        InputDamaged: a dataset of scores is not what it was.
        FrameDamaged: a journal is broken in the middle.
    """
    run = graded.run
    cluster = dataclasses.replace(run.config.cluster, workers=config.workers)
    solved = dataclasses.replace(run.config, cluster=cluster)
    scores = None if graded.scores is None else _Scores(graded, graded.scores)
    seen = Survey((0, run.plan.records), run.plan.samples)
    with SolutionsReducer(solved, None) as reducer:
        for window in windows(readings(run, 0, run.plan.records, seen)):
            for (_, every), (record, samples, judged) in zip(window, reducer.judged(window), strict=True):
                counts["read"] += len(every)
                counts["unfinished"] += len(every) - len(samples)
                scored = {} if scores is None else scores.of(record)
                if reducer.refusal(judged, Verdict.EQUAL) is not None:
                    counts["no_truth"] += len(samples)
                    continue
                row = _empty_row(record, judged, scores is not None)
                for sample, answer, verdict in zip(samples, judged.answers, judged.verdicts, strict=True):
                    reason, score = _unfit(sample, verdict, config.max_chars), None
                    if reason is None and scores is not None:
                        score = scores.checked(record, sample, scored)
                        reason = "unscored" if score is None else None
                    if reason is not None:
                        counts[reason] += 1
                        continue
                    counts["rows"] += 1
                    right = verdict is Verdict.EQUAL
                    of_each = {"responses": sample.text, "right": right, "answers": answer, "scores": score}
                    for name, value in (of_each | {"teachers": graded.source.teacher}).items():
                        if name in row:
                            row[name].append(value)
                yield row
    if scores is not None:
        scores.finish()


def _empty_row(record: Record, judged: Judged, scored: bool) -> Row:
    """A problem without responses, its expected answer as the run has it."""
    found = [answer for answer in judged.expected if answer is not None]
    # Where any of several is right, each sample has its own.
    expected = record.expected_answer if record.expected_answer in found else next(iter(found), "")
    row: Row = {"problem": record.text, "responses": [], "right": [], "answers": [], "teachers": []}
    row |= {"expected_answer": expected, "problem_source": record.source}
    return row | ({"scores": []} if scored else {})


def _unfit(sample: Sample, verdict: Verdict | None, longest: int | None) -> str | None:
    """Why a sample is no candidate, or None."""
    if sample.finish_reason != "stop":
        return "unfinished"
    if verdict is None:
        return "no_answer"
    if verdict is Verdict.UNKNOWN:
        return "undecided"
    return "too_long" if longest is not None and len(sample.text) > longest else None


class _Scores:
    """The scores of a run's samples, read along with its records."""

    def __init__(self, graded: Graded, source: Source) -> None:
        self._label = f"scores={graded.scored}"
        self._given = graded.given
        self._groups = groupby(self._rows(source), key=lambda row: row["record_id"])
        self._ahead = next(self._groups, None)

    def _rows(self, source: Source) -> Iterator[Row]:
        for where, row in source.rows(_COLUMNS):
            score = row.get("score")
            fits = isinstance(row.get("record_id"), str) and isinstance(row.get("sample"), int)
            if not fits or not (score is None or isinstance(score, int | float) and isfinite(score)):
                raise ConfigError(
                    f"{self._label}: {where} holds no score; give record_id, sample and score, or a run of "
                    "jobs.score"
                )
            yield row

    def of(self, record: Record) -> dict[int, Row]:
        """Those of the next record, by sample; none where nothing of it was scored."""
        if self._ahead is None or self._ahead[0] != record.id:
            return {}
        found = {row["sample"]: row for row in self._ahead[1]}
        self._ahead = next(self._groups, None)
        return found

    def checked(self, record: Record, sample: Sample, found: Mapping[int, Row]) -> float | None:
        """The score of a sample, None where it could not be scored. Raises ConfigError: it has none."""
        row = found.get(sample.index)
        if row is None:
            raise ConfigError(
                f"{self._label}: sample {sample.index} of record {record.id} is missing, or not in the order "
                f"of {self._given}; score that run"
            )
        if row.get("text_digest") not in (None, text_digest(sample.text)):
            raise ConfigError(
                f"{self._label}: sample {sample.index} of record {record.id} is the score of another text; "
                f"score {self._given} again"
            )
        return row["score"]

    def finish(self) -> None:
        """Raises ConfigError when there are scores of other records; reads to the end."""
        if self._ahead is not None:
            raise ConfigError(
                f"{self._label}: record {self._ahead[0]} is not in {self._given}, or in another order there; "
                "score that run"
            )
