"""Runs of `task=solutions` as a real teacher leaves them: planned, with all journals, ready for reduce.

    python -m tests.bench.synthesise build/run --kind math --samples 100000
    python -m tests.bench.synthesise build/run --samples 14000000 --per-problem 32 --data ../shared/data

Problems and answers are those of `--data` (the folder holds `gsm8k/`, `math/` and `real_samples/`), and where
that is not there those of the demo's world; more problems than there are get a number behind their text. The
run is planned by the product. Its journals are written by several processes: a first attempt, of whose
journals each lacks its last keys and every third has a torn tail; and a second one with what is missing,
which also repeats some of the first one's keys with other texts. Samples come out of order by as much as an
engine has in flight. Nothing is missing in the end: `reduce` runs on it, and `jobs.generate` with the same
options would begin there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import orjson

from omi_core.config import Generate
from omi_core.records import Sample
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.store import ledger
from omi_core.store.attempts import Attempt, new_attempt, read_attempt
from omi_core.store.index import contents
from omi_core.store.journal import JournalWriter
from omi_core.store.keys import count_keys, iter_keys
from omi_core.store.plan import Records
from tests.bench.solutions import KINDS, SampleTexts, Source, sources

KEYS_PER_TASK = 250_000
IN_FLIGHT = 256
NOT_WRITTEN = 1 / 500
REPEATED = 1 / 200
REFUSED = 1 / 2000
_SOURCES: dict[tuple[str, Path | None], list[Source]] = {}


@dataclass(frozen=True)
class Made:
    """The run, the samples in its journals (repeated keys counted again), and their bytes of text."""

    run: Run[Generate]
    written: int
    text_bytes: int


@dataclass(frozen=True)
class _Share:
    """What one process writes: a task of an attempt, with everything it takes to draw its samples."""

    run: Run[Generate]
    kind: str
    data: Path | None
    attempt: int
    task: int


def synthesise(
    root: Path,
    kind: str,
    samples: int,
    per_problem: int = 64,
    data: Path | None = None,
    tokenizer: str | None = None,
    processes: int = 2,
) -> Made:
    """A complete run in `root` with about `samples` samples of `kind`, a whole number of problems."""
    run = _planned(root, kind, max(1, samples // per_problem), per_problem, data, tokenizer)
    written = size = 0
    tasks = max(4, run.plan.keys // KEYS_PER_TASK)
    with get_context("spawn").Pool(processes) as pool:
        for ranges in (np.array([[0, run.plan.keys]]), None):
            ranges = gate.missing(run) if ranges is None else ranges
            attempt = new_attempt(run.layout, ranges, tasks if not written else max(1, tasks // 4))
            entry = {"stage": "generate", "attempt": attempt.number, "tasks": attempt.tasks}
            ledger.append(run.layout.ledger, {**entry, "keys": attempt.keys})
            shares = [_Share(run, kind, data, attempt.number, task) for task in range(attempt.tasks)]
            for count, text in pool.imap_unordered(_write, shares, chunksize=1):
                written, size = written + count, size + text
    if left := count_keys(gate.missing(run)):
        raise RuntimeError(f"{run.layout.root}: {left} samples are missing of what was to be whole")
    return Made(run, written, size)


def _planned(
    root: Path, kind: str, problems: int, per_problem: int, data: Path | None, tokenizer: str | None
) -> Run[Generate]:
    path = root.with_name(f"{root.name}.problems.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    known = _sources(kind, data)
    with path.open("wb") as out:
        for number in range(problems):
            again, at = divmod(number, len(known))
            text = known[at].problem + (f" (Case {again}.)" if again else "")
            row = {"problem": text, "answer": known[at].answer, "source": f"{kind}-{number}"}
            out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    config = Generate(samples=per_problem)
    config.data.name, config.data.origin, config.data.path = kind, "file", str(path.absolute())
    config.data.answer, config.data.source = "answer", "from:source"
    config.teacher.kind = "rehearsal"
    config.filters.tokenizer = tokenizer
    config.run.dir = str(root.absolute())
    return plan_generate(config)


def _sources(kind: str, data: Path | None) -> list[Source]:
    """Read once per process."""
    if (kind, data) not in _SOURCES:
        _SOURCES[kind, data] = sources(kind, data)
    return _SOURCES[kind, data]


def _write(share: _Share) -> tuple[int, int]:
    """Writes the journal of a task; returns the samples and the bytes of text in it."""
    run, known = share.run, _sources(share.kind, share.data)
    attempt = read_attempt(run.layout, share.attempt)
    rng = random.Random(f"{share.attempt}, {share.task}")
    keys = _keys(run, attempt, share.task, rng)
    records, drawing = Records(run.layout.records), _Drawing(share.kind, known)
    size = 0
    path = run.layout.journal(share.attempt, share.task)
    with JournalWriter(path) as journal:
        for ordinal, index in keys:
            held = drawing.held.get(ordinal)
            record_id, texts = held if held else drawing.hold(records[ordinal].id, ordinal, records)
            if rng.random() < REFUSED:
                error = "PromptTooLong: 9000 tokens, the teacher's context has 8192"
                journal.add(Sample(ordinal, record_id, index, "", "error", 9000, 0, 0.0, error))
                continue
            text, finish = texts.draw(rng)
            size += len(text)
            journal.add(
                Sample(ordinal, record_id, index, text, finish, 300, len(text) // 3, 20 * rng.random())
            )
    if share.attempt == 1 and share.task % 3 == 0:
        _tear(path)
    return len(keys), size


class _Drawing:
    """The texts of the records at work; a record is forgotten when many others have come after it."""

    def __init__(self, kind: str, known: list[Source]) -> None:
        self._kind, self._known = kind, known
        self.held: dict[int, tuple[str, SampleTexts]] = {}

    def hold(self, record_id: str, ordinal: int, records: Records) -> tuple[str, SampleTexts]:
        number = int(records[ordinal].source.rpartition("-")[2])
        source = self._known[number % len(self._known)]
        if len(self.held) > 2 * IN_FLIGHT:
            del self.held[next(iter(self.held))]
        self.held[ordinal] = record_id, SampleTexts(self._kind, source, record_id)
        return self.held[ordinal]


def _keys(run: Run, attempt: Attempt, task: int, rng: random.Random) -> list[tuple[int, int]]:
    """The keys of a task in the order in which they end; a later attempt repeats some of the first one's."""
    keys = list(iter_keys(attempt.share(task), run.plan.samples))
    if attempt.number == 1:
        order = sorted(range(len(keys)), key=lambda at: at + rng.random() * IN_FLIGHT)
        return [keys[at] for at in order[: len(keys) - max(1, int(len(keys) * NOT_WRITTEN))]]
    part = run.plan.keys // attempt.tasks
    repeated = rng.sample(range(task * part, (task + 1) * part), int(part * REPEATED))
    return sorted({*keys, *(divmod(key, run.plan.samples) for key in repeated)})


def _tear(path: Path) -> None:
    """A frame that was being written: the first half of one, behind the last whole one."""
    frame = contents(path).frames[0]
    with path.open("r+b") as file:
        half = os.pread(file.fileno(), frame.length // 2, frame.offset)
        file.seek(0, os.SEEK_END)
        file.write(half)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="the run directory to make")
    parser.add_argument("--kind", choices=KINDS, default="gsm8k")
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--per-problem", type=int, default=64, help="samples per problem, 32 to 512")
    parser.add_argument("--data", type=Path, help="folder with real problems; without: the demo's world")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.data is None or not options.data.is_dir():
        print(f"no folder {options.data}: problems and answers are those of the demo's world")
    began = time.perf_counter()
    made = synthesise(
        options.root,
        options.kind,
        options.samples,
        options.per_problem,
        options.data,
        processes=options.processes,
    )
    size = sum(path.stat().st_size for path in made.run.layout.generate.iterdir())
    seconds = time.perf_counter() - began
    print(
        f"{made.run.layout.root}: {made.run.plan.records} records x {made.run.plan.samples} samples, "
        f"{made.written} written, {made.text_bytes / made.written:.0f} bytes of text each, "
        f"{size / 1e6:.0f} MB of journals, {seconds:.0f} s"
    )
    result = {"records": made.run.plan.records, "keys": made.run.plan.keys, "written": made.written}
    print(json.dumps({**result, "text_bytes": made.text_bytes, "journal_bytes": size, "seconds": seconds}))


if __name__ == "__main__":
    sys.exit(main())
