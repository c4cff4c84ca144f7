"""Fair downsampling: against a plain reference, by its rules, and evenly drawn."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.publish.dedupe import digest_keys
from omi_core.publish.fair import FairRows, Ranked

# A dataset in miniature: (problem, solution) of each row, all different.
Dataset = list[tuple[int, int]]
DATASETS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 30)), min_size=1, max_size=60, unique=True)


def ranked(rows: Dataset, seed: int = 42, batch: int = 7) -> Ranked:
    fair = FairRows(len(rows) + 3, seed)
    for begin in range(0, len(rows), batch):
        part = rows[begin : begin + batch]
        digests = digest_keys([b"%d of %d" % (solution, problem) for problem, solution in part])
        fair.add([b"problem %d" % problem for problem, _ in part], digests[:, 1])
    return fair.rank()


def taken(rows: Dataset, size: int, seed: int = 42, batch: int = 7) -> set[tuple[int, int]]:
    mask = ranked(rows, seed, batch).draw(size).mask
    return {row for row, taken in zip(rows, mask.tolist(), strict=True) if taken}


def rounds_of(rows: Dataset, size: int) -> Counter[int]:
    """Plainly: go round the problems, one solution from each that has one left, until there are enough."""
    left = Counter(problem for problem, _ in rows)
    counts: Counter[int] = Counter()
    while size and left:
        for problem in list(left):
            if size == 0:
                break
            counts[problem] += 1
            left -= Counter([problem])
            size -= 1
    return counts


@given(DATASETS, st.integers(1, 70))
def test_the_solutions_of_each_problem_are_as_many_as_by_going_round(rows: Dataset, size: int) -> None:
    counts = Counter(problem for problem, _ in taken(rows, size))
    expected = rounds_of(rows, size)
    assert sum(counts.values()) == min(size, len(rows))
    # Which problems give one more in the last round is drawn; how many do is not.
    assert sorted(counts.values()) == sorted(expected.values())
    available = Counter(problem for problem, _ in rows)
    least = min((counts[p] for p in available if counts[p] < available[p]), default=None)
    if least is not None:
        assert max(counts.values()) <= least + 1


@given(DATASETS, st.integers(1, 70))
def test_a_draw_tells_its_problems_and_whole_rounds(rows: Dataset, size: int) -> None:
    draw = ranked(rows).draw(size)
    counts = Counter(problem for problem, _ in taken(rows, size))
    available = Counter(problem for problem, _ in rows)
    assert draw.problems == len(counts)
    whole = [r for r in range(1, 32) if all(counts[p] >= min(r, n) for p, n in available.items())]
    assert draw.full_rounds == min(len(whole), max(available.values()))


@given(DATASETS, st.integers(1, 70), st.randoms(use_true_random=False), st.integers(1, 60))
def test_neither_the_order_of_rows_nor_their_batches_matter(
    rows: Dataset, size: int, random: object, batch: int
) -> None:
    mixed = list(rows)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert taken(rows, size) == taken(mixed, size, batch=batch)


@given(DATASETS, st.integers(1, 70), st.integers(1, 70))
def test_a_split_holds_the_smaller_ones_of_its_seed(rows: Dataset, one: int, other: int) -> None:
    assert taken(rows, min(one, other)) <= taken(rows, max(one, other))


@pytest.mark.parametrize("size", [5, 8, 13])
def test_draws_are_even_over_seeds(size: int) -> None:
    """Problems of one round, and solutions of one problem, are taken equally often; 5 sigma of a coin."""
    rows = [(problem, solution) for problem in range(6) for solution in range(4)]
    seeds = 3000
    seen: Counter[tuple[int, int]] = Counter()
    for seed in range(seeds):
        seen.update(taken(rows, size, seed))
    share = size / len(rows)
    sigma = (seeds * share * (1 - share)) ** 0.5
    assert all(abs(seen[row] - seeds * share) < 5 * sigma for row in rows), seen


def test_another_seed_draws_other_problems_and_other_solutions() -> None:
    rows = [(problem, solution) for problem in range(100) for solution in range(4)]
    few = {seed: {problem for problem, _ in taken(rows, 50, seed)} for seed in (1, 2)}
    assert 10 < len(few[1] & few[2]) < 40
    first = {seed: dict(taken(rows, 100, seed)) for seed in (1, 2)}
    same = sum(first[1][problem] == first[2][problem] for problem in range(100))
    assert 5 < same < 50


def test_problems_that_come_first_in_one_round_do_not_in_the_next() -> None:
    rows = [(problem, solution) for problem in range(200) for solution in range(4)]
    extra: dict[int, set[int]] = defaultdict(set)
    for whole in range(3):
        counts = Counter(problem for problem, _ in taken(rows, 200 * whole + 100))
        extra[whole] = {problem for problem, count in counts.items() if count == whole + 1}
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert 25 < len(extra[one] & extra[other]) < 75


def test_equal_draws_within_a_problem_go_by_position() -> None:
    fair = FairRows(6, 0)
    fair.add([b"p"] * 6, np.zeros(6, np.uint64))
    assert fair.rank().round.tolist() == [0, 1, 2, 3, 4, 5]
