"""Exit codes of `jobs.status` for scripts, and waiting until nothing is at work."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest

from omi_core.commands import waiting
from omi_core.slurm import run_status
from omi_core.slurm.run_status import Status
from tests.conftest import Here
from tests.pausing import replace_pauses

DOCS = Path(__file__).parents[2] / "docs"
CODES = {
    "published": 0,
    "evaluated": 0,
    "finished": 0,
    "waiting": 3,
    "running": 3,
    "planned": 4,
    "stuck": 4,
    "cancelled": 4,
    "ended": 4,
    "stopped": 4,
    "unknown": 1,
    "unreadable": 1,
}


class Seen:
    """What is seen of runs, look after look; the last look is repeated."""

    def __init__(self, *looks: tuple[str, ...]) -> None:
        self.looks, self.idle_s = list(looks), 0.0

    def __call__(self, path: Path, idle_s: float) -> Status:
        self.idle_s = idle_s
        states = self.looks[0]
        state = states[("a", "b").index(path.name)]
        if path.name == ("a", "b")[len(states) - 1] and len(self.looks) > 1:
            self.looks.pop(0)
        return Status(str(path), state, note="Slurm does not answer" if state == "unknown" else None)


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.json").write_text("{}")
    return ["a", "b"]


def see(monkeypatch: pytest.MonkeyPatch, *looks: tuple[str, ...]) -> tuple[Seen, list[float]]:
    seen, pauses = Seen(*looks), list[float]()
    monkeypatch.setattr(run_status, "gather_readable", seen)
    replace_pauses(monkeypatch, waiting, pauses.append)
    return seen, pauses


def test_every_state_that_the_docs_name_has_a_code() -> None:
    """As the tables of docs/slurm.md (runs) and docs/pipeline.md (pipelines) have them."""
    named = set()
    for page in ("slurm.md", "pipeline.md"):
        table = (DOCS / page).read_text(encoding="utf-8").split(" | meaning |\n|---|---|\n| planned |")[1]
        rows = takewhile(lambda line: line.startswith("|"), f"| planned |{table}".splitlines())
        named |= {state for row in rows for state in row.split("|")[1].strip().split(", ")}
    assert named == set(CODES)


@pytest.mark.parametrize("state", CODES)
def test_every_state_has_a_code_and_only_where_it_is_asked_for(
    here: Here, runs: list[str], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    see(monkeypatch, (state,))
    assert here("status", "a", "exit_code=true")[0] == CODES[state]
    assert here("status", "a")[0] == int(state == "unreadable")
    assert here("status", "a", "exit_code=true", "json=true")[0] == CODES[state]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (("published", "published"), 0),
        (("published", "running"), 3),
        (("running", "ended"), 4),
        (("ended", "unreadable"), 1),
    ],
)
def test_of_several_runs_the_worst_counts(
    here: Here, runs: list[str], monkeypatch: pytest.MonkeyPatch, states: tuple[str, ...], code: int
) -> None:
    see(monkeypatch, states)
    assert here("status", *runs, "exit_code=true")[0] == code


def test_waiting_ends_when_nothing_is_at_work_and_shows_that_alone(
    here: Here, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [("waiting", "running")] * 9 + [("published", "running"), ("published", "unknown")]
    _, pauses = see(monkeypatch, *looks, ("published", "ended"))
    code, out, _ = here("status", *runs, "wait=true", "interval=12")
    assert code == 4
    assert "b: ended" in out and "running" not in out
    assert len(pauses) == 11 and pauses[0] == 2 and sorted(pauses) == pauses and pauses[-1] == 12


def test_what_cannot_start_without_its_user_is_not_waited_for(
    here: Here, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pauses = see(monkeypatch, ("stuck",))
    assert (here("status", "a", "wait=true")[0], pauses) == (4, [])


def test_how_long_gpus_may_be_without_a_sample_is_an_option(
    here: Here, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, _ = see(monkeypatch, ("running",))
    here("status", "a", "idle_minutes=2.5")
    assert seen.idle_s == 150
    here("status", "a")
    assert seen.idle_s == 600
