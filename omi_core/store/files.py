"""Whole-file writes that survive SIGKILL, and the advisory lock that keeps two writers apart.

A file written here is, at every moment, either its old content or its new content. The new bytes go to
`.<name>.<random>.tmp` beside it first; a process killed in between leaves that file behind, and nothing
reads it.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from omi_core.options import ConfigError

log = logging.getLogger(__name__)

# Some network and FUSE file systems have no fsync for directories; there the rename is all there is.
_NO_DIRECTORY_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}
_NO_FLOCK = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
# Between two tries for a lock that is waited for.
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.02, 0.5
# What the disk, and not a fault of ours, makes of a call.
_OF_THE_DISK = (errno.EACCES, errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.EROFS)


class LockTaken(ConfigError):
    """Another process holds the lock; the message names it, and `job` the job it works for, if it is one."""

    def __init__(self, message: str, job: str | None = None) -> None:
        super().__init__(message)
        self.job = job


def disk_failed(error: BaseException) -> bool:
    """Whether an error says that the disk is full or not to be written to; its one line then says it all."""
    return isinstance(error, OSError) and error.errno in _OF_THE_DISK


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte of `data` to `fd`. After an OSError some of them may lie there."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def fsync_path(path: Path) -> None:
    """Make the bytes of a file durable, or the names in a directory, where the file system can."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if not (error.errno in _NO_DIRECTORY_FSYNC and os.path.isdir(path)):
            raise
    finally:
        os.close(fd)


def fsync_tree(root: Path) -> None:
    """Make every file below `root` durable, then the directories, innermost first."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            fsync_path(Path(folder, name))
        fsync_path(Path(folder))


def rename(source: Path, target: Path) -> None:
    """Rename within one directory and make the new name durable; a file at `target` is replaced."""
    os.rename(source, target)
    fsync_path(target.parent)


def move_aside(path: Path) -> Path:
    """Rename `path` to the first free of `<name>.old-1`, `.old-2`, ...; returns that. Nothing is deleted."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    rename(path, aside)
    return aside


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` durably when the block ends; the directory must exist.

    When it ends with an exception `path` keeps its content, and no temporary file is left. Permissions follow
    the umask, so that a group can share a run.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    fsync_path(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """As `replacing`, with `data`. Raises OSError, of the matching subclass, that names `path`."""
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from error


def write_json(path: Path, obj: Any) -> None:
    """`write_atomic` of `obj` as indented JSON. Raises ValueError when `obj` has no JSON form."""
    try:
        data = orjson.dumps(obj, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError as error:
        raise ValueError(f"{path}: cannot be written as JSON: {error}") from error
    write_atomic(path, data)


def read_json(path: Path) -> Any:
    """The JSON value in `path`. Raises FileNotFoundError, or ValueError when it holds no JSON."""
    data = Path(path).read_bytes()
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(
            f"{path}: not valid JSON ({error}); damaged, or written by another program"
        ) from error


@contextmanager
def lock(path: Path, wait: float = 0.0, waiting: Callable[[str], bool] | None = None) -> Iterator[None]:
    """Hold the lock file `path` alone. Raises LockTaken when it still has a holder after `wait` seconds.

    While it waits, `waiting` is told again and again who holds the lock; it ends the wait by returning False.

    flock on a small file that names its holder and stays behind, empty, on release: to remove it would let
    two processes each lock a file of that name. The kernel drops the lock when the holder dies, however it
    dies, so a lock is never stale. On Linux NFS and on Lustre mounted with `flock` it holds across nodes;
    where a file system has no flock at all, a warning is logged and the caller goes on unprotected:
    refusing would make the suite useless there, and an owner file without a kernel behind it would block
    every resume after a kill.
    """
    path = Path(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    owner = os.getpid()
    _held.add(fd)
    try:
        deadline = time.monotonic() + wait
        delay = _FIRST_LOOK_S
        while not _flock(fd, path):
            who = _read_holder(fd)
            taken = f"{path}: in use by {_named(who)}"
            over = time.monotonic() >= deadline
            if over or (waiting is not None and not waiting(taken)):
                raise LockTaken(f"{taken}; wait for it or stop it", who.get("job"))
            time.sleep(delay)
            delay = min(2 * delay, _LONGEST_LOOK_S)  # a file system that many nodes share is asked seldom
        _sign(fd, _myself())
        try:
            yield
        finally:
            if os.getpid() == owner:
                _sign(fd, b"")
    finally:
        # A fork of the holder that unwinds through here has closed its copy already (see below).
        if os.getpid() == owner:
            _held.discard(fd)
            os.close(fd)


def _flock(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise
        log.warning("%s: this file system has no flock; nothing keeps a second writer out", path)
    return True


def _myself() -> bytes:
    since = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    who = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    # Whoever waits on another node cannot see the process, but can ask what has become of its job.
    job = os.environ.get("SLURM_JOB_ID")
    return orjson.dumps(who | ({"job": job} if job else {}))


def _sign(fd: int, who: bytes) -> None:
    """Say in the lock file who holds it; only for the error message, so a full disk is no reason to fail."""
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, who, 0)


def _read_holder(fd: int) -> dict[str, Any]:
    try:
        who = orjson.loads(os.pread(fd, 4096, 0))
    except (OSError, ValueError):
        return {}
    return who if isinstance(who, dict) else {}


def _named(who: dict[str, Any]) -> str:
    try:
        of = f" (job {who['job']})" if who.get("job") else ""
        return f"process {who['pid']} on {who['host']} since {who['since']}{of}"
    except KeyError:
        return "another process"


# Descriptors of held locks. A forked child (a worker of a pool, say) shares them, and one that outlives a
# killed parent would keep the lock: children therefore close their copies.
_held: set[int] = set()


def _close_inherited() -> None:
    for fd in _held:
        with suppress(OSError):
            os.close(fd)
    _held.clear()


os.register_at_fork(after_in_child=_close_inherited)
