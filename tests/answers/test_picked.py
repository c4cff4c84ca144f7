"""Judging by picks: whose answer is the expected one, and how pick, vote and ground truth are counted."""

from __future__ import annotations

from collections import Counter

import pytest

from omi_core.answers import Grader, Verdict
from omi_core.answers.judging import Judge, Judged
from omi_core.records import Record

EQUAL, NOT_EQUAL = Verdict.EQUAL, Verdict.NOT_EQUAL
# answers, picks -> the expected answer, the verdicts
CASES = {
    "the class with the most picks": (["5", "5", "7"], [0, 1, 2], "7", [NOT_EQUAL, NOT_EQUAL, EQUAL]),
    "picks of a class add up": (["1/2", "7", "0.5"], [2, 3, 2], "1/2", [EQUAL, NOT_EQUAL, EQUAL]),
    "its most frequent spelling": (["0.5", "1/2", "1/2"], [1, 0, 0], "1/2", [EQUAL, EQUAL, EQUAL]),
    "of equal picks the larger class": (["5", "7", "7"], [1, 1, 0], "7", [NOT_EQUAL, EQUAL, EQUAL]),
    "of equal classes the first": (["5", "7"], [1, 1], "5", [EQUAL, NOT_EQUAL]),
    "no answer, no say": (["5", None], [1, 4], "5", [EQUAL, None]),
    "no pick": (["5", None], [0, 0], None, [NOT_EQUAL, None]),
    "no sample": ([], [], None, []),
}


def judge(answers: list[str | None], picks: list[int], truth: str | None) -> tuple[Judged, Counter[str]]:
    counts: Counter[str] = Counter()
    with Grader(workers=1) as grader:
        (judged,) = Judge(grader, "picked", counts).judge(
            [Record.make(0, "q", truth, "s")], [answers], [picks]
        )
    return judged, counts


@pytest.mark.parametrize(("answers", "picks", "expected", "verdicts"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("truth", [None, "7"])
def test_the_expected_answer_is_the_picked_one(
    answers: list[str | None],
    picks: list[int],
    expected: str | None,
    verdicts: list[Verdict | None],
    truth: str | None,
) -> None:
    judged, counts = judge(answers, picks, truth)
    assert judged.expected == [expected] * len(answers)
    assert judged.verdicts == verdicts
    assert not judged.contested
    assert counts["picks/records"] == (expected is not None) == 1 - counts["picks/records_without"]


def test_picks_are_measured_by_the_truth_and_beside_the_vote() -> None:
    counts = judge(["5", "5", "7"], [0, 0, 1], "7")[1] + judge(["5", "5", "7"], [1, 0, 0], "7")[1]
    told = {"majority": 1, "truth_records": 2, "picked_equal": 1, "voted_equal": 0}
    assert {key: counts[f"picks/{key}"] for key in told} == told
