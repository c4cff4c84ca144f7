"""The rows of a stage as tokens, checked and written once, for any number of processes to read.

They lie in one Arrow file, in the order of the rows, beside a manifest with what was counted. It is written
under another name and renamed, so that it is whole or not there.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from omi_core.combine.sources import Source
from omi_core.inputs import BadRow, Row, Skipped
from omi_core.options import ConfigError
from omi_core.prompts import Template
from omi_core.stages.progress import LINE_SECONDS
from omi_core.store.files import read_json, replacing, write_json
from omi_core.teachers.chat_prompt import TemplateFailed
from omi_core.training.preference_rendering import (
    PREFERENCES,
    PreferenceRendering,
    holds_preferences,
    open_scoring_tokenizer,
)
from omi_core.training.rendering import EMPTY, NO_LOSS, Example, Rendering, open_tokenizer
from omi_core.training.train_options import Student, Training

_REPLIES = ("messages", "problem", "generated_solution", "reasoning")
TEMPLATE_FAILED = "template_failed"
_CHUNK = 4096  # rows that a process renders at once
_QUEUED = 3  # chunks that wait, for each process


@dataclass
class Counts:
    """What became of the rows of a stage. `tokens` are all of them, `trained` those with a loss.

    Of preference data `responses` are counted, and `longest` is the longest one.
    """

    read: int = 0
    rows: int = 0
    cut: int = 0
    tokens: int = 0
    trained: int = 0
    longest: int = 0
    responses: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    failure: str | None = None
    digest: str = ""

    def words(self) -> str:
        """For people, in a line."""
        told = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in sorted(self.left_out.items())]
        out = f"; left out: {', '.join(told)}" if told else ""
        cut = f", {self.cut:,} cut off" if self.cut else ""
        taken = f"{self.read:,} rows, {self.rows:,} taken{cut}{out}; {self.tokens:,} tokens"
        if self.responses:
            return f"{taken} in {self.responses:,} responses, of which the longest has {self.longest:,}"
        return f"{taken}, of which {self.trained:,} have a loss; the longest row has {self.longest:,}"


@dataclass(frozen=True)
class RenderWork:
    """What a process that renders has to know; `template` is None where rows stand as they are."""

    student: Student
    template: Template | None
    stage: Training


def count_examples(source: Source, work: RenderWork, on_bad_row: str, limit: int | None = None) -> Counts:
    """What would become of the rows, or of the first `limit`.

    Raises:
        ConfigError: none can be taken, or as `Source.rows`.
    """
    counts = Counts()
    for _ in _examples(source, work, on_bad_row, counts, limit):
        pass
    return _checked(source, counts, work.stage)


def write_examples(path: Path, source: Source, work: RenderWork, on_bad_row: str) -> Counts:
    """Writes the examples of a source to `path`, unless they are there; what was counted.

    Raises:
        ConfigError: as `count_examples`.
        InputDamaged: a published dataset is not what it was.
    """
    manifest = path.with_suffix(".json")
    if (found := read_counts(path)) is not None:
        return found
    import pyarrow as pa

    tokens = pa.large_list(pa.int32())
    schema = pa.schema([("input_ids", tokens), ("labels", tokens)])
    counts = Counts()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file, pa.ipc.new_stream(file, schema) as out:
        examples = _examples(source, work, on_bad_row, counts)
        while some := list(islice(examples, _CHUNK)):
            columns = {"input_ids": [each.tokens for each in some], "labels": [each.labels for each in some]}
            out.write_batch(pa.record_batch(columns, schema=schema))
        _checked(source, counts, work.stage)
    write_json(manifest, asdict(counts) | {"size": path.stat().st_size})
    return counts


def read_counts(path: Path) -> Counts | None:
    """What was counted of the examples at `path`; None where they are not there, or not whole."""
    try:
        manifest = read_json(path.with_suffix(".json"))
        return Counts(**manifest) if manifest.pop("size") == path.stat().st_size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checked(source: Source, counts: Counts, stage: Training) -> Counts:
    if not counts.rows:
        why = f" ({counts.failure})" if counts.failure else ""
        limit = f"; training.max_length={stage.max_length}" if "too_long" in counts.left_out else ""
        raise ConfigError(f"data: {source.name}: no row can be trained on: {counts.words()}{why}{limit}")
    return counts


def _examples(
    source: Source, work: RenderWork, on_bad_row: str, counts: Counts, limit: int | None = None
) -> Iterator[Example]:
    """The examples in the order of their rows; `counts` is kept up."""
    digest, left_out = hashlib.blake2b(digest_size=16), Counter[str]()
    skipped = Skipped(on_bad_row, "on_bad_row")
    told = time.monotonic()
    for made in _rendered(islice(_rows(source, skipped, work.stage), limit), work):
        for each in made:
            counts.read += 1
            if isinstance(each, str):
                reason, _, said = each.partition(": ")
                left_out[reason] += 1
                counts.failure = counts.failure or said or None
                continue
            counts.rows += 1
            counts.cut += each.cut
            counts.tokens += len(each.tokens)
            counts.trained += len(each.tokens) - each.labels.count(NO_LOSS)
            lengths = _lengths_of_responses(each) if work.stage.scores_responses else []
            counts.responses += len(lengths)
            counts.longest = max(counts.longest, *(lengths or [len(each.tokens)]))
            digest.update(np.asarray([len(each.tokens), *each.tokens, *each.labels], "<i4").tobytes())
            yield each
        if time.monotonic() - told > LINE_SECONDS:
            told = time.monotonic()
            print(f"examples: {counts.read:,} rows read", file=sys.stderr, flush=True)
    counts.read += sum(skipped.counts.values())
    counts.left_out = dict(left_out + Counter(skipped.counts))
    counts.digest = digest.hexdigest()


def _lengths_of_responses(example: Example) -> list[int]:
    ends = [at + 1 for at, label in enumerate(example.labels) if label != NO_LOSS]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def refusal(columns: Sequence[str], stage: Training) -> str | None:
    """Why rows of these columns are not what the stage learns from, and what to do; None when they are."""
    has = ", ".join(map(str, columns[:12])) or "none"
    if stage.scores_responses:
        wanted = "problem, responses and right; messages and right; or prompt, chosen and rejected"
        return None if holds_preferences(columns) else f"is no preference data: {wanted}; it has {has}"
    if "messages" in columns and not ("right" in columns and holds_preferences(columns)):
        return None
    if {"problem", "generated_solution"} <= set(columns):
        return None
    if holds_preferences(columns):
        return "is preference data, right and wrong responses; give training=acemath_rm, or other data"
    return f"has neither messages nor problem and generated_solution; it has {has}"


def _rows(source: Source, skipped: Skipped, stage: Training) -> Iterator[Row]:
    for where, row in source.rows(PREFERENCES if stage.scores_responses else _REPLIES, (), skipped.bad):
        if (why := refusal(list(row), stage)) is not None:
            skipped.bad(BadRow(EMPTY, where, f"data: {where} {why}"))
        else:
            yield row


def _rendered(rows: Iterator[Row], work: RenderWork) -> Iterator[list[Example | str]]:
    """Chunks of examples, in order; by several processes where there are many rows."""
    first = list(islice(rows, _CHUNK))
    second = list(islice(rows, _CHUNK))
    cores = len(os.sched_getaffinity(0))
    render = _renderer(work)
    yield _render(first, render)
    if not second:
        return
    if cores == 1:
        yield _render(second, render)
        while some := list(islice(rows, _CHUNK)):
            yield _render(some, render)
        return
    with ProcessPoolExecutor(cores, get_context("spawn"), _begin, (work,)) as pool:
        waiting = deque([pool.submit(_render_there, second)])
        for some in iter(partial(lambda: list(islice(rows, _CHUNK))), []):
            waiting.append(pool.submit(_render_there, some))
            if len(waiting) > _QUEUED * cores:
                yield waiting.popleft().result()
        for each in waiting:
            yield each.result()


def tokenizer_of(student: Student, stage: Training) -> Any:
    """The student's tokenizer as a stage needs it. Raises ConfigError as `open_tokenizer`."""
    return open_scoring_tokenizer(student) if stage.scores_responses else open_tokenizer(student)


def _renderer(work: RenderWork) -> Rendering | PreferenceRendering:
    rendering = PreferenceRendering if work.stage.scores_responses else Rendering
    return rendering(tokenizer_of(work.student, work.stage), work.template, work.stage)


_own: dict[str, Any] = {}


def _begin(work: RenderWork) -> None:
    """Makes a process ready to render."""
    _own["render"] = _renderer(work)


def _render_there(rows: Sequence[Row]) -> list[Example | str]:
    return _render(rows, _own["render"])


def _render(rows: Sequence[Row], render: Rendering | PreferenceRendering) -> list[Example | str]:
    made: list[Example | str] = []
    for row in rows:
        try:
            made.append(render.example(row))
        except TemplateFailed as error:
            made.append(f"{TEMPLATE_FAILED}: {error}")
    return made
