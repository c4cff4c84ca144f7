"""What lies in RUN/evaluation once a run is scored, and how it is read again.

evaluation.json   one row for each benchmark, metric and k, with its interval
evaluation.csv    the same
problems.jsonl    every problem with the verdicts of its samples (`tallies`)
pairs.jsonl       answers that are undecided or wrong beside the right ones, to be read or judged
README.md         the table, to be read
stats.json        counts of the reduce stage; config.json: the configuration

RUN/scored of a run of scores has the same, without the pairs.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from omi_core.evaluate.figures import EvaluationFigure, all_figures
from omi_core.evaluate.tallies import Rows, Tally, by_problem, pair_lines, problem_line, read_tallies
from omi_core.publish.dataset import STATS, made_whole
from omi_core.records import digest128

FIGURES, TABLE = "evaluation.json", "evaluation.csv"
PROBLEMS, PAIRS = "problems.jsonl", "pairs.jsonl"
CARD = "README.md"
_VERSION = 1


@dataclass(frozen=True)
class Scored:
    """An evaluation on disk: who was evaluated, and its figures. `rehearsal`: no model took part."""

    directory: Path
    teacher: str
    rehearsal: bool
    protocol: Mapping[str, Any]
    figures: Sequence[EvaluationFigure]

    @property
    def samples(self) -> int:
        """Samples of each problem."""
        return max((figure.samples for figure in self.figures), default=0)

    def tallies(self) -> list[Tally]:
        """The verdicts of all samples. Raises ValueError when the file is damaged."""
        path = self.directory / PROBLEMS
        try:
            with path.open("rb") as file:
                return read_tallies(file)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: damaged; score the run again") from error


def write_outcome(
    out_dir: Path,
    rows: Iterable[Mapping[str, Any]],
    *,
    fingerprint: str,
    about: Mapping[str, Any],
    config: Mapping[str, Any],
    counts: Mapping[str, Any],
    table: Callable[[Sequence[EvaluationFigure]], str],
    scores: Callable[[Rows], Sequence[float]] | None = None,
) -> dict[str, Any]:
    """Makes the figures of graded rows and puts them in place, whole or not at all; returns stats.json.

    `scores` gives those of the samples of a problem, -inf for one without.
    `about` is `teacher`, `rehearsal` and `protocol` of evaluation.json; `table` writes figures as Markdown.
    The same rows make the same bytes. Memory: about 20 bytes for each sample, 8 more with scores.
    """
    with made_whole(out_dir, config) as work:
        path = work / PROBLEMS
        scored: list[np.ndarray] = []
        with path.open("wb") as file, (work / PAIRS).open("wb") as pairs:
            for group in by_problem(rows):
                file.write(problem_line(group))
                pairs.writelines(pair_lines(group))
                if scores is not None:
                    scored.append(np.array(scores(group)))
        with path.open("rb") as file:
            tallies = read_tallies(file)
        if scores is not None:
            each = iter(scored)
            tallies = [replace(one, scores=np.array([next(each) for _ in one.problems])) for one in tallies]
        return _write_figures(work, tallies, fingerprint, about, config, counts, table)


def write_scored(
    out_dir: Path,
    graded: Scored,
    tallies: Sequence[Tally],
    *,
    fingerprint: str,
    by: Mapping[str, str],
    config: Mapping[str, Any],
    table: Callable[[Sequence[EvaluationFigure]], str],
) -> dict[str, Any]:
    """As `write_outcome`, of an evaluation whose tallies have got scores; `by` says whose they are."""
    about = {
        "teacher": graded.teacher,
        "rehearsal": graded.rehearsal,
        "protocol": {**graded.protocol, **by},
    }
    with made_whole(out_dir, config) as work:
        shutil.copyfile(graded.directory / PROBLEMS, work / PROBLEMS)
        return _write_figures(work, tallies, fingerprint, about, config, {}, table)


def _write_figures(
    work: Path,
    tallies: Sequence[Tally],
    fingerprint: str,
    about: Mapping[str, Any],
    config: Mapping[str, Any],
    counts: Mapping[str, Any],
    table: Callable[[Sequence[EvaluationFigure]], str],
) -> dict[str, Any]:
    """Writes all that is made of the problems in `work`; returns stats.json."""
    seed = int(fingerprint[:8], 16)
    figures = [figure for tally in tallies for figure in all_figures(tally, seed)]
    said = {"version": _VERSION, **about, "rows": [figure.to_json() for figure in figures]}
    _write(work / FIGURES, said)
    (work / TABLE).write_text(as_csv(figures), encoding="utf-8")
    (work / CARD).write_text(table(figures), encoding="utf-8")
    stats = {
        "version": _VERSION,
        "fingerprint": fingerprint,
        "rehearsal": about["rehearsal"],
        "counts": counts,
        "rows": sum(tally.verdicts.size for tally in tallies),
        "content_hash": digest128("evaluation", (work / PROBLEMS).read_bytes()),
        "files": [FIGURES, TABLE, PROBLEMS],  # where nothing is wrong there are no pairs
    }
    _write(work / STATS, stats)
    _write(work / "config.json", config)
    return stats


def read_outcome(directory: Path) -> Scored:
    """The evaluation in RUN/evaluation.

    Raises:
        ValueError: it is damaged, or of another version.
        FileNotFoundError: there is none.
    """
    path = directory / FIGURES
    raw = path.read_bytes()
    try:
        said = orjson.loads(raw)
        if said["version"] != _VERSION:
            raise ValueError(f"of version {said['version']}")
        figures = [EvaluationFigure.from_json(row) for row in said["rows"]]
        return Scored(directory, said["teacher"], said["rehearsal"], said["protocol"], figures)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: damaged ({' '.join(str(error).split())}); score the run again") from error


def as_csv(figures: Sequence[EvaluationFigure]) -> str:
    """A header and a line per figure; what is not known is empty."""
    out = io.StringIO()
    rows = [figure.to_json() for figure in figures]
    writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
