"""The filters on solutions written by people and by models: what they touch there is known and explained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from omi_core.answers.extract import Extractor
from omi_core.filters.answer import TrimAfterAnswer
from omi_core.filters.wrong_arithmetic import WrongArithmetic
from omi_core.records import Candidate

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not at hand")


def texts(name: str, field: str, limit: int = 2500) -> Iterator[str]:
    """The first solutions of a file, so that the test stays short."""
    for row in rows(name, limit):
        yield row[field]


def rows(name: str, limit: int = 2500) -> Iterator[dict[str, str]]:
    for line in (SHARED / name).read_bytes().splitlines()[:limit]:
        yield orjson.loads(line)


# Each a slip of the author's.
FLAGGED = {
    "gsm8k/train.jsonl": (
        "answer",
        {
            "100 * 0.75 = $0.75",
            "192*100=$1920",
            "3/1=1",
            "4080 + 4080 / 2 = 4000 + 2040",
            "6/3=.5",
        },
    ),
    "math/train.jsonl": ("solution", set()),
    "real_samples/openmathinstruct2_100.jsonl": (
        "generated_solution",
        {"\\frac{1}{3} \\cdot \\frac{3}{1} = \\boxed{\\frac{1}{3}}"},
    ),
}


@pytest.mark.parametrize("name", FLAGGED)
def test_wrong_arithmetic_is_found_where_it_is_and_nowhere_else(name: str) -> None:
    field, expected = FLAGGED[name]
    found = set()
    for row in rows(name):
        text = row[field]
        statement = WrongArithmetic().first_wrong(text, row.get("problem") or row["question"])
        if statement is not None:
            found.add(text[statement.start : statement.end])
    assert found == expected


def test_model_solutions_with_wrong_arithmetic_are_mostly_wrong_in_the_end() -> None:
    flagged = {True: 0, False: 0}
    for line in (SHARED / "real_samples/gsm8k_test_gpt3_4x1319.jsonl").read_bytes().splitlines()[:400]:
        for answer in orjson.loads(line).values():
            if isinstance(answer, dict) and WrongArithmetic().first_wrong(answer["solution"]):
                flagged[answer["is_correct"]] += 1
    assert flagged[False] > 10 * flagged[True] > 0


def test_trimming_keeps_the_answer_and_balanced_formulas() -> None:
    extract, item, trimmed = Extractor(), TrimAfterAnswer(), 0
    for text in texts("math/train.jsonl", "solution"):
        row = Candidate("p", text, None, "", "s", "stop", "r", 0, 1)
        after = item.solution_after(row)
        assert after is not None
        if after == text:
            continue
        trimmed += 1
        assert text.startswith(after)
        assert extract(after).answer == extract(text).answer
        assert after.replace("\\$", "").count("$") % 2 == 0
        assert after.count("\\[") == after.count("\\]") and after.count("\\begin{") == after.count("\\end{")
    assert 100 < trimmed < 250
