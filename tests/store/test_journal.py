"""What goes into a journal comes out: after any cut or flip never a wrong sample, and each key once."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.records import Sample
from omi_core.store.files import LockTaken
from omi_core.store.frames import Damage, FrameDamaged
from omi_core.store.index import bad_path, contents, index_path, set_aside
from omi_core.store.journal import DuplicateKey, JournalWriter, encode_sample, read_samples
from omi_core.store.keys import settled

RECORDS, PER_RECORD = 12, 3
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None

# Text as hostile as a model's can be: any code point, lone surrogates and control characters included.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
KEY_LISTS = st.lists(
    st.tuples(st.integers(0, RECORDS - 1), st.integers(0, PER_RECORD - 1)), unique=True, max_size=20
)


@st.composite
def sample_lists(draw: st.DrawFn) -> list[Sample]:
    reasons = st.sampled_from(["stop", "length", "error"])
    return [
        Sample(ordinal, f"{ordinal:032x}", index, draw(ANY_TEXT), draw(reasons), 3, 4, 0.5)
        for ordinal, index in draw(KEY_LISTS)
    ]


@contextmanager
def directory() -> Iterator[Path]:
    """A directory per example of a property, in memory: fsync on a disk would take most of the time."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


def simple(ordinal: int, index: int = 0, text: str = "text") -> Sample:
    return Sample(ordinal, "id", index, text, "stop", 3, 4, 0.5)


def write(path: Path, samples: list[Sample], flush_samples: int = 3) -> Path:
    with JournalWriter(path, flush_samples=flush_samples) as writer:
        for sample in samples:
            writer.add(sample)
    return path


def as_read(sample: Sample) -> Sample:
    """The sample as UTF-8 can hold it."""
    return replace(sample, text=re.sub("[\ud800-\udfff]", "\ufffd", sample.text))


def by_key(samples: list[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: (sample.ordinal, sample.index))


def read_all(*journals: Path, damage: list[Damage] | None = None) -> list[Sample]:
    """All samples; with `damage` what is damaged is noted there and set aside."""
    while True:
        try:
            return [sample for record in read_samples(journals, 0, RECORDS) for sample in record]
        except FrameDamaged as error:
            if damage is None:
                raise
            damage.append(error.damage)
            set_aside(error.damage.path, error.damage)


def held_twice(journal: Path) -> int:
    """Samples whose key is there before them."""
    done = settled([journal], RECORDS, PER_RECORD, verify=True).done
    return sum(frame.count for frame in contents(journal).frames) - int(done.sum())


@given(sample_lists(), st.integers(1, 8))
def test_what_is_added_is_read_back(samples: list[Sample], flush_samples: int) -> None:
    with directory() as place:
        journal = write(place / "j", samples, flush_samples)
        assert read_all(journal) == by_key([as_read(sample) for sample in samples])
        with JournalWriter(journal) as writer:
            assert writer.keys.tolist() == [[sample.ordinal, sample.index] for sample in samples]
        errors = sum(sample.finish_reason == "error" for sample in samples)
        assert settled([journal], RECORDS, PER_RECORD).errors == errors


@given(sample_lists(), st.integers(1, 8), st.floats(0, 1), st.sampled_from(["index", "no index"]))
def test_after_a_cut_anywhere_the_whole_frames_are_there_and_the_rest_can_be_added(
    samples: list[Sample], flush_samples: int, where: float, index: str
) -> None:
    with directory() as place:
        journal = write(place / "j", samples, flush_samples)
        frames = contents(journal).frames
        cut = round(where * journal.stat().st_size)
        os.truncate(journal, cut)
        if index == "no index":
            index_path(journal).unlink()
        whole = [frame for frame in frames if frame.end <= cut]
        kept = sum(frame.count for frame in whole)
        for verify in (False, True):
            found = contents(journal, verify)
            assert found.frames == whole and found.damage == []
        assert journal.stat().st_size == cut, "a reader changed the file"
        assert read_all(journal) == by_key([as_read(sample) for sample in samples[:kept]])
        with JournalWriter(journal, flush_samples) as writer:
            assert len(writer.keys) == kept
            assert journal.stat().st_size == (whole[-1].end if whole else 0)
            for sample in samples[kept:]:
                writer.add(sample)
        assert read_all(journal) == by_key([as_read(sample) for sample in samples])


@pytest.mark.parametrize("index", ["index", "no index"])
@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_a_flipped_bit_anywhere_is_reported_and_costs_only_its_frame(
    tmp_path: Path, index: str, bit: int
) -> None:
    samples = [simple(n // 2, n % 2, f"text {n}") for n in range(6)]
    journal = write(tmp_path / "j", samples, 2)
    frames, data = contents(journal).frames, journal.read_bytes()
    if index == "no index":
        index_path(journal).unlink()
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= bit
        journal.write_bytes(broken)
        hit = next(n for n, frame in enumerate(frames) if frame.offset <= at < frame.end)
        intact = samples[: 2 * hit] + samples[2 * hit + 2 :]
        counted = settled([journal], RECORDS, PER_RECORD, verify=True)
        expected = [PER_RECORD * s.ordinal + s.index for s in intact]
        assert counted.done.nonzero()[0].tolist() == expected
        reported: list[Damage] = []
        assert read_all(journal, damage=reported) == intact
        assert [(d.offset, d.end) for d in reported] == [(frames[hit].offset, frames[hit].end)]
        assert counted.damage == reported
        bad_path(journal).unlink()


@given(sample_lists().filter(bool), st.integers(1, 8), st.data())
def test_after_damage_is_set_aside_the_missing_keys_can_be_added_again(
    samples: list[Sample], flush_samples: int, data: st.DataObject
) -> None:
    with directory() as place:
        journal = write(place / "j", samples, flush_samples)
        content = bytearray(journal.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        journal.write_bytes(content)
        with pytest.raises(FrameDamaged, match="set it aside") as caught:
            read_all(journal)
        set_aside(journal, caught.value.damage)
        done = settled([journal], RECORDS, PER_RECORD, verify=True)
        assert done.damage == []
        missing = [s for s in samples if not done.done[PER_RECORD * s.ordinal + s.index]]
        assert 0 < len(missing) <= flush_samples
        write(journal, missing, flush_samples)
        assert read_all(journal) == by_key([as_read(sample) for sample in samples])
        assert held_twice(journal) == 0


def test_a_damaged_tail_is_cut_by_the_writer(tmp_path: Path) -> None:
    journal = write(tmp_path / "j", [simple(n) for n in range(6)], 2)
    frames, data = contents(journal).frames, journal.read_bytes()
    last_byte_flipped = data[:-1] + bytes([data[-1] ^ 1])
    for content, whole in (
        (last_byte_flipped, 2),
        (data + b"\x00" * 4096, 3),
        (data[: frames[1].end] + b"\x00" * 500, 2),
        (last_byte_flipped + data[:20], 2),
    ):
        journal.write_bytes(content)
        with JournalWriter(journal) as writer:
            assert writer.keys[:, 0].tolist() == list(range(2 * whole))
            assert journal.stat().st_size == frames[whole - 1].end
        assert contents(journal, verify=True).damage == []


def test_a_writer_leaves_damage_in_the_middle_where_it_is(tmp_path: Path) -> None:
    journal = write(tmp_path / "j", [simple(n) for n in range(6)], 2)
    frames, data = contents(journal).frames, bytearray(journal.read_bytes())
    data[frames[1].offset] ^= 1
    journal.write_bytes(data)
    index_path(journal).unlink()
    with JournalWriter(journal) as writer:
        (damage,) = contents(journal, verify=True).damage
        assert (damage.offset, damage.end) == (frames[1].offset, frames[1].end)
        assert writer.keys[:, 0].tolist() == [0, 1, 4, 5]
    assert journal.read_bytes() == data


def test_lone_surrogates_become_replacement_characters() -> None:
    line = encode_sample(simple(1, 0, "a\ud800b\udfff\U0001f600"))
    assert orjson.loads(line)["text"] == "a\ufffdb\ufffd\U0001f600"
    error = replace(simple(1), finish_reason="error", error="bad \udc80 byte")
    assert orjson.loads(encode_sample(error))["error"] == "bad \ufffd byte"


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    with JournalWriter(journal) as writer:
        writer.add(simple(0))
        with pytest.raises(LockTaken, match=f"process {os.getpid()}"), JournalWriter(journal):
            pass
        writer.add(simple(1))
    assert [sample.ordinal for sample in read_all(journal)] == [0, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j", "j.idx", "j.lock"]


def test_a_second_writer_that_waits_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    first = JournalWriter(journal)
    first.__enter__()
    first.add(simple(0))

    def waiting(words: str) -> bool:
        if first.keys is not None and (0, 0) in first:
            first.__exit__(None, None, None)
        return True

    with JournalWriter(journal, wait=3600.0, waiting=waiting) as second:
        assert second.keys.tolist() == [[0, 0]]
        second.add(simple(1))
    assert [sample.ordinal for sample in read_all(journal)] == [0, 1]


def test_without_flock_a_second_writer_is_noticed_before_it_does_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    journal = tmp_path / "j"
    with pytest.raises(OSError, match="changed under its writer"), JournalWriter(journal) as first:
        first.add(simple(0))
        write(journal, [simple(1)])
        first.flush()
    assert [sample.ordinal for sample in read_all(journal)] == [1]


def test_a_key_is_taken_once(tmp_path: Path) -> None:
    journal = write(tmp_path / "j", [simple(1)])
    with JournalWriter(journal) as writer:
        writer.add(simple(2))
        for repeated in (simple(1), simple(2)):
            with pytest.raises(DuplicateKey, match=f"sample 0 of record {repeated.ordinal}"):
                writer.add(repeated)
    assert [sample.ordinal for sample in read_all(journal)] == [1, 2]


@pytest.mark.parametrize("key", [(-1, 0), (0, -1), (2**32, 0), (0, 2**32)])
def test_a_key_that_does_not_fit_is_refused(tmp_path: Path, key: tuple[int, int]) -> None:
    with JournalWriter(tmp_path / "j") as writer, pytest.raises(ValueError, match="32-bit"):
        writer.add(simple(*key))


@pytest.mark.parametrize(
    ("limits", "frames"),
    [
        ({}, [6]),
        ({"flush_samples": 4}, [4, 2]),
        ({"flush_bytes": 1}, [1] * 6),
        ({"flush_bytes": 250}, [2, 2, 2]),
        ({"flush_seconds": 0.0}, [1] * 6),
    ],
)
def test_a_frame_is_written_when_a_limit_is_reached(
    tmp_path: Path, limits: dict[str, float], frames: list[int]
) -> None:
    with JournalWriter(tmp_path / "j", **limits) as writer:  # type: ignore[arg-type]
        for n in range(6):
            writer.add(simple(n))
    assert [frame.count for frame in contents(tmp_path / "j").frames] == frames


def test_what_has_waited_is_flushed_without_a_new_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with JournalWriter(tmp_path / "j", flush_seconds=5.0) as writer:
        writer.add(simple(0))
        now = 104.0
        writer.flush_if_due()
        assert contents(tmp_path / "j").frames == []
        now = 105.0
        writer.flush_if_due()
        assert len(contents(tmp_path / "j").frames) == 1


def test_an_exception_flushes_what_was_added(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), JournalWriter(tmp_path / "j") as writer:
        writer.add(simple(0))
        raise KeyboardInterrupt
    assert len(read_all(tmp_path / "j")) == 1


@pytest.mark.parametrize("moment", ["before the write", "after the write", "after fsync"])
def test_after_an_interrupt_while_a_frame_is_written_the_writer_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    interrupted = False
    call = "write" if moment.endswith("write") else "fsync"
    real = getattr(os, call)

    def interrupting(fd: int, *arguments: object) -> object:
        nonlocal interrupted
        if interrupted or not os.readlink(f"/proc/self/fd/{fd}").endswith("/j"):
            return real(fd, *arguments)
        interrupted = True
        if moment.startswith("after"):
            real(fd, *arguments)
        raise KeyboardInterrupt

    with JournalWriter(tmp_path / "j") as writer:
        for n in range(3):
            writer.add(simple(n))
        monkeypatch.setattr(os, call, interrupting)
        with pytest.raises(KeyboardInterrupt):
            writer.flush()
        writer.add(simple(3))
    assert interrupted and read_all(tmp_path / "j") == [simple(n) for n in range(4)]
    assert held_twice(tmp_path / "j") == 0


def test_damage_of_other_ordinals_is_no_concern_of_a_reader(tmp_path: Path) -> None:
    journal = write(tmp_path / "j", [simple(n) for n in range(6)], 2)
    data = bytearray(journal.read_bytes())
    data[-1] ^= 1
    journal.write_bytes(data)
    index_path(journal).unlink()
    assert [record[0].ordinal for record in read_samples([journal], 0, 4)] == [0, 1, 2, 3]
    with pytest.raises(FrameDamaged):
        list(read_samples([journal], 0, 5))


def test_an_empty_journal_reads_as_nothing(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "j") as writer:
        assert writer.keys.shape == (0, 2)
    assert read_all(tmp_path / "j") == [] == list(read_samples([], 0, 5))


@given(
    st.lists(st.tuples(KEY_LISTS, st.integers(1, 6)), max_size=4),
    st.integers(0, RECORDS),
    st.integers(0, RECORDS),
    st.sampled_from([1, 200, 1 << 20]),
    st.sampled_from([0, 1000, 1 << 20]),
)
def test_a_range_is_read_in_order_and_the_first_of_each_key_counts(
    journals: list[tuple[list[tuple[int, int]], int]],
    first: int,
    last: int,
    window_bytes: int,
    cache_bytes: int,
) -> None:
    with directory() as place:
        paths, expected = [], {}
        for number, (keys, flush_samples) in enumerate(journals):
            samples = [simple(ordinal, index, f"journal {number}") for ordinal, index in keys]
            paths.append(write(place / f"j{number}", samples, flush_samples))
            for sample in samples:
                expected.setdefault((sample.ordinal, sample.index), sample)
        read = list(read_samples(paths, first, last, window_bytes=window_bytes, cache_bytes=cache_bytes))
        assert [s for record in read for s in record] == [
            expected[key] for key in sorted(expected) if first <= key[0] < last
        ]
        assert all(len({s.ordinal for s in record}) == 1 for record in read)
        assert len({record[0].ordinal for record in read}) == len(read)
