"""Fixtures of tests that run on a real, throw-away Slurm: one per session, clean before each test."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import processes
from tests.cluster.chain import WORK, Chain, files
from tests.cluster.cluster import Cluster, why_not


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slurm: runs on a real Slurm that the tests start by themselves")


def _clusters(accounting: bool) -> Iterator[Cluster]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    processes.end_leftovers()
    # A session ended by TERM (a time limit of CI) takes its cluster down like one ended by Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Cluster(accounting=accounting) as cluster:
            yield cluster
            cluster.clean()
            cluster.wait_for(lambda: not cluster.strays(), 20, "no job has left a process behind")
        assert processes.belonging_to(cluster.directory) == []
        assert not cluster.directory.exists()
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After the last test nothing works in the runs' directories, and no disk is mounted there."""
    yield
    top = f"{tmp_path_factory.getbasetemp()}/"
    commands = {path: _command(path) for path in Path("/proc").glob("[0-9]*")}
    assert {str(path): command for path, command in commands.items() if top in command} == {}
    assert top not in Path("/proc/mounts").read_text()


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # it ends as we look
        return ""


@pytest.fixture(scope="session")
def _cluster_of_session() -> Iterator[Cluster]:
    yield from _clusters(accounting=True)


@pytest.fixture(scope="session")
def _second_cluster_of_session() -> Iterator[Cluster]:
    yield from _clusters(accounting=False)


@pytest.fixture
def cluster(_cluster_of_session: Cluster) -> Cluster:
    """Four idle nodes of eight GPUs, partitions batch, interactive and cpu, accounting on, no job queued."""
    _cluster_of_session.clean()
    return _cluster_of_session


@pytest.fixture
def cluster_without_accounting(_second_cluster_of_session: Cluster) -> Cluster:
    """The same on a site where sacct does not work; started only for tests that ask for it."""
    _second_cluster_of_session.clean()
    return _second_cluster_of_session


@pytest.fixture
def slurm(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, and this process is on one of its login nodes."""
    return _log_in(cluster, monkeypatch)


@pytest.fixture
def slurm_without_accounting(cluster_without_accounting: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return _log_in(cluster_without_accounting, monkeypatch)


def _log_in(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    for name in ("PATH", "SLURM_CONF"):
        monkeypatch.setenv(name, cluster.env[name])
    monkeypatch.chdir(cluster.directory / "jobs")
    return cluster


@pytest.fixture
def chain(cluster: Cluster, tmp_path: Path) -> Chain:
    """A run to be made in an empty directory of the cluster's login node."""
    return Chain(cluster, tmp_path)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The dataset of chain.WORK as one machine makes it, by file name."""
    place = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-m", "jobs.generate", *WORK, "run.dir=run"]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return files(place / "run/dataset")
