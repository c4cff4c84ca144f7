"""What the page of contaminated problems holds: joined files, problems in order, and counts over all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.explore import Explored, join, joining
from omi_core.explore.pair_files import find_files
from omi_core.options import ConfigError
from tests.explore.lines import near, pair


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


PAIRS = [
    pair("words", "a/W", "ngram", 0.7),
    pair("words", "b/W", "ngram", 0.9),
    pair("judged", "a/J", "judge", 0.95, index=1),
    pair("same", "b/S", "whole", 1.0, index=1),
    pair("same", "a/W", "exact", 1.0),
]
NEAREST = [
    near("far", ("b/W", 0.2), ("a/W", 0.1)),
    near("judged", ("a/J", 0.95), ("b/W", 0.5)),
    near("close", ("a/W", 0.6), ("b/W", 0.59)),
    near("alone"),
]


@pytest.fixture
def found(tmp_path: Path) -> Explored:
    return join([write(tmp_path / "p.jsonl", PAIRS)], [write(tmp_path / "n.jsonl", NEAREST)], None)


def test_the_worst_come_first_by_method_and_then_by_score(found: Explored) -> None:
    assert [problem.text for problem in found.problems] == [
        "same",
        "words",
        "judged",
        "close",
        "far",
        "alone",
    ]
    assert [problem.order for problem in found.problems] == [2, 0, 1, 4, 3, 5]


def test_a_problem_counts_once_in_all_and_once_per_test_set_by_its_surest_method(found: Explored) -> None:
    assert {method: count for method, count in found.counts.items() if count} == {
        "exact": 1,
        "ngram": 1,
        "judge": 1,
    }
    assert (found.clean, found.total) == (3, 6)
    assert [(one.name, one.problems, one.questions_hit, one.nearest) for one in found.sets] == [
        ("a", {"ngram": 1, "judge": 1, "exact": 1}, 2, 1),
        ("b", {"ngram": 1, "whole": 1}, 2, 1),
    ]


def test_what_it_repeats_and_what_it_is_near_to_stand_together(found: Explored) -> None:
    judged = next(problem for problem in found.problems if problem.text == "judged")
    assert [(*found.questions[link.question], link.method, link.contaminated) for link in judged.links] == [
        ("a", 1, "J", "judge", True),
        ("a", 0, "J", "embedding", False),
        ("b", 0, "W", "embedding", False),
    ]


def test_the_page_takes_the_worst_and_the_counts_take_all(found: Explored, tmp_path: Path) -> None:
    some = join([tmp_path / "p.jsonl"], [tmp_path / "n.jsonl"], 2)
    assert [problem.text for problem in some.problems] == ["same", "words"]
    assert (some.counts, some.clean, some.sets) == (found.counts, found.clean, found.sets)
    assert {text for _, _, text in some.questions} == {"S", "W"}


def test_equal_texts_are_one_problem_in_several_places_and_files(tmp_path: Path) -> None:
    moved = [{**row, "where": "elsewhere:1"} for row in PAIRS[:2]]
    files = [write(tmp_path / "p.jsonl", PAIRS), write(tmp_path / "q.jsonl", moved)]
    found = join(files, [], None)
    assert found.total == 3
    words = next(problem for problem in found.problems if problem.text == "words")
    assert list(words.places) == ["in:words", "elsewhere:1"]
    assert len(words.links) == 2


def test_a_method_nobody_knows_comes_after_those_that_are_known(tmp_path: Path) -> None:
    rows = [pair("p", "a/Q", "paraphrase", 1.0), pair("q", "a/Q", "judge", 0.1)]
    found = join([write(tmp_path / "p.jsonl", rows)], [], None)
    assert [problem.text for problem in found.problems] == ["q", "p"]
    assert found.methods == ["exact", "whole", "ngram", "judge", "unclear", "paraphrase"]


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        (
            "pairs",
            near("p", ("a/Q", 0.5)),
            "has no whole number at 'test_index'; give the contamination.jsonl",
        ),
        ("pairs", {**pair("p", "a/Q"), "problem": None}, "has no text at 'problem'"),
        ("pairs", {**pair("p", "a/Q"), "score": True}, "has no number at 'score'"),
        ("pairs", {**pair("p", "a/Q"), "test_index": 0.5}, "has no whole number at 'test_index'"),
        ("nearest", pair("p", "a/Q"), "has no list of questions at 'nearest'; give the nearest.jsonl"),
        ("nearest", {**near("p"), "nearest": ["Q"]}, "has no list of questions at 'nearest'"),
    ],
)
def test_a_line_of_another_form_is_told(tmp_path: Path, kind: str, row: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "x.jsonl", [row])
    with pytest.raises(ConfigError) as told:
        join(*(([path], []) if kind == "pairs" else ([], [path])), None)
    assert str(told.value).startswith(f"{path}:1: ")
    assert said in str(told.value)


def test_a_file_that_is_replaced_between_the_two_readings_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "p.jsonl", PAIRS)

    def replaced(*arguments: Any) -> Any:
        write(tmp_path / "new", PAIRS[:1]).replace(path)
        return second_pass(*arguments)

    second_pass = joining._second_pass
    monkeypatch.setattr(joining, "_second_pass", replaced)
    with pytest.raises(OSError, match=r"p\.jsonl: was replaced while it was read; run the command again"):
        join([path], [], None)


def test_files_are_found_below_a_directory_but_not_where_a_run_was_moved_aside(tmp_path: Path) -> None:
    for folder in ("02-check", "01-near/deep", "01-near.old-1", ".planning-1"):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder / "contamination.jsonl", [])
    write(tmp_path / "nearest.jsonl", [])
    pairs, nearest = find_files(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in pairs] == [
        "01-near/deep/contamination.jsonl",
        "02-check/contamination.jsonl",
    ]
    assert nearest == [tmp_path / "nearest.jsonl"]
