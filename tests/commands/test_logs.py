"""`jobs.logs`: which logs are shown, and what is added to them while somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from omi_core.commands import logs, waiting
from omi_core.slurm import states
from omi_core.slurm.commands import NotInstalled
from omi_core.slurm.run_status import Status
from omi_core.slurm.states import TaskKey, TaskState
from omi_core.store import ledger
from omi_core.store.files import write_json
from omi_core.store.layout import Layout
from tests.conftest import Here
from tests.pausing import replace_pauses


@pytest.fixture
def layout(here: Here, tmp_path: Path) -> Layout:
    """A run with an array of three tasks, whose second rank had nothing to do, and a gate."""
    words = ("teacher=rehearsal", "data.size=6", "samples=1", "cluster.workers=1", "tasks=3", "run.dir=run")
    assert here("generate", *words)[0] == 0
    found = Layout(tmp_path / "run")
    found.logs.mkdir()
    ledger.append(found.ledger, {"stage": "generate", "attempt": 1, "job": "7", "array": [0, 2, 0]})
    ledger.append(found.ledger, {"stage": "gate", "attempt": 1, "job": "8", "array": None})
    for name, text in (("7_0_0", "a"), ("7_0_1", ""), ("7_1_0", "b"), ("7_2_0", "c"), ("8_0", "d")):
        (found.logs / f"{name}.log").write_text(text and f"{text}\n")
    (found.logs / "7_1.sbatch.log").write_text("slurmstepd: killed\n")
    return found


def shown(out: str) -> list[str]:
    return [Path(line.split()[-1]).name for line in out.splitlines() if line.startswith("== ")]


def test_empty_logs_are_left_out_unless_their_task_is_asked_for(here: Here, layout: Layout) -> None:
    assert shown(here("logs", "run")[1]) == ["7_0_0.log", "7_1_0.log", "7_2_0.log", "8_0.log"]
    assert shown(here("logs", "run", "task=0")[1]) == ["7_0_0.log", "7_0_1.log"]


FAILED = {TaskKey("7", 1): TaskState("FAILED"), TaskKey("7", 2): TaskState("CANCELLED")}


@pytest.mark.parametrize(
    ("seen", "trouble", "names"),
    [
        (FAILED, None, ["7_1_0.log", "7_1.sbatch.log"]),
        ({}, lambda run: run.trouble(1, 2), ["7_2_0.log"]),
        ({}, lambda run: run.job_trouble("8"), ["8_0.log"]),
        ({}, lambda run: run.job_trouble("7_0"), ["7_0_0.log"]),
        ({}, None, []),
        (None, lambda run: run.trouble(1, 0), ["7_0_0.log"]),
    ],
    ids=["slurm says so", "a shard left word", "a job left word", "a task left word", "none", "no slurm"],
)
def test_only_tasks_that_failed_are_shown_where_those_are_asked_for(
    here: Here,
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
    seen: dict[TaskKey, TaskState] | None,
    trouble: Callable[[Layout], Path] | None,
    names: list[str],
) -> None:
    def query(entries: object) -> dict[TaskKey, TaskState]:
        if seen is None:
            raise NotInstalled("squeue", "is not here")
        return seen

    monkeypatch.setattr(states, "query_submitted", query)
    if trouble is not None:
        write_json(trouble(layout), {"class": "ValueError", "message": "why"})
    code, out, _ = here("logs", "run", "failed=true")
    assert (code, shown(out)) == (0, names)
    assert ("no task of it has failed" in out) == (not names)


def test_what_is_added_is_followed_until_nothing_is_at_work(
    here: Here, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(["running", "running", "published"])
    monkeypatch.setattr(waiting, "gather", lambda root: Status(str(root), next(looks)))
    monkeypatch.setattr(logs, "_ASK_S", 0.0)
    added = iter([("7_0_0", "more\nhalf a"), ("8_0", "new\n"), ("7_0_0", " line\n")])

    def write(seconds: float) -> None:
        name, text = next(added)
        with (layout.logs / f"{name}.log").open("a") as file:
            file.write(text)

    replace_pauses(monkeypatch, logs, write)
    code, out, _ = here("logs", "run", "follow=true", "lines=1")
    assert code == 0
    tail = out.split("8_0.log\nd\n", 1)[1].splitlines()
    log = layout.logs.relative_to(layout.root.parent)
    assert tail == [f"== generate {log}/7_0_0.log", "more", f"== gate {log}/8_0.log", "new"]
