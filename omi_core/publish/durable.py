"""Flushing files and directories to disk, and renaming over: the few calls that crash safety rests on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_NO_DIRECTORY_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def fsync_path(path: Path) -> None:
    """Flush a file or a directory; file systems that cannot flush a directory are taken as they are."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NO_DIRECTORY_FSYNC):
            raise
    finally:
        os.close(fd)


def fsync_tree(root: Path) -> None:
    """Flush every file below `root`, then the directories, innermost first."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            fsync_path(Path(folder, name))
        fsync_path(Path(folder))


def rename(source: Path, target: Path) -> None:
    """Rename within one directory and make the new name durable; a file at `target` is replaced."""
    os.rename(source, target)
    fsync_path(target.parent)
