"""Draws: what a vote of fewer samples would have come to, by the classes and verdicts of all of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.answers import Draws, Grader, Verdict, count_draws, vote

E, N, U = Verdict.EQUAL, Verdict.NOT_EQUAL, Verdict.UNKNOWN

CASES: list[tuple[str, list[int | None], list[Verdict | None], list[tuple[int, int, int, int]]]] = [
    ("no samples", [], [], []),
    ("one without an answer", [None], [None], [(1, 1, 0, 0)]),
    ("one that is right", [0], [E], [(1, 1, 1, 1)]),
    ("one that cannot be compared", [0], [U], [(1, 1, 0, 0)]),
    ("a tie goes to the first", [0, 1, 1, 0], [E, N, N, E], [(1, 4, 2, 2), (2, 2, 1, 2), (4, 1, 1, 1)]),
    ("three beat one", [0, 1, 1, 1], [N, E, E, E], [(1, 4, 3, 3), (2, 2, 1, 2), (4, 1, 1, 1)]),
    ("no answer has no vote", [None, None, 0], [None, None, E], [(1, 3, 1, 1), (2, 1, 0, 0)]),
    ("one answer outvotes silence", [None, 0], [None, E], [(1, 2, 1, 1), (2, 1, 1, 1)]),
    ("what is left over is in no draw", [0, 0, 1], [N, N, E], [(1, 3, 1, 1), (2, 1, 0, 0)]),
    ("one of a class speaks for it", [0, 0, 1, 1], [U, E, N, N], [(1, 4, 1, 1), (2, 2, 1, 1), (4, 1, 1, 1)]),
    ("but only within the draw", [0, 1, 0, 1], [U, N, E, E], [(1, 4, 2, 2), (2, 2, 1, 1), (4, 1, 1, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("classes", "verdicts", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_draws_of_a_record(
    classes: list[int | None], verdicts: list[Verdict | None], expected: list[tuple[int, int, int, int]]
) -> None:
    assert list(count_draws(classes, verdicts)) == [Draws(*figures) for figures in expected]


ANSWERS = st.lists(st.sampled_from(["1", "2", "3", "4", None]), max_size=40)


@given(ANSWERS)
@settings(deadline=None)
def test_draws_are_the_votes_of_their_samples_alone(answers: list[str | None]) -> None:
    """Where sameness is transitive, as among integers, voting anew gives the same majorities."""
    grader = Grader()
    verdicts = [None if answer is None else grader.compare(answer, "1") for answer in answers]
    found = list(count_draws(vote(answers, grader).classes, verdicts))
    assert [drawn.size for drawn in found] == [2**power for power in range(len(answers).bit_length())]
    for drawn in found:
        parts = [answers[at : at + drawn.size] for at in range(0, len(answers), drawn.size)]
        parts = [part for part in parts if len(part) == drawn.size]
        majorities = [vote(part, grader).answer for part in parts]
        assert drawn == Draws(
            drawn.size, len(parts), majorities.count("1"), sum("1" in part for part in parts)
        )
