"""The index is a cache: whatever happens to it, a journal's contents are what its frames say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from omi_core.records import Sample
from omi_core.store import index
from omi_core.store.frames import HEADER_BYTES
from omi_core.store.index import IndexWriter, bad_path, contents, forget_set_aside, index_path, set_aside
from omi_core.store.journal import JournalWriter

SAMPLES = [Sample(n // 2, "id", n % 2, f"text {n}", "stop", 1, 2, 0.5) for n in range(10)]
KEYS = [[n // 2, n % 2] for n in range(10)]


def write(path: Path, samples: list[Sample] = SAMPLES) -> Path:
    with JournalWriter(path, flush_samples=2) as writer:
        for sample in samples:
            writer.add(sample)
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return write(tmp_path / "journal.jsonl.zst")


def keys_in(journal: Path, verify: bool = False) -> list[list[int]]:
    found = contents(journal, verify)
    assert found.damage == []
    return [key for frame in found.frames for key in frame.keys.tolist()]


def flip(path: Path, at: int, bit: int = 4) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(data)


def lines(path: Path, *numbers: int) -> bytes:
    all_lines = path.read_bytes().splitlines(keepends=True)
    return b"".join(all_lines[number] for number in numbers)


def index_of_another_journal(path: Path) -> bytes:
    shutil.rmtree(path.parent / "other", ignore_errors=True)
    (path.parent / "other").mkdir()
    other = [Sample(n + 40, "id", 0, f"other {n}", "stop", 1, 2, 0.5) for n in range(10)]
    return index_path(write(path.parent / "other" / "journal.jsonl.zst", other)).read_bytes()


def index_of_a_twin(path: Path) -> bytes:
    """The index of a journal whose frames lie in the same bytes but hold other keys."""
    frames = [replace(frame, crc=frame.crc ^ 1, keys=frame.keys + 5) for frame in contents(path).frames]
    (path.parent / "twin").mkdir()
    twin = path.parent / "twin" / path.name
    IndexWriter(twin, frames).close()
    return index_path(twin).read_bytes()


BROKEN: dict[str, Callable[[Path], bytes | None]] = {
    "missing": lambda idx: None,
    "empty": lambda idx: b"",
    "torn": lambda idx: idx.read_bytes()[:-30],
    "without its end": lambda idx: lines(idx, 0, 1),
    "without its middle": lambda idx: lines(idx, 0, 3, 4),
    "without its beginning": lambda idx: lines(idx, 2, 3, 4),
    "out of order": lambda idx: lines(idx, 4, 2, 0, 1, 3),
    "twice": lambda idx: idx.read_bytes() * 2,
    "of another journal": lambda idx: index_of_another_journal(idx.with_suffix("")),
    "of a twin": lambda idx: index_of_a_twin(idx.with_suffix("")),
    "not an index": lambda idx: b"\x00\xff\n{}\n[]\nnull\n" * 50,
    "one long line": lambda idx: b"x" * 100_000,
}


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_index_changes_nothing_and_the_next_writer_mends_it(
    journal: Path, broken: str, verify: bool
) -> None:
    good = index_path(journal).read_bytes()
    replacement = BROKEN[broken](index_path(journal))
    index_path(journal).unlink()
    if replacement is not None:
        index_path(journal).write_bytes(replacement)
    before = sorted(path.name for path in journal.parent.iterdir())
    assert keys_in(journal, verify) == KEYS
    assert sorted(path.name for path in journal.parent.iterdir()) == before, "a reader wrote something"
    with JournalWriter(journal) as writer:
        assert writer.keys.tolist() == KEYS
    assert index_path(journal).read_bytes() == good


def test_a_flipped_byte_anywhere_in_the_index_changes_no_key(journal: Path) -> None:
    data = index_path(journal).read_bytes()
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 1
        index_path(journal).write_bytes(broken)
        assert keys_in(journal) == KEYS


def test_a_good_index_is_believed_without_reading_frames(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("a frame was scanned")

    monkeypatch.setattr(index, "scan", forbidden)
    monkeypatch.setattr(index, "check", forbidden)
    assert keys_in(journal) == KEYS


def test_only_what_the_index_lacks_is_read(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [frame.end for frame in contents(journal).frames]
    index_path(journal).write_bytes(lines(index_path(journal), 0, 1, 3, 4))
    scanned: list[tuple[int, int]] = []
    real = index.scan

    def spy(fd: int, path: Path, start: int, stop: int, size: int) -> object:
        scanned.append((start, stop))
        return real(fd, path, start, stop, size)

    monkeypatch.setattr(index, "scan", spy)
    assert keys_in(journal) == KEYS
    assert scanned == [(ends[1], ends[2])]


def test_verification_finds_what_the_index_covers_up(journal: Path) -> None:
    frame = contents(journal).frames[1]
    flip(journal, frame.end - 1)
    assert contents(journal).damage == [], "without verification the index is taken at its word"
    found = contents(journal, verify=True)
    (damage,) = found.damage
    assert (damage.offset, damage.end, damage.reason) == (frame.offset, frame.end, "a wrong checksum")
    assert (damage.first, damage.last) == (1, 1)
    assert [key for f in found.frames for key in f.keys.tolist()] == KEYS[:2] + KEYS[4:]


@pytest.mark.parametrize("number", [1, 4])
def test_the_index_names_the_ordinals_of_a_frame_without_header(journal: Path, number: int) -> None:
    frame = contents(journal).frames[number]
    flip(journal, frame.offset + 9)
    (damage,) = contents(journal, verify=True).damage
    assert (damage.first, damage.last, damage.reason) == (number, number, "no frame header")


@pytest.mark.parametrize("number", [0, 2, 4])
@pytest.mark.parametrize("at", [0, HEADER_BYTES + 3])
@pytest.mark.parametrize("indexed", [True, False])
def test_what_is_set_aside_is_missing_and_no_longer_damage(
    journal: Path, number: int, at: int, indexed: bool
) -> None:
    frame = contents(journal).frames[number]
    flip(journal, frame.offset + at)
    if not indexed:
        index_path(journal).unlink()
    (damage,) = contents(journal, verify=True).damage
    for _ in range(2):
        set_aside(journal, damage)
    found = contents(journal, verify=True)
    assert found.damage == [] and found.set_aside == [damage]
    assert len(bad_path(journal).read_bytes().splitlines()) == 1
    rest = KEYS[: 2 * number] + KEYS[2 * number + 2 :]
    assert keys_in(journal) == rest
    with JournalWriter(journal, flush_samples=2) as writer:
        assert writer.keys.tolist() == rest
        for sample in SAMPLES[2 * number : 2 * number + 2]:
            writer.add(sample)
    assert sorted(keys_in(journal, verify=True)) == KEYS
    assert journal.read_bytes()[frame.offset : frame.end] != b"", "what was set aside is kept"


def test_what_was_set_aside_beyond_the_end_is_forgotten_by_the_writer(journal: Path) -> None:
    frames = contents(journal).frames
    flip(journal, frames[3].end - 1)
    (damage,) = contents(journal, verify=True).damage
    set_aside(journal, damage)
    journal.write_bytes(journal.read_bytes()[: frames[3].offset + 10])
    write(journal, SAMPLES[6:])
    assert keys_in(journal, verify=True) == KEYS
    forget_set_aside(journal, 0)
    assert contents(journal).set_aside == []


def test_a_missing_journal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        contents(tmp_path / "absent.jsonl.zst")
