"""Samples in rounds: what a record gets depends on its own samples alone."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.records import Record, Sample
from omi_core.stages.rounds import Rounds
from omi_core.tasks.adaptive_options import Adaptive

MOST = 12


def record(ordinal: int) -> Record:
    return Record(ordinal, f"id-{ordinal}", "text", None, "test")


def sample(ordinal: int, index: int) -> Sample:
    return Sample(ordinal, f"id-{ordinal}", index, f"{ordinal} {index}", "stop", 1, 1, 0.0)


class Shard:
    """A record with ordinal n has enough with `enough[n]` samples, as is seen when they are there."""

    def __init__(self, enough: Sequence[int], adaptive: Adaptive, there: set[tuple[int, int]]) -> None:
        self.enough, self.there = enough, dict.fromkeys(there)
        self.unneeded: set[tuple[int, int]] = set()
        self.asked: list[tuple[int, int]] = []
        keys = ((n, at) for n in range(len(enough)) for at in range(MOST) if (n, at) not in there)
        known = ([sample(n, at) for at in range(MOST) if (n, at) in there] for n in range(len(enough)))
        found = iter([group for group in known if group])
        self.rounds = Rounds(keys, MOST, adaptive, self.wanted, record, found, self.note)

    def wanted(self, record: Record, samples: Sequence[Sample]) -> int:
        assert [each.index for each in samples] == list(range(len(samples)))
        self.asked.append((record.ordinal, len(samples)))
        return min(MOST, self.enough[record.ordinal])

    def note(self, record: Record, indexes: list[int]) -> None:
        self.unneeded |= {(record.ordinal, index) for index in indexes}

    def work(self, draw: Random, seats: int, stop_after: int = 10_000) -> None:
        running: list[tuple[int, int]] = []
        while stop_after:
            while len(running) < seats and (key := next(self.rounds, None)) is not None:
                running.append(key)
            if not running:
                assert not self.rounds.waiting
                return
            key = running.pop(draw.randrange(len(running)))
            assert key not in self.there and key not in self.unneeded
            self.there[key] = None
            self.rounds.landed(sample(*key))
            stop_after -= 1


ADAPTIVE = Adaptive(first=3, step=4)
ENOUGH = st.lists(st.integers(1, MOST + 3), min_size=1, max_size=6)


def drawn(enough: Sequence[int]) -> set[tuple[int, int]]:
    """What these records get in rounds of 4 after the first 3."""
    keys = set()
    for ordinal, wanted in enumerate(enough):
        level = 3
        while level < min(wanted, MOST):
            level = min(level + 4, wanted, MOST)
        keys |= {(ordinal, index) for index in range(level)}
    return keys


@given(ENOUGH, st.integers(1, 9), st.integers(0, 10), st.lists(st.integers(0, 30), max_size=4))
@settings(max_examples=200)
def test_any_order_and_any_history_draw_the_same_samples(
    enough: list[int], seats: int, seed: int, stops: list[int]
) -> None:
    draw, there = Random(seed), set()
    for stop in stops:
        stopped = Shard(enough, ADAPTIVE, there)
        stopped.work(draw, seats, stop)
        there = set(stopped.there)
    shard = Shard(enough, ADAPTIVE, there)
    shard.work(draw, seats)
    there = set(shard.there)
    assert there == drawn(enough)
    assert shard.unneeded == {(n, at) for n in range(len(enough)) for at in range(MOST)} - there


def test_an_open_record_goes_before_those_that_were_not_begun() -> None:
    shard = Shard([12, 12, 12], ADAPTIVE, set())
    first = [next(shard.rounds) for _ in range(4)]
    assert first == [(0, 0), (0, 1), (0, 2), (1, 0)]
    for key in first[:3]:
        shard.rounds.landed(sample(*key))
    assert [next(shard.rounds) for _ in range(5)] == [(0, 3), (0, 4), (0, 5), (0, 6), (1, 1)]


def test_no_record_is_looked_at_twice_with_the_same_samples() -> None:
    shard = Shard([5, 12, 2], ADAPTIVE, set())
    shard.work(Random(1), 4)
    assert sorted(shard.asked) == [(0, 3), (0, 5), (1, 3), (1, 7), (1, 11), (2, 3)]


@pytest.mark.parametrize("held", [{(0, 0)}, {(0, 0), (0, 1), (0, 2)}, {(0, at) for at in range(7)}])
def test_samples_that_are_there_are_not_drawn_again(held: set[tuple[int, int]]) -> None:
    shard = Shard([7], ADAPTIVE, held)
    shard.work(Random(0), 2)
    assert set(shard.there) == drawn([7])


def test_a_share_of_a_record_draws_its_part_of_the_round_and_decides_nothing() -> None:
    """A canary has the first samples of a record; the array has the others, and decides."""
    notes: list[object] = []
    rounds = Rounds(
        iter([(0, 0), (0, 1)]),
        MOST,
        ADAPTIVE,
        lambda *_: 3,
        record,
        iter(()),
        lambda *each: notes.append(each),
    )
    assert list(rounds) == [(0, 0), (0, 1)]
    rounds.landed(sample(0, 0))
    rounds.landed(sample(0, 1))
    assert next(rounds, None) is None and not rounds.waiting and not notes
