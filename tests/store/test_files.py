"""Whole files are old or new, never in between; locks have one holder and never outlive it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.store.files import LockTaken, lock, read_json, replacing, write_atomic, write_json

JSON_LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e300, 1e300)
JSON_VALUES = st.recursive(
    JSON_LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)

HOLDER = """
import os, sys, time
from pathlib import Path
from omi_core.store.files import lock
with lock(Path(sys.argv[1])):
    if sys.argv[2] == "fork" and os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    print("held", flush=True)
    time.sleep(30)
"""

REWRITER = """
import sys
from pathlib import Path
from omi_core.store.files import write_json
for n in range(1_000_000):
    write_json(Path(sys.argv[1]), {"n": n, "filler": [n] * 2000})
    print(n, flush=True)
"""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writes beyond `size` bytes of a file fail, after a short write, like those on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,
    )


def test_a_write_replaces_the_content_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    for content in (b"first", b"", b"third" * 1000):
        write_atomic(path, content)
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomic(tmp_path / "shared", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o640


def test_a_write_that_does_not_fit_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_atomic(path, b"old")
    with largest_file(1000), pytest.raises(OSError, match="cannot write") as caught:
        write_atomic(path, b"n" * 5000)
    assert caught.value.errno == errno.EFBIG and caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    ("name", "error"), [("missing/plan.json", FileNotFoundError), ("directory", IsADirectoryError)]
)
def test_a_write_that_cannot_be_done_names_its_target(
    tmp_path: Path, name: str, error: type[OSError]
) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(error, match=name):
        write_atomic(tmp_path / name, b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["directory"]


def test_a_killed_writer_leaves_the_last_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for _ in range(4):
        with run_python(REWRITER, str(path)) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(3)]
            process.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout.read().split()]
        state = read_json(path)
        assert state["n"] in (acknowledged[-1], acknowledged[-1] + 1)
        assert state["filler"] == [state["n"]] * 2000


@given(JSON_VALUES)
def test_json_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_json_errors_are_one_line_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    with pytest.raises(ValueError, match=r"manifest\.json: cannot be written as JSON") as caught:
        write_json(path, {"text": "\ud800"})
    assert "\n" not in str(caught.value) and not path.exists()
    path.write_bytes(b'{"half":')
    with pytest.raises(ValueError, match=r"manifest\.json: not valid JSON") as caught:
        read_json(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent.json")


def test_a_second_holder_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with lock(path):
        with pytest.raises(
            LockTaken, match=rf"run\.lock: in use by process {os.getpid()} on \S+ since"
        ) as caught:
            with lock(path):
                pass
        assert "\n" not in str(caught.value)
    with lock(path):
        pass
    assert path.read_bytes() == b"", "a free lock names nobody"


def test_a_holder_that_is_a_job_is_named_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with lock(tmp_path / "run.lock"), pytest.raises(LockTaken, match=r"since \S+ \(job 12\); wait") as caught:
        with lock(tmp_path / "run.lock"):
            pass
    assert caught.value.job == "12"


def test_who_waits_is_told_for_whom_and_may_give_up(tmp_path: Path) -> None:
    told: list[str] = []

    def waiting(words: str) -> bool:
        told.append(words)
        return len(told) < 3

    with lock(tmp_path / "run.lock"), pytest.raises(LockTaken):
        with lock(tmp_path / "run.lock", 3600.0, waiting):
            pass
    assert len(told) == 3 and f"in use by process {os.getpid()}" in told[0]


def test_an_exception_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock(tmp_path / "run.lock"):
        raise KeyError
    with lock(tmp_path / "run.lock"):
        pass


@pytest.mark.parametrize("children", ["none", "fork"])
def test_a_killed_holder_holds_nothing_even_when_its_children_live_on(tmp_path: Path, children: str) -> None:
    path = tmp_path / "run.lock"
    with run_python(HOLDER, str(path), children) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            with pytest.raises(LockTaken, match=f"process {process.pid} "), lock(path):
                pass
            process.kill()
            process.wait()
            # A child that was forked a moment ago may still be on its way to letting go.
            with lock(path, wait=30.0):
                pass
        finally:
            process.kill()
            if children == "fork":
                os.killpg(process.pid, signal.SIGKILL)


def test_waiting_holders_take_turns(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count() -> None:
        for _ in range(25):
            with lock(tmp_path / "lock", wait=60.0):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "100"


def test_a_file_system_without_flock_warns_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(fd: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with caplog.at_level(logging.WARNING), lock(tmp_path / "run.lock"):
        pass
    assert "no flock" in caplog.text


def test_a_file_that_is_written_piece_by_piece_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_finished_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
