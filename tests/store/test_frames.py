"""A file of frames is plain zstd to others; scanning it finds every whole frame and all that is broken."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from omi_core.store import frames
from omi_core.store.frames import (
    HEADER_BYTES,
    Damage,
    Frame,
    FrameDamaged,
    encode,
    keys_of,
    parse_header,
    scan,
)

KEYS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
FRAMES = st.lists(st.lists(KEYS, min_size=1, max_size=5), max_size=5)


def lines_of(keys: list[tuple[int, int]], text: str = "t") -> bytes:
    rows = [{"ordinal": ordinal, "sample": index, "text": text} for ordinal, index in keys]
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def build(contents: list[list[tuple[int, int]]], text: str = "t") -> tuple[list[Frame], bytes]:
    built: list[Frame] = []
    data = b""
    for keys in contents:
        frame, encoded = encode(lines_of(keys, text), np.array(keys, dtype="<u4"), 0, len(data))
        built.append(frame)
        data += encoded
    return built, data


def scan_bytes(data: bytes, start: int = 0, stop: int | None = None) -> list[Frame | Damage]:
    fd = os.memfd_create("frames")
    try:
        os.write(fd, data)
        return list(scan(fd, Path("memory"), start, len(data) if stop is None else stop, len(data)))
    finally:
        os.close(fd)


def found_frames(found: list[Frame | Damage]) -> list[Frame]:
    return [piece for piece in found if isinstance(piece, Frame)]


@given(FRAMES)
def test_a_scan_finds_every_frame_with_its_keys(contents: list[list[tuple[int, int]]]) -> None:
    built, data = build(contents)
    found = scan_bytes(data)
    assert found == built
    assert [frame.keys.tolist() for frame in found_frames(found)] == [
        list(map(list, keys)) for keys in contents
    ]


@given(FRAMES, st.integers(0, 10_000))
def test_a_file_cut_anywhere_is_its_whole_frames_and_no_damage(
    contents: list[list[tuple[int, int]]], cut: int
) -> None:
    built, data = build(contents)
    cut = min(cut, len(data))
    assert scan_bytes(data[:cut]) == [frame for frame in built if frame.end <= cut]


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_one_damaged_byte_costs_exactly_its_own_frame(flip: int) -> None:
    built, data = build([[(1, 0), (1, 1)], [(2, 0)], [(3, 7), (2, 1)]])
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= flip
        found = scan_bytes(bytes(broken))
        hit = next(frame for frame in built if frame.offset <= at < frame.end)
        assert found_frames(found) == [frame for frame in built if frame is not hit]
        damages = [(piece.offset, piece.end) for piece in found if isinstance(piece, Damage)]
        assert damages == [(hit.offset, hit.end)]


@given(st.data())
def test_a_stretch_of_garbage_costs_no_frame_outside_it(data: st.DataObject) -> None:
    built, clean = build([[(n, 0)] for n in range(4)])
    start = data.draw(st.integers(0, len(clean) - 1))
    garbage = data.draw(st.binary(min_size=1, max_size=200))
    broken = clean[:start] + garbage + clean[start + len(garbage) :]
    whole = [f for f in built if f.end <= len(broken) and broken[f.offset : f.end] == clean[f.offset : f.end]]
    assert found_frames(scan_bytes(broken)) == whole


@pytest.mark.parametrize("search_bytes", [1, 50, 97, 1 << 20])
def test_the_next_header_is_found_wherever_reads_are_cut(
    monkeypatch: pytest.MonkeyPatch, search_bytes: int
) -> None:
    monkeypatch.setattr(frames, "_SEARCH_BYTES", search_bytes)
    built, data = build([[(1, 0)]])
    shifted = b"\x00" * 150 + data
    damage, frame = scan_bytes(shifted)
    assert isinstance(damage, Damage) and (damage.offset, damage.end) == (0, 150)
    assert isinstance(frame, Frame) and (frame.offset, frame.crc) == (150, built[0].crc)


def test_a_frame_cut_short_before_another_is_damage_with_known_ordinals() -> None:
    built, data = build([[(5, 0), (9, 0)], [(6, 0)]])
    cut = built[0].end - 3
    damage, frame = scan_bytes(data[:cut] + data[built[0].end :])
    assert isinstance(damage, Damage) and (damage.first, damage.last) == (5, 9)
    assert (damage.offset, damage.end) == (0, cut)
    assert isinstance(frame, Frame) and frame.keys.tolist() == [[6, 0]]


def test_within_a_gap_what_is_cut_short_is_damage_not_a_tail() -> None:
    built, data = build([[(1, 0)], [(2, 0)]])
    (damage,) = scan_bytes(data, 0, built[0].end - 1)
    assert isinstance(damage, Damage) and damage.end == built[0].end - 1


def test_text_that_imitates_a_header_stays_text() -> None:
    header = build([[(1, 0)]])[1][:HEADER_BYTES]
    text = "\x18M*Z" + header.decode("latin-1") + header.decode("utf-8", "replace") + "\x00" * 100
    built, data = build([[(n, 0)] for n in range(3)], text)
    assert scan_bytes(data) == built
    broken = bytearray(data)
    broken[0] ^= 1
    assert found_frames(scan_bytes(bytes(broken))) == built[1:]


@given(FRAMES)
def test_other_programs_read_the_lines_as_plain_zstd(contents: list[list[tuple[int, int]]]) -> None:
    _, data = build(contents)
    reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
    assert reader.read() == b"".join(map(lines_of, contents))


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd command is not installed")
def test_the_zstd_command_reads_the_lines() -> None:
    contents = [[(1, 0), (1, 1)], [(2, 0)]]
    _, data = build(contents)
    done = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True)
    assert done.stdout == b"".join(map(lines_of, contents))


def test_a_frame_is_read_only_as_it_was_written(tmp_path: Path) -> None:
    built, data = build([[(1, 0)], [(2, 0)]])
    path = tmp_path / "journal"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert frames.frame_lines(fd, built[1], path) == lines_of([(2, 0)])
        moved = replace(built[1], offset=built[1].offset + 1)
        for frame in (moved, replace(built[1], crc=5), replace(built[1], offset=len(data))):
            with pytest.raises(FrameDamaged, match="no frame header") as caught:
                frames.frame_lines(fd, frame, path)
            assert caught.value.damage.offset == frame.offset
            assert frames.check(fd, frame, path) == caught.value.damage
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    "lines",
    [
        b"{}\n",
        b"1\n",
        b"[1]\n",
        b"not json\n",
        b'{"ordinal":-1,"sample":0}\n',
        b'{"ordinal":"a","sample":0}\n',
        b"\xff\n",
    ],
)
def test_lines_without_keys_are_refused(lines: bytes) -> None:
    with pytest.raises(ValueError, match="not the lines of a journal"):
        keys_of(lines)


def test_a_frame_of_other_lines_is_damage_even_with_good_checksums() -> None:
    keys = np.array([[4, 0]], dtype="<u4")
    for lines, reason in ((b"<xml/>\n", "not the lines"), (lines_of([(4, 0), (4, 1)]), "lines missing")):
        _, data = encode(lines, keys, 0, 0)
        (damage,) = scan_bytes(data)
        assert isinstance(damage, Damage) and reason in damage.reason and damage.first == 4


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more lines"):
        encode(b"", np.empty((0, 2), dtype="<u4"), 0, 0)


@given(st.binary(max_size=100))
def test_random_bytes_are_no_header(data: bytes) -> None:
    assert parse_header(data, 0) is None


def test_a_record_counts_as_its_first_sample() -> None:
    assert keys_of(b'{"ordinal":7,"id":"x"}\n{"ordinal":8,"sample":3}\n').tolist() == [[7, 0], [8, 3]]
