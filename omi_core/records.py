"""Records, samples and keys: what every stage passes to the next, and how they are identified.

A *record* is one input row; a *sample* is one generation for it. `(ordinal, sample index)` is the key
under which a sample lies on disk; the record id, a content hash, is what seeds and provenance use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import orjson

from omi_core.finish import UNNEEDED

# The members of a line that are always there, in the order of the fields.
_of_record = itemgetter("ordinal", "id", "text", "expected_answer", "source")
_SAMPLE = (
    *("ordinal", "id", "sample", "text", "finish_reason", "prompt_tokens", "completion_tokens", "seconds"),
)
_of_sample = itemgetter(*_SAMPLE)


def digest128(*parts: str | bytes | int) -> str:
    """32 hex digits of BLAKE2b over length-prefixed parts, so that ("ab", "c") and ("a", "bc") differ."""
    h = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        h.update(len(raw).to_bytes(8, "little"))
        h.update(raw)
    return h.hexdigest()


def sample_seed(run_seed: int, record_id: str, index: int) -> int:
    """Seed of one sample, in [0, 2**63): no two samples share one, no position or batch matters."""
    return int(digest128("seed", run_seed, record_id, index)[:16], 16) >> 1


@dataclass(frozen=True, slots=True)
class Seen:
    """Which samples something was made of: how many, and a digest of their keys and texts, 32 hex digits."""

    samples: int
    digest: str


@dataclass(frozen=True, slots=True)
class Record:
    """One input row.

    `text` is the problem to solve, the seed problem to vary or the chunk to retell; `expected_answer` is
    the ground truth where the input has one; `source` becomes the published `problem_source`. `extra` is what
    a task needs besides, in a JSON form: the document of a chunk, the questions that lie near a problem, the
    `answers` where there are several of which any is right.
    """

    ordinal: int
    id: str
    text: str
    expected_answer: str | None
    source: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def right_answers(self) -> Sequence[str]:
        """The answers that are right: none without a ground truth, else `expected_answer` and its likes."""
        if self.expected_answer is None:
            return ()
        return self.extra.get("answers", (self.expected_answer,))

    @staticmethod
    def make(
        ordinal: int,
        text: str,
        expected_answer: str | None,
        source: str,
        extra: Mapping[str, Any] | None = None,
    ) -> Record:
        """A record whose id is the hash of its content; the ordinal stays out of it."""
        parts: list[str | bytes] = ["record", text, source]
        parts += ["1", expected_answer] if expected_answer is not None else ["0"]
        if extra:
            parts.append(orjson.dumps(extra, option=orjson.OPT_SORT_KEYS))
        return Record(ordinal, digest128(*parts), text, expected_answer, source, extra or {})

    def to_json(self) -> dict[str, Any]:
        row = {
            "ordinal": self.ordinal,
            "id": self.id,
            "text": self.text,
            "expected_answer": self.expected_answer,
            "source": self.source,
        }
        return row | {"extra": dict(self.extra)} if self.extra else row

    @staticmethod
    def from_json(row: dict[str, Any]) -> Record:
        return Record(*_of_record(row), extra=row.get("extra", {}))


@dataclass(slots=True)
class Sample:
    """One generation, as the teacher returned it; never changed, though not frozen: making one would take
    three times as long.

    `finish_reason` is "stop" (end of text or a stop string), "length" (a token limit), "unclosed" (thinking
    that never came to an answer, whatever ended it) or "error"; with "error" the key is settled but
    quarantined, and `error` says why in one line. `seconds` is wall time from admission to the last token.
    `text` is the answer alone; what was thought before it is `reasoning`, None without thinking.
    `completion_tokens` are those of both, `reasoning_tokens` those up to the answer (0: not counted).
    """

    ordinal: int
    record_id: str
    index: int
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    error: str | None = None
    reasoning: str | None = None
    reasoning_tokens: int = 0

    @property
    def drawn(self) -> bool:
        """Whether it is a sample at all, not only the word that its record has enough without it."""
        return self.finish_reason != UNNEEDED

    def to_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "ordinal": self.ordinal,
            "id": self.record_id,
            "sample": self.index,
            "text": self.text,
            "finish_reason": self.finish_reason,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "seconds": round(self.seconds, 4),
        }
        if self.error is not None:
            row["error"] = self.error
        if self.reasoning is not None:
            row |= {"reasoning": self.reasoning, "reasoning_tokens": self.reasoning_tokens}
        return row

    @staticmethod
    def from_json(row: dict[str, Any]) -> Sample:
        if len(row) == len(_SAMPLE):  # most have no more
            return Sample(*_of_sample(row))
        return Sample(
            *_of_sample(row),
            error=row.get("error"),
            reasoning=row.get("reasoning"),
            reasoning_tokens=row.get("reasoning_tokens", 0),
        )


@dataclass(slots=True)
class Candidate:
    """A sample on its way to the dataset: filters may rewrite `solution` or drop it.

    `solution` is what was generated, whatever the task, and `problem` the text it was generated from.
    `answer` is the final answer extracted from the solution; `expected_answer` is the ground truth or,
    without one, the majority answer; both are of solutions only. `completion_tokens` are those of the
    solution alone, without `reasoning`. `score` is a reward model's, where there are such.
    """

    problem: str
    solution: str
    answer: str | None
    expected_answer: str
    source: str
    finish_reason: str
    record_id: str
    index: int
    completion_tokens: int
    reasoning: str | None = None
    reasoning_tokens: int = 0
    score: float | None = None
