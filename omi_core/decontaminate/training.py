"""How many questions of the benchmarks of an evaluation stand in training data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from omi_core.benchmarks.reading import question_of
from omi_core.decontaminate.decontaminate_options import Decontaminate
from omi_core.decontaminate.hits import Questions
from omi_core.decontaminate.ngram import NgramSearch
from omi_core.decontaminate.questions import read_problems
from omi_core.decontaminate.results import Files, Results, decontaminate
from omi_core.inputs import Skipped
from omi_core.records import Record


def find_held(records: Iterable[Record], given: str, pairs: Path) -> Results:
    """Searches the problems of `given`, a run, a dataset or files, for the questions of `records`, by words.

    `pairs` gets a line for each hit, as of `jobs.decontaminate` with its defaults.

    Raises:
        ConfigError: there are no such problems, or a row has none.
    """
    texts: dict[str, list[str]] = {}
    for record in records:
        texts.setdefault(record.source, []).append(question_of(record))
    sets = [Questions(name, questions) for name, questions in texts.items()]
    usual = Decontaminate()
    search = NgramSearch(sets, share=usual.share, length=usual.length, methods=usual.methods)
    problems = read_problems(given, usual.column, Skipped("stop", None))
    return decontaminate(problems, sets, search, Files(pairs), usual.top)


def told(found: Results, given: str) -> Iterator[str]:
    """A line for each benchmark."""
    for name, one in found.sets.items():
        share = len(one.hit) / one.questions
        yield (
            f"{name}: {len(one.hit):,} of {one.questions:,} questions ({share:.1%}) stand in {given}, "
            f"in {one.contaminated:,} of its {found.problems:,} problems"
        )
