"""A teacher that is started again after its engine died."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Self

from omi_core.records import Sample
from omi_core.teachers.teacher import EngineFailed, Request, Teacher


class RestartingTeacher(Teacher):
    """Passes everything on to a teacher made by `start`, and makes another when that one's engine has failed.

    Entering starts the first one, and raises what `start` raises.
    """

    def __init__(self, start: Callable[[], Teacher]) -> None:
        self._start = start
        self._teacher: Teacher | None = None
        self._described: dict[str, str] = {}
        self._away = 0.0

    def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
        """As `Teacher.generate`. Raises EngineFailed, once for each engine."""
        try:
            yield from self._running().generate(requests)
        except EngineFailed:
            self.close()
            raise

    @property
    def away(self) -> float:
        return self._away + (self._teacher.away if self._teacher is not None else 0.0)

    def describe(self) -> dict[str, str]:
        return self._described

    def close(self) -> None:
        self._away = self.away
        teacher, self._teacher = self._teacher, None
        if teacher is not None:
            with suppress(EngineFailed):  # what is dead already need not be told
                teacher.close()

    def __enter__(self) -> Self:
        self._running()
        return self

    def _running(self) -> Teacher:
        if self._teacher is None:
            self._teacher = self._start()
            self._described = self._teacher.describe()
        return self._teacher
