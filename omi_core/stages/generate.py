"""The generate stage: one shard feeds the teacher with its share of the missing keys and journals samples.

A shard can be stopped, killed or requeued at any moment: what its journal holds is done, the rest is
missing and will be taken on again.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from omi_core.config import Generate
from omi_core.finish import UNNEEDED
from omi_core.records import Record, Sample
from omi_core.stages.repeats import repeat_samples
from omi_core.stages.rounds import InOrder, Rounds, Wanted
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.stages.timeline import Timeline
from omi_core.store.attempts import Attempt
from omi_core.store.files import write_json
from omi_core.store.flight import Flight, begun_so_far, crash_counts, forget_kills
from omi_core.store.journal import JournalWriter, read_samples
from omi_core.store.keys import iter_keys
from omi_core.store.manifests import before, read_manifest
from omi_core.store.plan import Records
from omi_core.tasks import task_of
from omi_core.tasks.prompting import Prompting
from omi_core.teachers.teacher import EngineFailed, Request, Teacher

# The error rate means something only after this many samples.
_ENOUGH_TO_JUDGE = 50
_HEAR_SECONDS = 0.5


class TooManyErrors(RuntimeError):
    """The share of quarantined samples is over `run.max_error_rate`; the shard stopped."""


@dataclass
class ShardReport:
    """What one shard did: counts, and times in seconds since `started`, when the teacher stood ready.

    `unneeded` counts the keys for which no sample was made, for their records had enough. `away` is how many
    of these seconds its server was not to be reached. `begun` counts the samples that the teacher got, in all
    sessions of the shard, and `samples` those that came back in this one.
    """

    keys: int
    samples: int = 0
    begun: int = 0
    unneeded: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    started: float = 0.0
    first_sample: float | None = None
    last_admitted: float = 0.0
    seconds: float = 0.0
    start_up: float = 0.0
    restarts: int = 0
    away: float = 0.0
    finished: bool = False
    last_error: str | None = None
    teacher: dict[str, str] = field(default_factory=dict)
    timeline: Timeline = field(default_factory=Timeline)

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
        self.timeline.add(seconds, self.samples)


def run_shard(
    run: Run[Generate],
    attempt: Attempt,
    task: int,
    teacher: Teacher,
    stop: Stop,
    progress: Callable[[Sample], None],
    start_up: float = 0.0,
    lock_wait: float = 0.0,
) -> ShardReport:
    """Generates one task's share of an attempt; returns when it is done or `stop` was asked for.

    `teacher` starts a new engine when it is used again after EngineFailed, as `RestartingTeacher` does.
    `start_up` is what opening it took, in seconds, for the shard's manifest. `lock_wait` is how many seconds
    it waits for another writer of its journal to end.

    Raises:
        LockTaken: the journal still has another writer.
        EngineFailed: `engine.restarts` new engines have failed, or two in a row without a sample, or one
            for want of memory or of a server.
        TooManyErrors: as its name says.
        AppendFailed: the journal cannot be written; what was flushed before is safe.
    """
    options = run.config.run
    report = ShardReport(keys=attempt.share_size(task), start_up=round(start_up, 3))
    path = run.layout.journal(attempt.number, task)
    with JournalWriter(
        path,
        options.flush_samples,
        flush_seconds=options.flush_seconds,
        wait=lock_wait,
        waiting=_say_once(lambda: not stop.asked()),
    ) as journal:
        report.begun = _begun_before(run, attempt, task)
        forget_kills(run.layout.generate, f"{attempt.number:04d}-{task:05d}.")
        there = len(journal.keys)
        with ExitStack() as stack:
            settling = task_of(run.config).settling(run.config) if run.whole > 1 else None
            wanted = None if settling is None else stack.enter_context(settling).wanted
            _Shard(run, attempt, task, teacher, stop, progress, journal, report, wanted).generate_all()
        report.finished = there + report.samples + report.unneeded == report.keys
    report.teacher, report.away = teacher.describe(), round(teacher.away, 3)
    manifest = _write_manifest(run, attempt, task, report)
    if report.finished and not stop.asked():
        if (repeats := repeat_samples(run, attempt, task, teacher, stop)) is not None:
            write_json(run.layout.shard_manifest(attempt.number, task), manifest | {"repeats": repeats})
    return report


@dataclass
class _Shard:
    """A shard at work: flights of samples, until none is missing."""

    run: Run[Generate]
    attempt: Attempt
    task: int
    teacher: Teacher
    stop: Stop
    progress: Callable[[Sample], None]
    journal: JournalWriter
    report: ShardReport
    wanted: Wanted | None

    def __post_init__(self) -> None:
        self.report.started, self._began = round(time.time(), 3), time.monotonic()

    def _clock(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def generate_all(self) -> None:
        """Every sample that the journal does not hold, with as many engines as that takes."""
        since_start = self.report.samples
        fruitless = 0
        while True:
            try:
                for keys in self._flights():
                    self._fly(keys)
                    self.journal.flush()  # a suspect that comes next may take the process with it
                    if self.stop.asked():
                        break
                return
            except EngineFailed as error:
                self.journal.flush()
                fruitless = fruitless + 1 if self.report.samples == since_start else 0
                since_start = self.report.samples
                if self.stop.asked():
                    return  # what ends this process has ended its engine first
                # An engine that never gets to a sample is not stopped by one: the node or the model is.
                hopeless = fruitless > 1 or error.lasting
                if hopeless or self.report.restarts >= self.run.config.engine.restarts:
                    raise
                self.report.restarts += 1
                print(f"{error}; starting the engine again", file=sys.stderr, flush=True)

    def _flights(self) -> Iterator[InOrder]:
        """Keys that may be in flight together: all that no crash has seen, then the others, by record."""
        share = iter_keys(self.attempt.share(self.task), self.run.plan.samples)
        missing = (key for key in share if key not in self.journal)
        counts, words = crash_counts(self.run.layout.generate)
        if not counts:
            yield self._paced(missing, range(self.run.plan.records))
            return
        crowd: list[tuple[int, int]] = []
        suspects: dict[int, list[tuple[int, int]]] = {}
        for ordinal, index in missing:
            if counts[ordinal] >= self.run.config.run.max_crashes:
                self._quarantine(ordinal, index, counts[ordinal], words[ordinal])
            elif counts[ordinal]:
                suspects.setdefault(ordinal, []).append((ordinal, index))
            else:
                crowd.append((ordinal, index))
        # The most suspect last: the others are then done, whatever it does.
        alone = [suspects[ordinal] for ordinal in sorted(suspects, key=lambda each: counts[each])]
        for keys in filter(None, [crowd, *alone]):
            yield self._paced(keys, range(keys[0][0], keys[-1][0] + 1))

    def _paced(self, keys: Iterable[tuple[int, int]], ordinals: range) -> InOrder:
        """The keys, of records in this range, as they are taken on: in order, or in rounds."""
        if self.wanted is None:
            return InOrder(keys)
        layout, samples, share = self.run.layout, self.run.plan.samples, self.attempt.share(self.task)
        if len(share):
            first, last = int(share[0, 0]) // samples, int(share[-1, 1] - 1) // samples
            ordinals = range(max(first, ordinals.start), min(last + 1, ordinals.stop))
        # What tasks at its side write is of other records.
        own, earlier = layout.journal(self.attempt.number, self.task), layout.journal(self.attempt.number, 0)
        journals = [path for path in layout.journals() if path == own or path.name < earlier.name]
        return Rounds(
            keys,
            samples,
            self.run.config.adaptive,
            self.wanted,
            Records(layout.records).__getitem__,
            read_samples(journals, ordinals.start, ordinals.stop),
            self._settle,
        )

    def _settle(self, record: Record, indexes: list[int]) -> None:
        """Writes down that a record has samples enough without these."""
        for index in indexes:
            sample = Sample(record.ordinal, record.id, index, "", UNNEEDED, 0, 0, 0.0)
            self.journal.add(sample)
            self.report.unneeded += 1
            self.progress(sample)

    def _fly(self, keys: InOrder) -> None:
        """Generates samples for these keys, and keeps on disk which records are in flight."""
        stem = self.run.layout.flight(self.attempt.number, self.task)
        with closing(Flight(stem, self.report.begun)) as flight, _last_words(flight.words_fd):
            try:
                self._generate(keys, flight)
                while keys.waiting and not self.stop.asked():  # a teacher may take an end for the last one
                    self._generate(keys, flight)
            except EngineFailed as error:
                # Out of memory is no single record's fault. A signal to stop often comes to every process
                # of a job: the engine may have ended of it before this one hears of it.
                if not (self.stop.comes(_HEAR_SECONDS) or error.blameless):
                    flight.crashed(str(error))
                raise
            finally:
                self.report.begun = flight.begun

    def _generate(self, keys: InOrder, flight: Flight) -> None:
        requests = _Requests(self.run, keys, flight, self.stop, self._admit)
        with closing(self.teacher.generate(requests)) as finished:
            for sample in finished:
                if sample is None:
                    self.journal.flush_if_due()
                else:
                    self._add(sample)
                    flight.land(sample.ordinal)
                    keys.landed(sample)
                if self.stop.overdue():
                    break  # leaving the generator abandons what is in flight

    def _admit(self) -> None:
        self.report.last_admitted = self._clock()

    def _add(self, sample: Sample) -> None:
        self.journal.add(sample)
        self.report.count(sample, self._clock())
        self.progress(sample)
        report, limit = self.report, self.run.config.run.max_error_rate
        if report.samples >= _ENOUGH_TO_JUDGE and report.errors > limit * report.samples:
            raise TooManyErrors(
                f"{report.errors} of {report.samples} samples are errors, more than "
                f"run.max_error_rate={limit:g}; the last: {report.last_error}"
            )

    def _quarantine(self, ordinal: int, index: int, crashes: int, words: str) -> None:
        record = Records(self.run.layout.records)[ordinal]
        error = f"EngineFailed: the engine crashed {crashes} times with it in flight, the last time: {words}"
        self._add(Sample(ordinal, record.id, index, "", "error", 0, 0, 0.0, error))


class _Requests(Iterator[Request]):
    """Requests for the keys, in order, until `stop` is asked for."""

    def __init__(
        self, run: Run[Generate], keys: InOrder, flight: Flight, stop: Stop, admit: Callable[[], None]
    ) -> None:
        self._prompting, self._records = Prompting(run.config), Records(run.layout.records)
        self._keys, self._flight, self._stop, self._admit = keys, flight, stop, admit
        self._record: Record | None = None

    def __next__(self) -> Request:
        if self._stop.asked():
            raise StopIteration
        ordinal, index = next(self._keys)
        record = self._record
        if record is None or record.ordinal != ordinal:
            record = self._record = self._records[ordinal]
        self._admit()
        self._flight.take_off(ordinal)
        return self._prompting.request(record, index)


def _begun_before(run: Run[Generate], attempt: Attempt, task: int) -> int:
    """Samples that earlier sessions of a shard have begun, whether they ended by themselves or not."""
    prefix = f"{attempt.number:04d}-{task:05d}."
    killed = begun_so_far(run.layout.generate, prefix).get((attempt.number, task), 0)
    last = read_manifest(run.layout.shard_manifest(attempt.number, task)) or {}
    return max(killed, last.get("begun", 0))


def _say_once(go_on: Callable[[], bool]) -> Callable[[str], bool]:
    """For whoever waits for a lock: says at first whose it is, and waits while `go_on` says so."""
    said: list[str] = []

    def waiting(words: str) -> bool:
        if not said:
            said.append(words)
            print(f"{words}; waiting for it", file=sys.stderr, flush=True)
        return go_on()

    return waiting


@contextmanager
def _last_words(fd: int) -> Iterator[None]:
    """While inside, a native crash of this process (SIGSEGV, SIGABRT, …) leaves its traceback in `fd`."""
    before = faulthandler.is_enabled()
    faulthandler.enable(fd, all_threads=False)
    try:
        yield
    finally:
        faulthandler.disable()
        if before and sys.__stderr__ is not None:
            faulthandler.enable(sys.__stderr__)


def _write_manifest(run: Run[Generate], attempt: Attempt, task: int, report: ShardReport) -> dict[str, Any]:
    path = run.layout.shard_manifest(attempt.number, task)
    manifest = {
        "fingerprint": run.plan.fingerprint,
        "attempt": attempt.number,
        "task": task,
        "journal_bytes": run.layout.journal(attempt.number, task).stat().st_size,
        "host": socket.gethostname(),
        "node": os.environ.get("SLURMD_NODENAME"),
        "gpus": [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name],
        "pid": os.getpid(),
        **dataclasses.asdict(report),
        "timeline": report.timeline.as_json(),
        "before": before(read_manifest(path)),
    }
    write_json(path, manifest)
    return manifest
