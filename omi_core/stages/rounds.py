"""Which samples of a shard come next: all in order, or record by record in rounds while one needs more.

In rounds, a record gets `adaptive.first` samples, and `adaptive.step` more as long as the task wants more of
it. That is asked only of its own samples 0 to n - 1, when all of them are there, so what a record gets is the
same for any number of tasks and any history of kills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from omi_core.records import Record, Sample
from omi_core.tasks.adaptive_options import Adaptive

Key = tuple[int, int]
# The record, and its first n samples in order -> how many it is to have; n or less: these are enough.
Wanted = Callable[[Record, Sequence[Sample]], int]


class InOrder(Iterator[Key]):
    """The keys as they come."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = iter(keys)

    def __next__(self) -> Key:
        return next(self._keys)

    def landed(self, sample: Sample) -> None:
        """To be told of every sample."""

    @property
    def waiting(self) -> bool:
        """Whether keys are left although the last `next` had none, since samples have landed meanwhile."""
        return False


@dataclass(slots=True)
class _Record:
    record: Record
    missing: set[int]
    there: dict[int, Sample]
    level: int
    in_flight: set[int] = field(default_factory=set)


class Rounds(InOrder):
    """Keys in rounds. When `next` has none, there may be some again once samples have landed.

    `keys` are missing ones, by record; `there` are the samples that records have already, in the order of
    records; `unneeded` is told which of the missing samples of a record nobody needs.
    """

    def __init__(
        self,
        keys: Iterable[Key],
        samples: int,
        adaptive: Adaptive,
        wanted: Wanted,
        record: Callable[[int], Record],
        there: Iterator[list[Sample]],
        unneeded: Callable[[Record, list[int]], None],
    ) -> None:
        assert adaptive.first is not None
        super().__init__(())
        self._first, self._step, self._most = adaptive.first, adaptive.step, samples
        self._wanted, self._record, self._unneeded = wanted, record, unneeded
        self._groups = groupby(keys, key=itemgetter(0))
        self._there, self._next_there = there, next(there, None)
        self._ready: deque[Key] = deque()
        self._open: dict[int, _Record] = {}

    def __next__(self) -> Key:
        while not self._ready:
            ordinal, group = next(self._groups)
            there = {sample.index: sample for sample in self._samples_of(ordinal)}
            missing = {index for _, index in group} - there.keys()
            self._advance(_Record(self._record(ordinal), missing, there, self._first))
        return self._ready.popleft()

    def landed(self, sample: Sample) -> None:
        held = self._open.get(sample.ordinal)
        if held is None or sample.index not in held.in_flight:
            return
        held.in_flight.discard(sample.index)
        held.missing.discard(sample.index)
        held.there[sample.index] = sample
        if not held.in_flight:
            del self._open[sample.ordinal]
            self._advance(held)

    @property
    def waiting(self) -> bool:
        return bool(self._ready)

    def _samples_of(self, ordinal: int) -> list[Sample]:
        while self._next_there is not None and self._next_there[0].ordinal < ordinal:
            self._next_there = next(self._there, None)
        found = self._next_there
        return found if found is not None and found[0].ordinal == ordinal else []

    def _advance(self, held: _Record) -> None:
        """The next samples of a record to the front, so that none is waited for in the end."""
        while held.missing:
            level = min(held.level, self._most)
            needed = [index for index in range(level) if index not in held.there]
            if not needed:
                wanted = self._wanted(held.record, [held.there[index] for index in range(level)])
                if wanted <= level:
                    self._unneeded(held.record, sorted(held.missing))
                    return
                held.level = min(level + self._step, wanted)
            elif held.missing.issuperset(needed):
                held.in_flight = set(needed)
                self._open[held.record.ordinal] = held
                self._ready.extendleft((held.record.ordinal, index) for index in reversed(needed))
                return
            else:  # a share with a part of a record, as a canary has; who gets the others decides
                mine = sorted(held.missing.intersection(needed))
                self._ready.extendleft((held.record.ordinal, index) for index in reversed(mine))
                return
