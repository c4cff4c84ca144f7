r"""Workers that ask sympy: no pair holds up the others, and no worker outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from omi_core.answers import Verdict, WorkerError
from omi_core.answers.pool import Pair, Pool, WorkerLimits, encode_form
from omi_core.answers.reader import read_answer
from omi_core.answers.values import Scalar


def encoded(answer: str) -> list[Any]:
    """A formula as workers get it."""
    value = read_answer(answer).value
    assert isinstance(value, Scalar) and value.form is not None
    return encode_form(value.form)


def pairs(*answers: tuple[str, str]) -> list[Pair]:
    return [(encoded(a), encoded(b)) for a, b in answers]


def whole(value: int) -> list[Any]:
    return [[[str(value), []]], None]


def called(name: str, *arguments: list[Any]) -> list[Any]:
    """A function's value, larger than any that is ever sent to a worker."""
    return [[["1", [[[name, *arguments], "1"]]]], None]


EXPLOSIVE = (called("binomial", whole(10**9), whole(5 * 10**8)), whole(5))
ONE = pairs(("1", "1"))
SUMS = pairs(("x+x", "2x"))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool(
        1, WorkerLimits(cpu_seconds=2.0)
    )  # several times what the slowest pair here takes on idle cores
    yield pool
    pool.close()


def worker_pids(pool: Pool) -> list[int]:
    return [worker.process.pid for worker in pool._workers]


def test_verdicts_come_in_the_order_of_the_pairs(pool: Pool) -> None:
    asked = pairs(
        (r"\ln 2", r"\ln 3"),
        (r"\sin^2 x + \cos^2 x", "1"),
        (r"\sqrt{3+2\sqrt2}", r"1+\sqrt2"),
        ("f(x)", "f(y)"),
    )
    assert [verdict.name for verdict in pool.judge(asked)] == ["NOT_EQUAL", "EQUAL", "EQUAL", "UNKNOWN"]


PROVED = [
    (r"\sqrt{x^2}", "x", "UNKNOWN"),  # true of some x only
    (r"\sqrt[3]{x^3}", "x", "UNKNOWN"),
    (r"\sqrt[3]{1-\sqrt2}", r"-\sqrt[3]{\sqrt2-1}", "UNKNOWN"),  # the real root here, not sympy's
    (r"\ln(xy)", r"\ln x+\ln y", "UNKNOWN"),
    (r"e^{2x}", r"(e^x)^2", "EQUAL"),
    (r"\sin 2x", r"2\sin x\cos x", "EQUAL"),
    (r"\log_2 x", r"\frac{\ln x}{\ln 2}", "EQUAL"),
    (r"\arctan 1", r"\frac{\pi}{4}", "EQUAL"),
    (r"\arctan 1", r"\frac{\pi}{3}", "NOT_EQUAL"),
    ("f(2x)", "f(x+x)", "EQUAL"),
    ("f(0)", "0", "UNKNOWN"),
    ("f'(0)", "f(0)", "UNKNOWN"),
    ("|x|", "x", "UNKNOWN"),
    (r"\lfloor x \rfloor", "x", "UNKNOWN"),
    (r"\sin^2 1 + \cos^2 1", "1", "EQUAL"),  # its digits cannot be made sure of
    ("e^i", "e^{2i}", "UNKNOWN"),  # and those of what is not real say nothing here
]


@pytest.mark.parametrize(("a", "b", "expected"), PROVED)
def test_a_worker_says_what_is_proved_and_nothing_else(pool: Pool, a: str, b: str, expected: str) -> None:
    assert [verdict.name for verdict in pool.judge(pairs((a, b), (b, a)))] == [expected] * 2


def test_a_pair_over_its_cpu_time_is_unknown_and_the_next_is_not(pool: Pool) -> None:
    assert pool.judge([EXPLOSIVE, *SUMS]) == [Verdict.UNKNOWN, Verdict.EQUAL]


def test_a_killed_worker_costs_no_verdict(pool: Pool) -> None:
    pool.judge(ONE)
    (pid,) = worker_pids(pool)
    os.kill(pid, signal.SIGKILL)
    assert pool.judge(SUMS) == [Verdict.EQUAL]
    assert pid not in worker_pids(pool)


def test_signals_meant_for_the_job_leave_workers_alone(pool: Pool) -> None:
    pool.judge(ONE)
    (pid,) = worker_pids(pool)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        os.kill(pid, name)
    assert pool.judge(SUMS) == [Verdict.EQUAL]
    assert worker_pids(pool) == [pid]


def test_a_suspended_worker_is_ended_at_the_wall_clock_backstop() -> None:
    pool = Pool(1, WorkerLimits(wall_seconds=0.5))
    try:
        pool.judge(ONE)
        (pid,) = worker_pids(pool)
        os.kill(pid, signal.SIGSTOP)
        assert pool.judge(ONE) == [Verdict.EQUAL]
        assert pid not in worker_pids(pool)
    finally:
        pool.close()


def test_a_pair_that_needs_too_much_memory_equals_nothing_and_harms_no_other() -> None:
    pool = Pool(1, WorkerLimits(cpu_seconds=30, memory_bytes=220 << 20))
    try:
        huge = called("power", whole(2), whole(9 * 10**9))
        verdict, after = pool.judge([(huge, whole(5)), *ONE])
        assert verdict is not Verdict.EQUAL
        assert after is Verdict.EQUAL
    finally:
        pool.close()


def test_workers_are_renewed_after_their_share_of_pairs() -> None:
    pool = Pool(1, WorkerLimits(pairs_per_worker=2))
    try:
        pool.judge(ONE)
        (pid,) = worker_pids(pool)
        assert pool.judge(ONE * 2) == [Verdict.EQUAL] * 2
        assert worker_pids(pool) not in ([], [pid])
    finally:
        pool.close()


def test_workers_that_cannot_start_are_an_error_not_a_verdict() -> None:
    pool = Pool(1, WorkerLimits(memory_bytes=20 << 20))
    with pytest.raises(WorkerError, match="do not start"):
        pool.judge(ONE)


def test_close_ends_the_workers_and_the_pool_starts_new_ones(pool: Pool) -> None:
    pool.judge(ONE)
    pids = worker_pids(pool)
    pool.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert pool.judge(ONE) == [Verdict.EQUAL]


PARENT = """
import json, signal, sys, os, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
from omi_core.answers.pool import Pool, WorkerLimits
ONE, EXPLOSIVE = json.loads(sys.argv[2])
pool = Pool(1, WorkerLimits(cpu_seconds=60))
pool.judge(ONE)
print(pool._workers[0].process.pid, flush=True)
if sys.argv[1] == "busy":
    pool.judge([EXPLOSIVE])
if os.fork() == 0:  # a child that keeps the pipes open
    import time; time.sleep(60)
os.wait()
"""


@pytest.mark.parametrize(
    ("name", "state"),
    [
        (signal.SIGKILL, "busy"),
        (signal.SIGKILL, "idle"),
        (signal.SIGTERM, "busy"),
        (signal.SIGINT, "idle"),
    ],
)
def test_no_worker_outlives_its_parent(name: signal.Signals, state: str) -> None:
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, state, json.dumps([ONE, EXPLOSIVE])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=root,
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.2)  # let it get to the long computation, or to the fork
        children = psutil.Process(parent.pid).children()
        parent.send_signal(name)
        parent.wait(timeout=20)
        try:
            worker.wait(timeout=20)  # raises TimeoutExpired if it lives
        finally:
            for child in children:
                if child.is_running():
                    child.kill()
