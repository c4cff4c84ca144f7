"""Going through all problems: counts per test set, and files of pairs, of clean rows and of neighbours.

Streams: memory does not grow with the number of problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from omi_core.decontaminate import judged, ngram
from omi_core.decontaminate.hits import Hit, Questions, Search
from omi_core.decontaminate.judged import JudgedHits
from omi_core.decontaminate.normal import is_cut
from omi_core.decontaminate.questions import InputProblem
from omi_core.inputs import json_form
from omi_core.options import ConfigError
from omi_core.store.files import replacing

METHODS = (*ngram.METHODS, *judged.METHODS)
_BATCH = 1024  # rows; the problems among them are what is embedded at once


@dataclass
class SetReport:
    """One test set: its size, the problems that hit it by their best method, and which questions were hit."""

    questions: int
    problems: dict[str, int] = field(default_factory=lambda: dict.fromkeys(METHODS, 0))
    hit: set[int] = field(default_factory=set)

    @property
    def contaminated(self) -> int:
        return sum(self.problems.values())


@dataclass
class Results:
    """What became of the problems.

    A problem is a row whose text differs from that of the row before, so that the solutions of one problem
    count once. `cut` of them were longer than is compared, `contaminated` hit at least one question, `pairs`
    is how many hits there were, `candidates` how many problems the file of nearest questions has,
    `unjudged` how many lack a verdict that they need, `first_unjudged` where the first of these stands.
    """

    rows: int = 0
    problems: int = 0
    cut: int = 0
    contaminated: int = 0
    pairs: int = 0
    candidates: int = 0
    unjudged: int = 0
    first_unjudged: str | None = None
    sets: dict[str, SetReport] = field(default_factory=dict)

    def add(self, text: str, hits: list[Hit]) -> None:
        self.problems += 1
        self.cut += is_cut(text)
        self.contaminated += bool(hits)
        self.pairs += len(hits)
        best: dict[str, str] = {}
        for hit in hits:
            self.sets[hit.test_set].hit.add(hit.test_index)
            if hit.test_set not in best or METHODS.index(hit.method) < METHODS.index(best[hit.test_set]):
                best[hit.test_set] = hit.method
        for name, method in best.items():
            self.sets[name].problems[method] += 1


@dataclass(frozen=True)
class Files:
    """Where to write what; None: not at all. They are replaced when all problems have been seen."""

    pairs: Path
    clean: Path | None = None
    nearest: Path | None = None


def decontaminate(
    problems: Iterable[InputProblem],
    sets: Iterable[Questions],
    search: Search,
    files: Files,
    k: int | None,
    near: Search | None = None,
    near_all: bool = False,
    judged: JudgedHits | None = None,
) -> Results:
    """Searches every problem and writes the files.

    `pairs` gets a line per hit, at most `k` per problem; `clean` the rows of problems without a hit, as they
    are; `nearest` a line per problem with its k hits by `near`: for every problem with `near_all`, else for
    those that hit nothing, since the others need no judge. The hits in `judged` count like those of `search`.

    Raises:
        ConfigError: a problem without a hit is not in `judged`; no file is written.
    """
    report = Results(sets={questions.name: SetReport(len(questions.texts)) for questions in sets})
    with ExitStack() as stack:

        def out(path: Path | None) -> BinaryIO | None:
            return stack.enter_context(replacing(path)) if path else None

        pairs, clean, nearest = out(files.pairs), out(files.clean), out(files.nearest)
        last, last_hits = None, []
        for batch in _batches(problems):
            fresh = [problem for problem, new in _changes(batch, last) if new]
            found = search.search([problem.text for problem in fresh])
            if judged is not None:
                _add_verdicts(judged, fresh, found, report)
            rest = iter(found)
            for problem, new in _changes(batch, last):
                if new:
                    last_hits = next(rest)
                    report.add(problem.text, last_hits)
                    _write(pairs, (_pair(problem, hit) for hit in last_hits[:k]))
                if not last_hits:
                    _write(clean, [problem.row])
                report.rows += 1
            if near is not None:
                pick = zip(fresh, found, strict=True)
                asked = [problem for problem, hits in pick if near_all or _is_candidate(problem, hits)]
                report.candidates += len(asked)
                _write(nearest, map(_neighbours, asked, near.search([problem.text for problem in asked], k)))
            last = batch[-1].text
        if judged is not None and report.unjudged:
            raise ConfigError(
                f"verdicts={judged.given}: {report.unjudged:,} problems hit nothing by words and have no "
                f"verdict, the first at {report.first_unjudged}; let the judge read its nearest questions"
            )
    return report


def _is_candidate(problem: InputProblem, hits: list[Hit]) -> bool:
    return not hits and bool(problem.text.strip())


def _add_verdicts(
    judged: JudgedHits, problems: list[InputProblem], found: list[list[Hit]], report: Results
) -> None:
    """Adds the judge's hits to those of each problem; counts the problems that lack a verdict they need."""
    for problem, hits in zip(problems, found, strict=True):
        more = judged.hits(problem.text)
        if more is None and _is_candidate(problem, hits):
            report.first_unjudged = report.first_unjudged or problem.where
            report.unjudged += 1
        known = {(hit.test_set, hit.test_index) for hit in hits}
        hits += [hit for hit in more or () if (hit.test_set, hit.test_index) not in known]


def _batches(problems: Iterable[InputProblem]) -> Iterator[list[InputProblem]]:
    rest = iter(problems)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _changes(batch: list[InputProblem], last: str | None) -> Iterator[tuple[InputProblem, bool]]:
    """(problem, has it another text than the one before)."""
    for problem in batch:
        yield problem, problem.text != last
        last = problem.text


def _pair(problem: InputProblem, hit: Hit) -> dict[str, Any]:
    return {"where": problem.where, "problem": problem.text, **asdict(hit)}


def _neighbours(problem: InputProblem, hits: list[Hit]) -> dict[str, Any]:
    return {"where": problem.where, "problem": problem.text, "nearest": [asdict(hit) for hit in hits]}


def _write(file: BinaryIO | None, rows: Iterable[dict[str, Any]]) -> None:
    if file is not None:
        file.writelines(map(json_form, rows))
