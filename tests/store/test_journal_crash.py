"""A journal survives what kills its writer: SIGKILL at any moment, and a full disk."""

from __future__ import annotations

import errno
import importlib.util
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from omi_core.records import Sample
from omi_core.store.index import contents
from omi_core.store.journal import AppendFailed, JournalWriter, read_samples
from omi_core.store.keys import missing_ranges, settled

SCRIPT = Path(__file__).with_name("append_forever.py")
KILLS = 30


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("append_forever", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(journal: Path, keys: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(journal), str(keys)]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def keys_on_disk(journal: Path) -> list[int]:
    if not journal.exists():
        return []
    found = contents(journal, verify=True)
    assert found.damage == []
    return [ordinal * 3 + index for frame in found.frames for ordinal, index in frame.keys.tolist()]


@pytest.mark.long
def test_nothing_flushed_is_lost_and_nothing_comes_twice_however_often_the_writer_is_killed(
    tmp_path: Path, script: ModuleType
) -> None:
    journal, keys, rng = tmp_path / "journal.jsonl.zst", 3_000_000, random.Random(0)
    for kill in range(KILLS):
        process = start(journal, keys)
        assert process.stdout is not None
        assert process.stdout.readline() == "opening\n"
        # Every other kill comes early enough to hit the opening, the rest when something was flushed.
        printed = [process.stdout.readline()] if kill % 2 else []
        time.sleep(rng.random() * 0.08)
        process.send_signal(signal.SIGKILL)
        printed += process.stdout.read().splitlines()
        process.stdout.close()
        process.wait()
        found = keys_on_disk(journal)
        assert found == list(range(len(found)))
        acknowledged = [int(line.split()[1]) for line in printed if line.startswith("flushed ")]
        assert not acknowledged or acknowledged[-1] < len(found)
    keys = len(keys_on_disk(journal)) + 20
    with start(journal, keys) as process:
        process.communicate()
    assert process.returncode == 0
    assert keys_on_disk(journal) == list(range(keys))
    assert missing_ranges(settled([journal], -(-keys // 3), 3).done).tolist() in (
        [],
        [[keys, -(-keys // 3) * 3]],
    )
    read = [sample for samples in read_samples([journal], 0, keys) for sample in samples]
    assert read == [script.sample(key) for key in range(keys)]
    left = {path.name for path in tmp_path.iterdir() if not path.name.endswith(".tmp")}
    assert left == {journal.name + end for end in ("", ".idx", ".lock")}


@contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """A file system of `size` bytes mounted at `directory`."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def noise(key: int) -> Sample:
    text = random.Random(key).randbytes(20_000).hex()
    return Sample(key, "id", 0, text, "stop", 1, 1, 0.5)


def test_a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "512k") as disk:
        journal, ballast = disk / "journal.jsonl.zst", disk / "ballast"
        ballast.write_bytes(b"x" * 200_000)
        key = 0
        with JournalWriter(journal, flush_samples=2) as writer:
            with pytest.raises(AppendFailed, match="what was flushed before is safe") as caught:
                for key in range(1000):
                    writer.add(noise(key))
            assert caught.value.errno == errno.ENOSPC
            assert caught.value.filename == str(journal) and "\n" not in str(caught.value)
            full = contents(journal, verify=True)
            assert full.damage == [] and full.size == full.frames[-1].end, "the file was not cut back"
            flushed = [noise(k) for k in range(key - 1)]
            assert [s for samples in read_samples([journal], 0, 1000) for s in samples] == flushed
            with pytest.raises(AppendFailed):
                writer.flush()
            ballast.unlink()
            writer.flush()
            writer.add(noise(key + 1))
        read = [s for samples in read_samples([journal], 0, 1000) for s in samples]
        assert read == [noise(k) for k in range(key + 2)], "the buffer was kept"


def test_a_disk_that_stays_full_fails_the_writer_on_leaving_and_leaves_a_journal_to_resume(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        journal = disk / "journal.jsonl.zst"
        with pytest.raises(AppendFailed) as caught, JournalWriter(journal, flush_samples=2) as writer:
            for key in range(1000):
                writer.add(noise(key))
        assert "could not be flushed" in caught.value.__notes__[0]
        kept = len(contents(journal, verify=True).frames)
        (disk / "journal.jsonl.zst.idx").unlink()
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        with JournalWriter(journal) as writer:
            assert len(writer.keys) == 2 * kept > 0


@pytest.mark.parametrize("spare", [0, 1, 47, 48, 49, 1000])
def test_a_write_that_ends_short_is_cut_back(tmp_path: Path, spare: int) -> None:
    journal = tmp_path / "journal.jsonl.zst"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JournalWriter(journal) as writer:
        writer.add(noise(0))
        writer.flush()
        size = journal.stat().st_size
        writer.add(noise(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + spare, hard))
        try:
            with pytest.raises(AppendFailed):
                writer.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert journal.stat().st_size == size
    assert [key for frame in contents(journal, verify=True).frames for key in frame.keys.tolist()] == [
        [0, 0],
        [1, 0],
    ]


def test_an_index_that_cannot_be_written_costs_no_sample(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "128k") as disk:
        journal = disk / "journal.jsonl.zst"
        with JournalWriter(journal, flush_samples=1000, flush_bytes=1 << 30) as writer:
            # A thousand keys take 1.5 kB of journal but 11 kB of index: that fills the disk first.
            ballast = disk / "ballast"
            ballast.write_bytes(b"x" * 100_000)
            for key in range(4000):
                writer.add(Sample(key, "id", 0, "", "stop", 1, 1, 0.5))
        index = Path(f"{journal}.idx").read_bytes()
        assert index.count(b"\n") < 4 and index[-1:] in (b"", b"\n"), "the index was to run out of space"
        found = contents(journal, verify=True)
        assert [k for f in found.frames for k in f.keys[:, 0].tolist()] == list(range(4000))
        ballast.unlink()
        with JournalWriter(journal) as writer:
            assert len(writer.keys) == 4000
        assert Path(f"{journal}.idx").read_bytes().count(b"\n") == 4
