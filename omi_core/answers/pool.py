r"""A few worker processes behind one call: pairs of formulas in, verdicts out, and no pair can hold up or
take down the rest.

`Pool.judge(pairs)` keeps every worker busy with one pair at a time. A pair that uses up its CPU time, or that
kills or exhausts a fresh worker, is UNKNOWN. A pair whose worker dies otherwise (out of memory after many
pairs, killed from outside, past the wall-clock backstop) is tried once more on a fresh worker, so that its
verdict does not depend on what ran before it. Workers are plain subprocesses, not forks, so threads and CUDA
in the parent do no harm; they end with the parent, whatever ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omi_core.answers.algebra import Atom, Fractional, Poly
from omi_core.answers.policy import Verdict

_VERDICTS = {
    "equal": Verdict.EQUAL,
    "not_equal": Verdict.NOT_EQUAL,
    "open": Verdict.UNKNOWN,
    "error": Verdict.UNKNOWN,
}
_START_TRIES = 3
Pair = tuple[list[Any], list[Any]]


class WorkerError(RuntimeError):
    """Workers do not start: sympy is not installed, or no memory for it."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one pair may use: CPU seconds; wall seconds as a backstop; bytes of address space; pairs per
    worker.

    `start_seconds` bounds the imports, which take minutes on a cold network file system.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 60.0
    memory_bytes: int = 1 << 30
    pairs_per_worker: int = 4000
    start_seconds: float = 600.0


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    deadline: float
    ready: bool = False
    done: int = 0
    job: int | None = None
    buffer: bytes = b""


@dataclass(slots=True)
class _Batch:
    """Pairs under way: what is still to be sent, what is settled, and what needs a second try."""

    pairs: Sequence[Pair]
    waiting: deque[int]
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    unsettled: list[int] = field(default_factory=list)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)


@dataclass(slots=True)
class Pool:
    """`size` workers at most, started when first needed. Not for use from two threads at once."""

    size: int
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    _workers: list[_Worker] = field(default_factory=list)
    _failed_starts: int = 0

    def judge(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """One verdict per pair, in order. Raises WorkerError if workers cannot be started at all."""
        batch = _Batch(pairs, deque(range(len(pairs))))
        try:
            self._run(batch)
            for job in batch.unsettled[:]:
                self.close()  # a second try gets a worker that nothing ran on
                self._run(second := _Batch(pairs, deque([job])))
                batch.verdicts.update(second.verdicts)
        except BaseException:
            self.close()  # late replies to this batch must not meet the next one
            raise
        return [batch.verdicts.get(job, Verdict.UNKNOWN) for job in range(len(pairs))]

    def close(self) -> None:
        """End all workers at once. The pool can be used again and then starts new ones."""
        for worker in self._workers:
            self._end(worker)
        self._workers.clear()

    def _run(self, batch: _Batch) -> None:
        with batch.selector:
            for worker in self._workers:
                self._watch(batch, worker)
            while True:
                busy = sum(worker.job is not None for worker in self._workers)
                if not batch.waiting and not busy:
                    return
                while len(self._workers) < min(self.size, len(batch.waiting) + busy):
                    self._watch(batch, self._start())
                for worker in self._workers:
                    if worker.ready and worker.job is None and batch.waiting:
                        self._send(batch, worker, batch.waiting.popleft())
                timeout = min(worker.deadline for worker in self._workers) - time.monotonic()
                events = batch.selector.select(None if timeout == float("inf") else max(0.0, timeout))
                for key, _ in events:
                    self._receive(batch, key.data)
                if not events:  # nothing to read anywhere, so whoever is past its deadline is late
                    for worker in [w for w in self._workers if w.deadline < time.monotonic()]:
                        self._lost(batch, worker)

    def _start(self) -> _Worker:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # The hash seed decides orderings inside sympy; fixed, so that verdicts repeat.
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        worker = _Worker(process, time.monotonic() + self.limits.start_seconds)
        self._workers.append(worker)
        _write(worker, {"cpu_seconds": self.limits.cpu_seconds, "memory_bytes": self.limits.memory_bytes})
        return worker

    def _watch(self, batch: _Batch, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        batch.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)

    def _send(self, batch: _Batch, worker: _Worker, job: int) -> None:
        worker.job = job
        worker.deadline = time.monotonic() + self.limits.wall_seconds
        _write(worker, batch.pairs[job])

    def _receive(self, batch: _Batch, worker: _Worker) -> None:
        """Take what the worker wrote; at the end of its output, bury it."""
        assert worker.process.stdout is not None
        data = os.read(worker.process.stdout.fileno(), 4096)
        if not data:
            self._lost(batch, worker)
            return
        worker.buffer += data
        *lines, worker.buffer = worker.buffer.split(b"\n")
        for line in lines:
            self._reply(batch, worker, json.loads(line))

    def _reply(self, batch: _Batch, worker: _Worker, outcome: str) -> None:
        if outcome == "ready":
            worker.ready, worker.deadline, self._failed_starts = True, float("inf"), 0
            return
        job, worker.job, worker.deadline = worker.job, None, float("inf")
        assert job is not None
        worker.done += 1
        if outcome == "memory":
            if worker.done > 1:
                batch.unsettled.append(job)
        else:
            batch.verdicts[job] = _VERDICTS[outcome]
        if outcome == "memory" or worker.done >= self.limits.pairs_per_worker:
            self._drop(batch, worker)

    def _lost(self, batch: _Batch, worker: _Worker) -> None:
        """The worker is dead or past its deadline."""
        self._drop(batch, worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _START_TRIES:
                raise WorkerError(
                    f"comparison workers do not start (exit status {worker.process.returncode}): "
                    f"try `{sys.executable} -c 'import sympy'`"
                )
        if worker.job is None:
            return
        if worker.process.returncode == -signal.SIGPROF:
            batch.verdicts[worker.job] = Verdict.UNKNOWN
        else:
            batch.unsettled.append(worker.job)

    def _drop(self, batch: _Batch, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        batch.selector.unregister(worker.process.stdout)
        self._workers.remove(worker)
        self._end(worker)

    def _end(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.wait()
        for stream in (worker.process.stdin, worker.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()


def encode_form(form: Fractional) -> list[Any]:
    """A form as JSON: [numerator, denominator or None], each a list of [coefficient, [[atom, exponent], …]].

    Terms and atoms are in an order of their own, so that a worker sees the same text for the same form.
    """
    return [None if poly is None else _encode_poly(poly) for poly in (form.num, form.den)]


def _encode_poly(poly: Poly) -> list[Any]:
    terms = [
        [str(coefficient), sorted(([_encode_atom(atom), str(e)] for atom, e in monomial), key=repr)]
        for monomial, coefficient in poly.items()
    ]
    return sorted(terms, key=repr)


def _encode_atom(atom: Atom) -> Any:
    if not isinstance(atom, tuple):
        return atom
    return [atom[0], *(encode_form(Fractional.from_key(key)) for key in atom[1:])]


def _write(worker: _Worker, message: object) -> None:
    assert worker.process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # then its output has ended too, and that is seen next
        worker.process.stdin.write(json.dumps(message).encode() + b"\n")
        worker.process.stdin.flush()
