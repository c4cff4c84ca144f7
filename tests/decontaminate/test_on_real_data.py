"""The search on real problems: what is planted is found, and what it misses is known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest

from omi_core.decontaminate import Hit, NgramSearch
from omi_core.decontaminate.questions import read_sets
from tests.decontaminate.planted import rephrased
from tests.decontaminate.real_sets import SETS


@pytest.fixture(scope="module")
def search(shared_data: Path) -> NgramSearch:
    return NgramSearch(read_sets([f"{name}={shared_data / path}" for name, path in SETS.items()]))


def texts(path: Path, column: str, limit: int = 1500) -> list[str]:
    return [orjson.loads(line)[column] for line in path.read_bytes().splitlines()[:limit]]


def methods(found: Iterable[list[Hit]]) -> dict[str, int]:
    """Problems by their best method."""
    counts: dict[str, int] = {}
    for hits in found:
        best = hits[0].method if hits else "none"
        counts[best] = counts.get(best, 0) + 1
    return counts


def test_every_planted_question_is_found_as_what_it_is(search: NgramSearch, shared_data: Path) -> None:
    for name, path, column in (("gsm8k", SETS["gsm8k"], "question"), ("math", SETS["math"], "problem")):
        for number, text in enumerate(texts(shared_data / path, column, 400)):
            for planted in (text, f"{text.upper()} "):
                assert (name, number, "exact") in {
                    (hit.test_set, hit.test_index, hit.method) for hit in search.hits(planted)
                }


def test_a_question_written_another_way_is_found(search: NgramSearch, shared_data: Path) -> None:
    missed = 0
    questions = texts(shared_data / SETS["gsm8k"], "question", 400)
    for number, text in enumerate(questions):
        changed = text.replace("$", "\\$").replace(", ", " ").replace("?", " ?!").replace("’", "'")
        hits = search.hits(f"Solve this. {changed} Give the answer as a number.")
        missed += number not in {hit.test_index for hit in hits if hit.test_set == "gsm8k"}
    short = sum(len(text.split()) < 13 for text in questions)
    assert missed <= short  # those are compared whole


def test_training_problems_are_clean_where_the_sets_were_made_apart(
    search: NgramSearch, shared_data: Path
) -> None:
    found = search.search(texts(shared_data / "gsm8k/train.jsonl", "question", 7473))
    assert methods(found) == {"none": 7469, "ngram": 4}


def test_published_problems_are_clean_but_for_one(search: NgramSearch, shared_data: Path) -> None:
    problems = texts(shared_data / "real_samples/openmathinstruct2_100.jsonl", "problem")
    assert methods(search.search(problems)) == {"none": 99, "ngram": 1}


def test_rephrased_questions_are_not_found_by_words(search: NgramSearch, shared_data: Path) -> None:
    assert methods(search.search(rephrased(shared_data))) == {"none": 1319}
