"""The interface of a teacher: an iterator of requests in, samples out as they finish.

A teacher pulls requests lazily and keeps as many in flight as it can, so it never drains between batches.
When the iterator ends, it finishes what is in flight; closing the generator abandons it.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

from omi_core.finish import UNCLOSED
from omi_core.records import Record, Sample

Message = dict[str, str]
Draw = Callable[[random.Random, "Request"], str]


class EngineFailed(RuntimeError):
    """The engine died or cannot be used any more, through no fault of one request. "Class: why", one line.

    `blameless`: no request in flight is to blame. `lasting`: a new engine at once would fare no better. Both
    hold of an engine that is out of memory.
    """

    blameless = lasting = False

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {' '.join(str(error).split())[:2000]}")
        if "outofmemory" in str(self).lower().replace(" ", ""):
            self.blameless = self.lasting = True


class ServerLost(EngineFailed):
    """A server has given no answer for as long as it may take."""

    blameless = lasting = True


class EngineEnded(EngineFailed):
    """A signal from outside has ended the engine, which gave up what was in flight."""

    blameless = True


class EngineNotStarted(EngineFailed):
    """A process of the engine ended while it started: a signal came, or the node or the model does not do."""

    blameless = lasting = True


@dataclass(frozen=True)
class Texts:
    """How a rehearsal draws the texts of a task: as asked for, of no use, and not even of the right form."""

    right: Draw
    wrong: Draw
    malformed: Draw


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to generate: chat messages for a record, and the sample's own seed.

    `plain`: there is one message, and the model goes on with its text as it stands, without a chat template.
    `texts` are drawn by a teacher that has no model to read the messages.
    """

    record: Record
    index: int
    messages: list[Message]
    seed: int
    texts: Texts | None = None
    plain: bool = False

    def sample(
        self,
        text: str | None,
        finish_reason: str,
        prompt_tokens: int,
        completion_tokens: int,
        seconds: float,
        reasoning: str | None = None,
        reasoning_tokens: int = 0,
    ) -> Sample:
        """The finished sample of this request; its text is None where thinking never came to an answer."""
        return Sample(
            ordinal=self.record.ordinal,
            record_id=self.record.id,
            index=self.index,
            text=text or "",
            finish_reason=finish_reason if text is not None else UNCLOSED,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            seconds=seconds,
            reasoning=reasoning,
            reasoning_tokens=reasoning_tokens,
        )

    def refused(self, error: str, prompt_tokens: int = 0) -> Sample:
        """A sample that can never be made; `error` is "Class: why"."""
        return Sample(
            self.record.ordinal, self.record.id, self.index, "", "error", prompt_tokens, 0, 0.0, error
        )


class Teacher(ABC):
    """What the generate stage needs of a model. Context manager: leaving it frees the engine.

    A kind of another package (entry points `omi.teachers`) states its `name` (that of its entry point, and
    `teacher.kind`), says in `about` what it is, and may have `options`, the schema of `teacher.NAME.*`. It is
    made with the sections teacher, engine and sampling of the config.
    """

    name: ClassVar[str] = ""
    about: ClassVar[str] = ""
    options: ClassVar[type | None] = None

    @property
    def away(self) -> float:
        """Seconds so far in which what runs the model was not to be reached."""
        return 0.0

    def __init__(self, *sections: Any) -> None:  # noqa: B027
        """Opens the engine."""

    @abstractmethod
    def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
        """Samples in the order in which they finish; each request gives exactly one.

        While none finishes it yields None now and then, so that the caller can flush what it has, or stop.
        """

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Engine and version, for the shard's manifest."""

    @abstractmethod
    def close(self) -> None:
        """Ends the engine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
