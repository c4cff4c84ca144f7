"""What a reward model's scores of an evaluation come to: rm@k beside the evaluation's own figures.

They lie in RUN/scored of the run of scores. They are made when that is published and, where they are gone or
its evaluation is another one by now, whenever its end is told again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from omi_core.evaluate.outcome import FIGURES, Scored, read_outcome, write_scored
from omi_core.evaluate.tables import markdown
from omi_core.evaluate.tallies import NONE, RIGHT, UNDECIDED, VERDICTS, WRONG, Tally
from omi_core.inputs import Row, file_rows
from omi_core.options import ConfigError
from omi_core.publish.dataset import read_stats
from omi_core.publish.published import dataset_files
from omi_core.stages.run import Run, published_as
from omi_core.stages.scoring import show_figures
from omi_core.store.files import lock
from omi_core.store.layout import Layout
from omi_core.tasks import task_of
from omi_core.tasks.score_join import SCORES

_LOCK_S = 60.0
_KEYS = ("record_id", "sample", "score", "right")
_TOLD = {RIGHT: True, WRONG: False, NONE: False, UNDECIDED: None}


def show_best_of_samples(run: Run[Any]) -> None:
    """Shows the figures that a published run of scores makes of its evaluation; of any other run nothing.

    The scores are whole without them, so that they cannot be made is no error: a line says why.
    """
    if task_of(run.config).name != SCORES.task:
        return
    place, graded = run.layout.scored, Layout(Path(run.config.data.path or "")).evaluation
    try:
        if (graded / FIGURES).is_file():
            with lock(run.layout.root / ".scored.lock", wait=_LOCK_S):
                _make(run, graded)
        if place.is_dir():
            show_figures(place)
    except (ConfigError, OSError, ValueError) as error:
        print(f"warning: no figures by score: {' '.join(str(error).split())}", flush=True)


def _make(run: Run[Any], graded: Path) -> None:
    """Makes RUN/scored, unless it is there.

    Raises:
        ConfigError: the evaluation has other samples than those that were scored.
        ValueError: a file of the evaluation is damaged.
    """
    own, of_graded = read_stats(run.layout.dataset), read_stats(graded)
    if own is None or of_graded is None:
        raise ValueError(f"{graded}: damaged; score the run again")
    fingerprint = of_graded["fingerprint"]
    made_of = {"scores": own["content_hash"], "evaluation": of_graded["content_hash"]}
    if published_as(run.layout.scored, fingerprint) and _config(run.layout.scored) == made_of:
        return
    found, by = read_outcome(graded), {"scores": run.config.teacher.name}
    title = f"Evaluation of {found.teacher}, scores: {run.config.teacher.name}"
    write_scored(
        run.layout.scored,
        found,
        list(_scored(found, _rows(run))),
        fingerprint=fingerprint,
        by=by,
        config=made_of,
        table=partial(markdown, title, {**found.protocol, **by}),
    )


def _config(directory: Path) -> Any:
    return orjson.loads((directory / "config.json").read_bytes())


def _rows(run: Run[Any]) -> Iterator[Row]:
    for path in dataset_files("scores", str(run.layout.root)):
        yield from (row for _, row in file_rows(path, _KEYS))


def _scored(graded: Scored, rows: Iterator[Row]) -> Iterator[Tally]:
    """The evaluation's tallies with the scores of the rows; a sample without a score has -inf.

    Raises:
        ConfigError: a finished sample is not among the rows, or was judged otherwise than it is now.
    """
    tallies = graded.tallies()
    scores = [np.full(one.verdicts.shape, -np.inf) for one in tallies]
    seen = [one.unfinished.copy() for one in tallies]
    places = {
        problem["record_id"]: (number, at)
        for number, one in enumerate(tallies)
        for at, problem in enumerate(one.problems)
    }
    for row in rows:
        number, at = places.get(row["record_id"], (0, -1))
        verdicts, sample = tallies[number].verdicts, row["sample"]
        if at < 0 or sample >= verdicts.shape[1] or _TOLD[VERDICTS[verdicts[at, sample]]] is not row["right"]:
            raise _other_samples(graded)
        seen[number][at, sample] = True
        if row["score"] is not None:
            scores[number][at, sample] = row["score"]
    if not all(each.all() for each in seen):
        raise _other_samples(graded)
    return (replace(one, scores=own) for one, own in zip(tallies, scores, strict=True))


def _other_samples(graded: Scored) -> ConfigError:
    return ConfigError(
        f"{graded.directory}: has other samples by now than those that were scored; score it again"
    )
