"""The database under Slurm's accounting: a MariaDB for one cluster, on a socket."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

# Tests need speed and a server that starts; what they store need not survive a power cut.
_FAST = [
    "--innodb-log-file-size=16M",
    "--innodb-flush-method=nosync",
    "--max-allowed-packet=16M",
]


def create(data: Path, log: Path) -> None:
    """Make the system tables of a new server in `data`, as the package's own script does.

    That script needs the client package too, for one small program; the tables alone need only the server.
    """
    data.mkdir()
    _temporary(data).mkdir()
    scripts = _scripts()
    prologue = "create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n"
    with log.open("wb") as out:
        done = subprocess.run(
            [*_server(data), "--bootstrap", "--log-warnings=0", "--enforce-storage-engine=", *_FAST],
            input=prologue.encode() + b"".join(script.read_bytes() for script in scripts),
            stdout=out,
            stderr=out,
            timeout=60,
        )
    if done.returncode != 0:
        raise RuntimeError(f"MariaDB made no system tables: {log.read_text(errors='replace')[-2000:]}")


def command(data: Path, socket: Path, log: Path) -> list[str]:
    """What runs the server in the foreground."""
    return [
        *_server(data),
        f"--socket={socket}",
        "--skip-networking",
        f"--pid-file={socket.parent}/mariadbd.pid",
        f"--log-error={log}",
        "--innodb-buffer-pool-size=64M",
        "--innodb-lock-wait-timeout=900",
        "--innodb-flush-log-at-trx-commit=0",
        *_FAST,
    ]


def _server(data: Path) -> list[str]:
    return [
        shutil.which("mariadbd") or "/usr/sbin/mariadbd",
        "--no-defaults",
        "--user=root",
        f"--datadir={data}",
        f"--tmpdir={_temporary(data)}",
    ]


def _temporary(data: Path) -> Path:
    """Where the server in `data` has its temporary tables: one that starts removes all it finds there."""
    return data.with_name(f"{data.name}-tmp")


def _scripts() -> list[Path]:
    for folder in (Path("/usr/share/mysql"), Path("/usr/share/mariadb")):
        for prefix in ("mysql", "mariadb"):
            wanted = [
                folder / f"{prefix}_{part}.sql"
                for part in ("system_tables", "performance_tables", "system_tables_data")
            ]
            if all(path.is_file() for path in wanted):
                return wanted
    raise RuntimeError("mariadb-server-core has no SQL of the system tables where this looks for it")
