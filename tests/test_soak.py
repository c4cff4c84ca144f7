"""The soak itself: it runs, repeats its draws, and tells each of the faults that it is there to find."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from omi_core.store.layout import Layout
from omi_core.store.plan import read_plan
from tests.soaking.checks import Acknowledged, Difference, check_dataset, digests
from tests.soaking.faults import CALM_FROM, KILL, KINDS, PAUSE, draw_session

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_rounds_end_in_the_same_bytes_and_leave_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.soak", "--rounds", "2", "--seed", "2026", "--dir", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=840)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("seed 2026")
    assert [line.split()[:2] for line in lines if "same bytes" in line] == [["round", "0"], ["round", "1"]]
    assert not list(tmp_path.iterdir())


def test_a_round_draws_the_same_faults_alone_as_among_others() -> None:
    drawn = [draw_session(1, number, session, KINDS) for number in range(3) for session in range(CALM_FROM)]
    assert drawn[CALM_FROM:] == [draw_session(1, n, session, KINDS) for n in (1, 2) for session in range(10)]
    assert len(set(drawn)) == len(drawn)
    assert {fault.kind for session in drawn for fault in session.faults} == set(KINDS)


def test_only_faults_that_are_possible_here_are_drawn() -> None:
    drawn = [draw_session(1, 0, session, (KILL, PAUSE)) for session in range(CALM_FROM)]
    assert {fault.kind for session in drawn for fault in session.faults} == {KILL, PAUSE}


def test_the_last_sessions_are_undisturbed_commands() -> None:
    drawn = [draw_session(seed, 0, CALM_FROM, KINDS) for seed in range(20)]
    assert not any(session.faults or session.array for session in drawn)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of other content, `run` and `other`."""
    folder = tmp_path_factory.mktemp("runs")
    words = ["teacher=rehearsal", "data.size=20", "samples=4", "run.flush_samples=8", "cluster.workers=1"]
    for seed, name in enumerate(["run", "other"]):
        command = [sys.executable, "-m", "jobs.generate", *words, f"seed={seed}", f"run.dir={folder / name}"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture
def run(runs: Path, tmp_path: Path) -> Path:
    return shutil.copytree(runs / "run", tmp_path / "run")


def cut(journal: Path) -> None:
    """A whole frame goes from the end, as if it had never been flushed."""
    lines = journal.with_name(f"{journal.name}.idx").read_bytes().splitlines(keepends=True)
    with journal.open("ab") as file:
        file.truncate(orjson.loads(lines[-1])["offset"])


def flip(journal: Path) -> None:
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)


def copy(journal: Path) -> None:
    shutil.copy(journal, journal.with_name("0002-00000.jsonl.zst"))


def set_aside(journal: Path) -> None:
    journal.with_name(f"{journal.name}.bad").touch()


@pytest.mark.parametrize(
    ("harm", "words"),
    [(cut, "gone"), (flip, "journals: "), (copy, "there twice"), (set_aside, "set aside")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_harm_to_a_journal_is_a_difference(run: Path, harm: Callable[[Path], None], words: str) -> None:
    keys = Acknowledged(Layout(run))
    keys.look_closely()
    assert keys.all_there()
    harm(run / "generate/0001-00000.jsonl.zst")
    with pytest.raises(Difference, match=words):
        keys.look_closely()


def test_a_dataset_of_other_rows_is_a_difference_though_it_is_whole(runs: Path) -> None:
    plan = read_plan(Layout(runs / "run"))
    expected = digests(runs / "run/dataset")
    check_dataset(runs / "run/dataset", plan, expected)
    check_dataset(runs / "other/dataset", plan)
    with pytest.raises(Difference, match="not the bytes"):
        check_dataset(runs / "other/dataset", plan, expected)


def test_a_sample_that_is_not_accounted_for_is_a_difference(run: Path) -> None:
    path = run / "dataset/stats.json"
    stats = orjson.loads(path.read_bytes())
    stats["counts"]["samples"] += 1
    path.write_bytes(orjson.dumps(stats))
    with pytest.raises(Difference, match="accounted for"):
        check_dataset(run / "dataset", read_plan(Layout(run)))
