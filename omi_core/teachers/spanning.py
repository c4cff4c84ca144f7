"""A teacher that spans nodes, as rank 0 drives it: a lost rank is told from a failed engine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from omi_core.options import ConfigError
from omi_core.records import Sample
from omi_core.teachers.ranks import Lead
from omi_core.teachers.teacher import EngineFailed, Request, Teacher

# How long after an engine failed the loss of another rank may be heard of.
_HEAR_SECONDS = 5.0


class SpanningTeacher(Teacher):
    """Passes everything on to the teacher that `start` makes, and raises RankLost when another rank is gone.

    That is not EngineFailed: no request is to blame, and no new engine can be started without the rank.
    """

    def __init__(self, start: Callable[[], Teacher], lead: Lead) -> None:
        self._lead = lead
        try:
            self._teacher = start()
        except ConfigError:
            raise
        except Exception as error:
            if (lost := lead.lost(_HEAR_SECONDS)) is not None:
                raise lost from error
            raise

    def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
        """As `Teacher.generate`. Raises RankLost."""
        try:
            for sample in self._teacher.generate(requests):
                if (lost := self._lead.lost()) is not None:
                    raise lost
                yield sample
        except EngineFailed as error:
            if (lost := self._lead.lost(_HEAR_SECONDS)) is not None:
                raise lost from error
            raise

    def describe(self) -> dict[str, str]:
        return self._teacher.describe()

    def close(self) -> None:
        self._lead.end()  # first: the end of the engine here may wait for the other ranks'
        self._teacher.close()
