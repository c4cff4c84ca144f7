"""Problems are audited before they are solved: what several replies come to, and which problems go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omi_core import open_run
from omi_core.config import load_generate
from omi_core.records import Record, Sample
from omi_core.stages.local import run_locally
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.tasks import known
from omi_core.tasks.audits import FLAWS

NOTHING: dict[str, str | None] = dict.fromkeys(FLAWS, "no")
# Two replies about each of the three flaws, in order.
TABLE: list[tuple[str, list[str], dict[str, str | None], bool]] = [
    ("no flaw", ["No"] * 6, NOTHING, True),
    ("one flaw", ["Yes.", "yes", *["No"] * 4], NOTHING | {"incomplete": "yes"}, False),
    ("a tie is a flaw", ["No", "No", "Yes", "No", "No", "No"], NOTHING | {"contradictory": "yes"}, False),
    ("two flaws", ["No", "No", "Yes", "Yes", "Yes", "Yes"],
     {"incomplete": "no", "contradictory": "yes", "open_ended": "yes"}, False),
    ("what cannot be read has no say", ["No", "Perhaps.", *["No"] * 4], NOTHING, True),
    ("nothing to be read is no flaw", ["Hm.", "", *["No"] * 4], NOTHING | {"incomplete": None}, True),
]  # fmt: skip


def config(directory: Path, **values: Any) -> Any:
    base: dict[str, Any] = {
        "run": {"dir": str(directory)},
        "task": {"name": "audits"},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": {"size": 40, "split": "test", "answer": "answer"},
        "samples": 1,
        "cluster": {"workers": 1},
    }
    for key, value in values.items():
        base[key] = base.get(key, {}) | value if isinstance(value, dict) else value
    return load_generate(base)


def made(directory: Path, **values: Any) -> Run[Any]:
    run = plan_generate(config(directory, **values))
    run_locally(run, Stop())
    return run


@pytest.mark.parametrize(
    ("replies", "found", "sound"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_replies_come_to(
    tmp_path: Path, replies: list[str], found: dict[str, str | None], sound: bool
) -> None:
    asked = config(tmp_path, samples=2, sampling={"temperature": 1.0}, audits={"keep": "all"})
    record = Record(0, "id", "What is 1 + 1?", "2", "test")
    samples = [Sample(0, "id", at, text, "stop", 9, 1, 0.1) for at, text in enumerate(replies)]
    with known()["audits"].reducer(asked, 6, lambda: ()) as reducer:
        (row,) = reducer.reduce([(record, samples)])
    assert {name: row[name] for name in FLAWS} == found
    assert (row["sound"], row["answer"]) == (sound, "2")


def test_each_flaw_is_asked_about_by_itself(tmp_path: Path) -> None:
    task, record = known()["audits"], Record(0, "id", "What is 1 + 1?", "2", "test")
    assert task.prompts(config(tmp_path)) == len(FLAWS)
    asked = [task.fields(record, number) for number in range(len(FLAWS))]
    assert [fields["question"] for fields in asked] == list(FLAWS.values())
    assert {fields["text"] for fields in asked} == {"What is 1 + 1?"}


def test_sound_problems_go_on_to_be_solved_with_their_answers(tmp_path: Path) -> None:
    audited = made(tmp_path / "audited")
    kept = list(open_run(audited.layout.root).rows())
    everything = made(tmp_path / "all", audits={"keep": "all"})
    rows = list(open_run(everything.layout.root).rows())
    assert kept == [row for row in rows if row["sound"]] and 0 < len(kept) < len(rows) == 40
    data = {"origin": "file", "path": str(audited.layout.root), "answer": "answer"}
    solved = made(tmp_path / "solved", task={"name": "solutions"}, data=data, samples=2)
    records = list(open_run(solved.layout.root).records())
    assert [(one.text, one.expected_answer) for one in records] == [
        (row["problem"], row["answer"]) for row in kept
    ]
    stats = open_run(everything.layout.root).stats
    assert stats is not None
    assert stats["counts"]["audited"]["problems"] == 40
    assert stats["counts"]["audited"]["sound"] == len(kept)


@pytest.mark.parametrize("tasks", [2, 7])
def test_the_bytes_are_the_same_for_any_number_of_tasks(
    tmp_path: Path, tasks: int, hashes: Callable[[Run[Any]], str]
) -> None:
    one = made(tmp_path / "one", samples=3, sampling={"temperature": 1.0})
    other = made(tmp_path / "other", samples=3, sampling={"temperature": 1.0}, tasks=tasks)
    assert hashes(one) == hashes(other)


@pytest.fixture
def hashes() -> Callable[[Run[Any]], str]:
    def content(run: Run[Any]) -> str:
        stats = open_run(run.layout.root).stats
        assert stats is not None
        return stats["content_hash"]

    return content
