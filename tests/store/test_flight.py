"""Records in flight: a crash names those that were in it, a kill from outside nobody."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.store.flight import Flight, begun_so_far, crash_counts, forget_kills, last_words

ordinals = st.lists(st.integers(min_value=0, max_value=6), max_size=60)


@given(ordinals, st.randoms(use_true_random=False))
def test_a_crash_names_exactly_the_records_in_flight(sent: list[int], draw: random.Random) -> None:
    aloft: list[int] = []
    with tempfile.TemporaryDirectory() as folder, closing(Flight(Path(folder) / "0001-00000")) as flight:
        for ordinal in sent:
            flight.take_off(ordinal)
            aloft.append(ordinal)
            if draw.random() < 0.6:
                flight.land(aloft.pop(draw.randrange(len(aloft))))
        flight.crashed("ValueError: why\nand more")
        counts, words = crash_counts(Path(folder))
    assert set(counts) == set(aloft)
    assert set(words.values()) <= {"ValueError: why and more"}


def test_crashes_are_counted_over_engines_and_shards(tmp_path: Path) -> None:
    for stem, aloft in (("0001-00000", (1, 2)), ("0001-00000", (2,)), ("0002-00007", (2, 3))):
        with closing(Flight(tmp_path / stem)) as flight:
            for key in aloft:
                flight.take_off(key)
            flight.crashed(f"the crash of {aloft}")
    counts, words = crash_counts(tmp_path)
    assert counts == {1: 1, 2: 3, 3: 1}
    assert words[2] == "the crash of (2, 3)"
    assert last_words(tmp_path / "0001-00000") == "the crash of (2,)"
    assert last_words(tmp_path / "0009-00000") == ""


def test_an_end_without_a_crash_leaves_nothing(tmp_path: Path) -> None:
    with closing(Flight(tmp_path / "0001-00000")) as flight:
        flight.take_off(5)
    assert list(tmp_path.iterdir()) == []


DYING = """
import faulthandler, os, signal, sys
from pathlib import Path
from omi_core.store.flight import Flight
flight = Flight(Path(sys.argv[1]))
flight.take_off(41)
flight.take_off(42)
flight.land(41)
faulthandler.enable(flight.words_fd, all_threads=False)
os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("number", "suspects"),
    [(signal.SIGSEGV, [42]), (signal.SIGABRT, [42]), (signal.SIGKILL, []), (signal.SIGTERM, [])],
)
def test_a_process_that_crashes_accuses_and_one_that_is_killed_does_not(
    tmp_path: Path, number: signal.Signals, suspects: list[int]
) -> None:
    dead = subprocess.run([sys.executable, "-c", DYING, tmp_path / "0001-00000", str(int(number))])
    assert dead.returncode == -number
    counts, words = crash_counts(tmp_path)
    assert list(counts) == suspects
    assert all(text.startswith("Fatal Python error") for text in words.values())
    assert begun_so_far(tmp_path) == {(1, 0): 2}
    forget_kills(tmp_path, "0001-00000.")
    left = {path.suffix for path in tmp_path.iterdir()}
    assert left == ({".flight", ".crash"} if suspects else {".killed"})
    assert begun_so_far(tmp_path) == {(1, 0): 2}
    assert begun_so_far(tmp_path, killed=True) == ({} if suspects else {(1, 0): 2})


def test_a_shard_counts_on_after_every_kill(tmp_path: Path) -> None:
    begun = 0
    for sent in ((1, 1, 2), (5,), ()):
        flight = Flight(tmp_path / "0001-00012", begun)
        for ordinal in sent:
            flight.take_off(ordinal)
        begun += len(sent)
        forget_kills(tmp_path, "0001-00012.")
        assert begun_so_far(tmp_path, "0001-00012.") == {(1, 12): begun}
    assert begun_so_far(tmp_path, "0001-00001.") == {}
    (tmp_path / "0001-00013.1.flight").write_bytes((7).to_bytes(8, "little"))  # as older versions wrote it
    assert begun_so_far(tmp_path)[1, 13] == 0
