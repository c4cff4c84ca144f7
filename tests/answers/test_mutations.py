"""What differs is never EQUAL, what is the same is never NOT_EQUAL: a sample of `tests.bench.mutations`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from omi_core.answers import Grader, Verdict, math_ground_truth
from tests.answers.mutating import CHANGES, respelt
from tests.answers.shapes import SHAPES, Shape, differing, same

Rows = Callable[[str], list[dict[str, Any]]]
PAIRS = 60


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1) as grader:
        yield grader


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_another_value_is_never_equal_and_another_spelling_never_unequal(
    shape: Shape, grader: Grader
) -> None:
    rng = random.Random(7)
    others = [differing(shape, rng) for _ in range(PAIRS)]
    assert [p for p, v in zip(others, grader.compare_many(others), strict=True) if v is Verdict.EQUAL] == []
    spelt = [same(shape, rng) for _ in range(PAIRS)]
    verdicts = grader.compare_many(spelt)
    assert [p for p, v in zip(spelt, verdicts, strict=True) if v is Verdict.NOT_EQUAL] == []
    assert sum(v is Verdict.EQUAL for v in verdicts) >= 0.9 * PAIRS


def test_a_changed_ground_truth_is_never_equal_and_a_respelt_one_never_unequal(
    rows: Rows, grader: Grader
) -> None:
    rng = random.Random(7)
    truths = [math_ground_truth(row["solution"]) for row in rows("math/test.jsonl")[:1500]]
    golds = sorted({truth for truth in truths if truth})
    changed = [(gold, new) for gold in golds for change in CHANGES.values() if (new := change(gold, rng))]
    assert len(changed) > len(golds)
    assert [p for p, v in zip(changed, grader.compare_many(changed), strict=True) if v is Verdict.EQUAL] == []
    spelt = [(gold, respelt(gold, rng)) for gold in golds]
    assert [p for p, v in zip(spelt, grader.compare_many(spelt), strict=True) if v is not Verdict.EQUAL] == []
