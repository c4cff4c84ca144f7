"""What a base model has learnt is counted job by job, and the shipped one copies."""

from __future__ import annotations

from itertools import islice

import pytest

from maintenance.evaluate_base import LONGEST_REPLY, MIX, counts
from maintenance.generating import replies_of
from maintenance.lessons import Lesson, lessons
from omi_core.teachers.tiny import path

SUMS = Lesson("Work out: 2 + 3, 4 * 2, 9 + 1", "2 + 3 = 5, 4 * 2 = 8, 9 + 1 = 10")


@pytest.mark.parametrize(
    ("lesson", "reply", "expected"),
    [
        (Lesson("Repeat: Ada is 3.", "Ada is 3."), "Ada is 3.", {"Repeat": (1, 1)}),
        (Lesson("Repeat: Ada is 3.", "Ada is 3."), "Ada is 4.", {"Repeat": (0, 1)}),
        (Lesson("Numbers: Ada is 3, or 12.", "3 12"), "3", {"Numbers": (0, 1)}),
        (SUMS, SUMS.reply, {"Work out +": (2, 2), "Work out *": (1, 1)}),
        (SUMS, "2 + 3 = 5, 4 * 2 = 9", {"Work out +": (1, 2), "Work out *": (0, 1)}),
        (SUMS, "4 * 2 = 8, 2 + 3 = 5", {"Work out +": (0, 2), "Work out *": (0, 1)}),
        (SUMS, "", {"Work out +": (0, 2), "Work out *": (0, 1)}),
    ],
)
def test_right_replies_are_counted_by_job_and_lines_by_operator(
    lesson: Lesson, reply: str, expected: dict[str, tuple[int, int]]
) -> None:
    of, right = counts([lesson], [reply])
    assert {job: (right[job], of[job]) for job in of} == expected


def test_the_shipped_base_model_repeats_problems_and_lists_their_numbers() -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    copies = [each for each in islice(lessons(7, MIX), 100) if not each.prompt.startswith("Work")]
    of, right = counts(copies, replies_of(path("tiny_base"), [each.prompt for each in copies], LONGEST_REPLY))
    assert right.total() / of.total() > 0.8
