"""The index of a run's records: what it says is what the run says, whatever it was made through."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import omi_core
from omi_core.explore.indexing import open_index, place_of, state_of
from omi_core.explore.record_index import RecordIndex
from omi_core.explore.selection import EVERY, ORDERS, Selection
from omi_core.options import ConfigError
from omi_core.records import Record
from omi_core.stages.run import Run, open_run
from omi_core.store.frames import FrameDamaged
from omi_core.store.journal import JournalWriter, read_samples
from omi_core.store.layout import Layout
from omi_core.tasks import task_of
from omi_core.tasks.reducing import Fate
from tests.conftest import SmallDisk

WORDS = ["teacher=rehearsal", "data.size=60", "samples=6", "cluster.workers=1", "adaptive.first=3"]
SHARES = ["wrong=0.4", "overlong=0.1", "hostile=0.1", "malformed=0.1"]
# Programs that make the index of the run argv[1] in windows of 4 records; the second one ends itself instead
# of writing window argv[2], as a kill would, with what it has committed on disk.
MAKE = """
import os, signal, sys
from pathlib import Path
from omi_core.explore import indexing
from omi_core.stages import reduce
from omi_core.stages.run import open_run
from omi_core.store.layout import Layout
reduce.WINDOW = 4
indexing._COMMIT_SECONDS = 0
indexing._SAMPLES = 60
run = open_run(Layout(Path(sys.argv[1])))
"""
KILLED = f"""{MAKE}
written = indexing._write
windows = 0
def write(database, window):
    global windows
    windows += 1
    database.execute("pragma cache_size = 1")  # so that half a transaction is on disk
    written(database, window[:2] if windows == int(sys.argv[2]) else window)
    if windows == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
indexing._write = write
indexing.open_index(run, indexing.place_of(run, None))
"""
MADE = f"{MAKE}\nindexing.open_index(run, indexing.place_of(run, None))"


@dataclass(frozen=True)
class Known:
    """A run, its index, and by other means what there is: of each record what became of its samples."""

    run: Run[Any]
    index: RecordIndex
    records: list[tuple[Record, list[Fate]]]


def copied(known: Known, to: Path) -> Run[Any]:
    """The run once more, without an index."""
    shutil.copytree(known.run.layout.root, to, ignore=shutil.ignore_patterns("explore.sqlite", ".explore*"))
    return open_run(Layout(to))


def dumped(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    root = tmp_path_factory.mktemp("runs") / "run"
    shares = [f"teacher.rehearsal.{each}" for each in SHARES]
    config = omi_core.compose("generate", [*WORDS, *shares, f"run.dir={root}"])
    assert omi_core.run(omi_core.plan(config)) is not None
    run = open_run(Layout(root))
    index = open_index(run, place_of(run, None))
    samples = {found[0].ordinal: found for found in read_samples(run.layout.journals(), 0, 60)}
    with task_of(run.config).reducer(run.config, run.plan.samples, lambda: ()) as reducer:
        records = [
            (record, next(reducer.fates([(record, samples[record.ordinal])])))
            for record in omi_core.open_run(root).records()
        ]
    return Known(run, index, records)


def rate(fates: Sequence[Fate]) -> float | None:
    tried = [fate for fate in fates if fate.sample.drawn and fate.sample.error is None]
    return sum(fate.verdict == "equal" for fate in tried) / len(tried) if tried else None


def disagreement(fates: Sequence[Fate]) -> float | None:
    groups = [fate.group for fate in fates if fate.group is not None]
    return 1 - max(map(groups.count, groups)) / len(groups) if groups else None


def naive(known: Known, asked: Selection) -> list[int]:
    """What is selected, the plain way."""

    def within(value: float | None, span: tuple[float, float]) -> bool:
        return span == EVERY or (value is not None and span[0] <= value <= span[1])

    found = [
        (record.ordinal, rate(fates), disagreement(fates))
        for record, fates in known.records
        if all(
            word in f"{record.text}\n{record.source}\n{record.id}".casefold()
            for word in asked.search.casefold().split()
        )
        and (not asked.reason or asked.reason in [fate.outcome for fate in fates if fate.sample.drawn])
        and within(rate(fates), asked.pass_rate)
        and within(disagreement(fates), asked.disagreement)
    ]
    keys = {
        "input": lambda row: row[0],
        "hardest": lambda row: (row[1] is None, row[1] or 0, row[0]),
        "easiest": lambda row: (row[1] is None, -(row[1] or 0), row[0]),
        "disagreement": lambda row: (row[2] is None, -(row[2] or 0), row[0]),
    }
    return [row[0] for row in sorted(found, key=keys[asked.order])]


SPANS = st.one_of(
    st.just(EVERY),
    st.tuples(*2 * [st.sampled_from([0.0, 0.2, 0.25, 1 / 3, 0.5, 0.75, 1.0])]).map(
        lambda two: (min(two), max(two))
    ),
)
SELECTIONS = st.builds(
    Selection,
    search=st.sampled_from(
        ["", "a", "A", "each how", "7", "%", "_", "'", "baker", "\x00", "\ud800", "demo", "İ"]
    ),
    reason=st.sampled_from(["", "row", "other_answer", "unfinished", "no_answer", "nothing"]),
    pass_rate=SPANS,
    disagreement=SPANS,
    order=st.sampled_from(list(ORDERS)),
)


@given(asked=SELECTIONS, at=st.integers(0, 70), count=st.integers(1, 70))
def test_what_is_selected_is_what_plain_code_selects(
    known: Known, asked: Selection, at: int, count: int
) -> None:
    expected = naive(
        known, replace(asked, search=asked.search.replace("\x00", "\ufffd").replace("\ud800", "?"))
    )
    total, lines = known.index.find(asked, at, count)
    assert total == len(expected)
    assert [line.ordinal for line in lines] == expected[at : at + count]


@given(asked=SELECTIONS)
def test_an_address_asks_for_what_was_selected(asked: Selection) -> None:
    from urllib.parse import parse_qsl

    given_search = asked.search.replace("\x00", "\ufffd").replace("\ud800", "?")
    rounded = {
        name: tuple(float(f"{share:g}") for share in getattr(asked, name))
        for name in ("pass_rate", "disagreement")
    }
    query = dict(parse_qsl(asked.query(at=7)[1:]))
    assert query["at"] == "7"
    assert Selection.of_query(query) == replace(asked, search=given_search, **rounded)


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ({"pass_rate_from": "x"}, "pass_rate=[x,1]: give the least and the most"),
        ({"pass_rate_to": "nan"}, "pass_rate=[0,nan]"),
        ({"disagreement_from": "0.8", "disagreement_to": "0.2"}, "disagreement=[0.8,0.2]"),
        ({"pass_rate_from": "-1"}, "pass_rate=[-1,1]"),
        ({"order": "'; drop table records"}, "order="),
    ],
    ids=str,
)
def test_an_address_that_asks_for_nonsense_is_told_so(query: dict[str, str], line: str) -> None:
    with pytest.raises(ConfigError, match="^" + line.replace("[", r"\[").replace("]", r"\]")):
        Selection.of_query(query)


def test_a_record_has_the_fates_that_its_reducer_tells(known: Known) -> None:
    for record, fates in known.records:
        assert known.index.fates(known.run.layout, record.ordinal) == fates
    for line, (record, fates) in zip(known.index.find(Selection(), 0, 60)[1], known.records, strict=True):
        drawn = [fate for fate in fates if fate.sample.drawn]
        assert (line.ordinal, line.samples, line.start) == (record.ordinal, len(drawn), record.text[:160])
        assert line.kept == sum(fate.outcome == "row" for fate in drawn)
        assert (line.pass_rate, line.disagreement) == (rate(fates), disagreement(fates))


def test_what_samples_became_adds_up_to_the_statistics(known: Known) -> None:
    stats = omi_core.open_run(known.run.layout.root).stats
    assert stats is not None
    counts = stats["counts"]
    expected = {name: found["dropped"] for name, found in counts["filters"].items()} | counts["selection"]
    expected |= {"row": counts["rows"], "quarantined": counts.get("quarantined", 0)}
    found = {name: samples for name, samples, _ in known.index.outcomes}
    assert found == {name: number for name, number in expected.items() if number}
    assert len(found) > 4 and list(found.values()) == sorted(found.values(), reverse=True)


def test_an_index_that_was_killed_again_and_again_is_the_same(known: Known, tmp_path: Path) -> None:
    killed, plain = copied(known, tmp_path / "killed"), copied(known, tmp_path / "plain")
    for window in (2, 6, 1):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, killed.layout.root, str(window)], capture_output=True
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert not killed.layout.explored.exists()
    open_index(killed, place_of(killed, None))
    open_index(plain, place_of(plain, None))
    assert dumped(killed.layout.explored) == dumped(plain.layout.explored)
    left = {path.name for path in killed.layout.root.iterdir()}
    assert left - {path.name for path in known.run.layout.root.iterdir()} == set()


def test_several_explorers_make_one_index(known: Known, tmp_path: Path) -> None:
    run = copied(known, tmp_path / "run")
    programs = [
        subprocess.Popen([sys.executable, "-c", MADE, run.layout.root], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [program.communicate()[1].decode() for program in programs]
    assert [program.returncode for program in programs] == [0, 0], said
    assert sum("explore:" in each for each in said) == 1  # the others waited, or came when it was there
    assert dumped(run.layout.explored) == dumped(known.run.layout.explored)


def test_an_index_is_made_anew_when_there_are_other_samples(known: Known, tmp_path: Path) -> None:
    run = copied(known, tmp_path / "run")
    for path in run.layout.generate.iterdir():
        path.unlink()
    sample = known.records[2][1][0].sample
    path = place_of(run, None)
    assert open_index(run, path).find(Selection(), 0, 60)[1][2].samples == 0
    with JournalWriter(run.layout.journal(1, 0)) as journal:
        journal.add(sample)
    first, before = open_index(run, path), state_of(run)
    assert [line.samples for line in first.find(Selection(), 0, 4)[1]] == [0, 0, 1, 0]
    made = path.stat().st_mtime_ns
    assert open_index(run, path).state == before and path.stat().st_mtime_ns == made
    # A later journal is not asked for a key that an earlier one has.
    other = replace(sample, text="another text")
    with JournalWriter(run.layout.journal(2, 0)) as journal:
        journal.add(other)
        journal.add(replace(other, index=sample.index + 1))
    fates = open_index(run, path).fates(run.layout, 2)
    assert [fate.sample.text for fate in fates] == [sample.text, "another text"]
    assert state_of(run) != before


def test_no_index_is_made_of_what_is_damaged_and_one_that_is_there_says_where(
    known: Known, tmp_path: Path
) -> None:
    run = copied(known, tmp_path / "run")
    index = open_index(run, place_of(run, None))
    journal = run.layout.journals()[0]
    spoiled = bytearray(journal.read_bytes())
    for at in range(100, len(spoiled) - 20, 200):
        spoiled[at] ^= 0x11
    journal.write_bytes(spoiled)
    with pytest.raises(FrameDamaged, match="a wrong checksum"):
        index.fates(run.layout, 0)
    run.layout.explored.unlink()
    with pytest.raises(FrameDamaged):
        open_index(run, place_of(run, None))


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"\x00" * 4096])
def test_what_is_no_index_is_never_written_over(known: Known, tmp_path: Path, content: bytes) -> None:
    path = place_of(known.run, tmp_path / "folder")
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is no index of jobs.explore, or damaged; delete it"):
        open_index(known.run, path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_beginning_is_begun_anew(known: Known, tmp_path: Path, content: bytes) -> None:
    path = place_of(known.run, tmp_path)
    path.with_name(f".{path.name}.partial").write_bytes(content)
    path.with_name(f".{path.name}.partial-journal").write_bytes(content)
    open_index(known.run, path)
    assert dumped(path) == dumped(known.run.layout.explored)


def test_a_full_disk_is_told_in_a_line_and_leaves_no_index(known: Known, small_disk: SmallDisk) -> None:
    path = place_of(known.run, small_disk("40k"))
    with pytest.raises(OSError, match="cannot be written"):
        open_index(known.run, path)
    assert not path.exists()


def test_an_index_lies_where_it_is_asked_for(known: Known, tmp_path: Path) -> None:
    path = place_of(known.run, tmp_path / "deep/inside")
    open_index(known.run, path)
    assert path.parent == tmp_path / "deep/inside" and dumped(path) == dumped(known.run.layout.explored)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        place_of(known.run, tmp_path / "file")


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(["task=dialogues", "data.size=4"], marks=pytest.mark.slow, id="dialogues"),
        pytest.param(["task=problems", "data.size=12"], id="problems"),
    ],
)
def test_samples_of_other_tasks_have_the_filters_that_dropped_them(tmp_path: Path, task: list[str]) -> None:
    words = [
        *task,
        "teacher=rehearsal",
        "samples=4",
        "teacher.rehearsal.wrong=0.5",
        "teacher.rehearsal.malformed=0.3",
    ]
    found = omi_core.run(omi_core.plan(omi_core.compose("generate", [*words, f"run.dir={tmp_path / 'run'}"])))
    assert found is not None and found.stats is not None
    index = open_index(found.run, place_of(found.run, None))
    counts = found.stats["counts"]
    expected = {name: each["dropped"] for name, each in counts["filters"].items()} | counts.get(
        "selection", {}
    )
    expected |= {"row": counts["rows"], "quarantined": counts.get("quarantined", 0)}
    assert {name: samples for name, samples, _ in index.outcomes} == {
        name: number for name, number in expected.items() if number
    }
    assert len(index.outcomes) > 1
    assert all(line.pass_rate is None for line in index.find(Selection(), 0, 20)[1])
