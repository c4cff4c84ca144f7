"""The generate stage: one shard feeds the teacher with its share of the missing keys and journals samples.

A shard can be stopped, killed or requeued at any moment: what its journal holds is done, the rest is
missing and will be taken on again.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from omi_core import prompts
from omi_core.config import Generate
from omi_core.records import Sample, sample_seed
from omi_core.run.attempts import Attempt
from omi_core.run.files import write_json
from omi_core.run.journal import JournalWriter
from omi_core.run.keys import iter_keys
from omi_core.run.plan import Records
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.teachers.base import Request, Teacher

# The error rate means something only after so many samples.
_ENOUGH_TO_JUDGE = 50


class TooManyErrors(RuntimeError):
    """The share of quarantined samples is over `run.max_error_rate`; the shard stopped."""


@dataclass
class ShardReport:
    """What one shard did: counts, and times in seconds from its start."""

    keys: int
    samples: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_sample: float | None = None
    last_admitted: float = 0.0
    seconds: float = 0.0
    start_up: float = 0.0
    finished: bool = False
    last_error: str | None = None
    teacher: dict[str, str] = field(default_factory=dict)

    def count(self, sample: Sample, seconds: float) -> None:
        self.samples += 1
        self.prompt_tokens += sample.prompt_tokens
        self.completion_tokens += sample.completion_tokens
        if sample.error is not None:
            self.errors += 1
            self.last_error = sample.error
        if self.first_sample is None:
            self.first_sample = seconds
        self.seconds = seconds


def run_shard(
    run: Run[Generate],
    attempt: Attempt,
    task: int,
    teacher: Teacher,
    stop: Stop,
    progress: Callable[[Sample], None],
    start_up: float = 0.0,
) -> ShardReport:
    """Generates one task's share of an attempt; returns when it is done or `stop` was asked for.

    `start_up` is what opening the teacher took, in seconds, for the shard's manifest.

    Raises:
        TooManyErrors: as its name says.
        AppendFailed: the journal cannot be written; what was flushed before is safe.
    """
    options = run.config.run
    share = attempt.share(task)
    report = ShardReport(keys=attempt.share_size(task), start_up=round(start_up, 3))
    path = run.layout.journal(attempt.number, task)
    with JournalWriter(path, options.flush_samples, flush_seconds=options.flush_seconds) as journal:
        done = {(ordinal, index) for ordinal, index in journal.keys.tolist()}
        clock = _Clock()
        keys = (key for key in iter_keys(share, run.plan.samples) if key not in done)
        with closing(teacher.generate(_requests(run, keys, stop, report, clock))) as samples:
            for sample in samples:
                if sample is None:
                    journal.flush_if_due()
                else:
                    journal.add(sample)
                    report.count(sample, clock())
                    progress(sample)
                    _refuse_errors(report, options.max_error_rate)
                if stop.overdue():
                    break  # leaving the generator abandons what is in flight
        report.finished = len(done) + report.samples == report.keys
    report.teacher = teacher.describe()
    _write_manifest(run, attempt, task, report)
    return report


class _Clock:
    """Seconds since it was made, to the millisecond."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self) -> float:
        return round(time.monotonic() - self._start, 3)


def _requests(
    run: Run[Generate], keys: Iterator[tuple[int, int]], stop: Stop, report: ShardReport, clock: _Clock
) -> Iterator[Request]:
    """Requests for the keys, in order, until `stop` is asked for."""
    prompt = run.config.prompt
    template = prompts.load(run.config.task.name, prompt.name, prompt.path, prompt.examples)
    records = Records(run.layout.records)
    record, messages = None, []
    for ordinal, index in keys:
        if stop.asked():
            return
        if record is None or record.ordinal != ordinal:
            record = records[ordinal]
            messages = template.messages(record.text)
        report.last_admitted = clock()
        yield Request(record, index, messages, sample_seed(run.config.seed, record.id, index))


def _refuse_errors(report: ShardReport, limit: float) -> None:
    if report.samples >= _ENOUGH_TO_JUDGE and report.errors > limit * report.samples:
        raise TooManyErrors(
            f"{report.errors} of {report.samples} samples are errors, more than "
            f"run.max_error_rate={limit:g}; the last: {report.last_error}"
        )


def _write_manifest(run: Run[Generate], attempt: Attempt, task: int, report: ShardReport) -> None:
    write_json(
        run.layout.shard_manifest(attempt.number, task),
        {
            "fingerprint": run.plan.fingerprint,
            "attempt": attempt.number,
            "task": task,
            "journal_bytes": run.layout.journal(attempt.number, task).stat().st_size,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            **dataclasses.asdict(report),
        },
    )
