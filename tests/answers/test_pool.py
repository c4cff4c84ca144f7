r"""Workers that ask math-verify: no pair holds up the others, and no worker outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from omi_core.answers import Verdict, WorkerError
from omi_core.answers.pool import Limits, Pool

EXPLOSIVE = ("10^{10^{10}}", "5")  # the screen refuses it; here it goes straight to a worker


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool(1, Limits(cpu_seconds=2.0))  # several times what the slowest pair here takes on idle cores
    yield pool
    pool.close()


def worker_pids(pool: Pool) -> list[int]:
    return [worker.process.pid for worker in pool._workers]


def test_verdicts_come_in_the_order_of_the_pairs(pool: Pool) -> None:
    pairs = [("x", "y"), (r"\sin^2 x + \cos^2 x", "1"), (r"\sqrt{3+2\sqrt2}", r"1+\sqrt2"), ("x(x(", "1")]
    assert [verdict.name for verdict in pool.judge(pairs)] == ["NOT_EQUAL", "EQUAL", "EQUAL", "UNKNOWN"]


def test_one_direction_is_not_enough(pool: Pool) -> None:
    # math-verify alone says that 1 (gold) equals "2x+z=1" (answer), because it takes the right-hand side
    assert pool.judge([("1", "2x+z=1"), ("2x+z=1", "1")]) == [Verdict.NOT_EQUAL] * 2


def test_a_pair_over_its_cpu_time_is_unknown_and_the_next_is_not(pool: Pool) -> None:
    before = pool.counts.timeouts
    assert pool.judge([EXPLOSIVE, ("x+x", "2x")]) == [Verdict.UNKNOWN, Verdict.EQUAL]
    assert pool.counts.timeouts == before + 1


def test_a_killed_worker_costs_no_verdict(pool: Pool) -> None:
    pool.judge([("x", "x")])
    (pid,) = worker_pids(pool)
    os.kill(pid, signal.SIGKILL)
    assert pool.judge([("x+x", "2x")]) == [Verdict.EQUAL]
    assert pool.counts.retries >= 1


def test_signals_meant_for_the_job_leave_workers_alone(pool: Pool) -> None:
    pool.judge([("x", "x")])
    (pid,) = worker_pids(pool)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        os.kill(pid, name)
    assert pool.judge([("x+x", "2x")]) == [Verdict.EQUAL]
    assert worker_pids(pool) == [pid]


def test_a_suspended_worker_is_ended_at_the_wall_clock_backstop() -> None:
    pool = Pool(1, Limits(wall_seconds=0.5))
    try:
        pool.judge([("x", "x")])
        os.kill(worker_pids(pool)[0], signal.SIGSTOP)
        assert pool.judge([("1", "1")]) == [Verdict.EQUAL]
        assert pool.counts.crashes == pool.counts.retries == 1
    finally:
        pool.close()


def test_a_pair_that_needs_too_much_memory_equals_nothing_and_harms_no_other() -> None:
    pool = Pool(1, Limits(cpu_seconds=30, memory_bytes=220 << 20))
    try:
        # NOT_EQUAL, where math-verify itself swallows the MemoryError and says no
        verdict, after = pool.judge([("2^{900000000}", "5"), ("1", "1")])
        assert verdict is not Verdict.EQUAL
        assert after is Verdict.EQUAL
    finally:
        pool.close()


def test_workers_are_renewed_after_their_share_of_pairs() -> None:
    pool = Pool(1, Limits(pairs_per_worker=2))
    try:
        assert pool.judge([("1", "1")] * 3) == [Verdict.EQUAL] * 3
        assert pool.counts.started == 2
    finally:
        pool.close()


def test_workers_that_cannot_start_are_an_error_not_a_verdict() -> None:
    pool = Pool(1, Limits(memory_bytes=20 << 20))
    with pytest.raises(WorkerError, match="do not start"):
        pool.judge([("1", "1")])


def test_close_ends_the_workers_and_the_pool_starts_new_ones(pool: Pool) -> None:
    pool.judge([("1", "1")])
    pids = worker_pids(pool)
    pool.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert pool.judge([("1", "1")]) == [Verdict.EQUAL]


PARENT = """
import sys, os, threading
from omi_core.answers.pool import Limits, Pool
pool = Pool(1, Limits(cpu_seconds=60))
pool.judge([("1", "1")])
print(pool._workers[0].process.pid, flush=True)
if sys.argv[1] == "busy":
    pool.judge([("(10^8)!", "5")])
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
        [sys.executable, "-c", PARENT, state], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
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
