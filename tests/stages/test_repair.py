"""Ground truths that are wrong: kept where samples agree, replaced by a clear majority, else set aside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from omi_core import open_run
from omi_core.answers import Grader
from omi_core.answers.answer_options import Repair
from omi_core.answers.judging import Judge
from omi_core.config import load_generate, load_reduce
from omi_core.options import ConfigError
from omi_core.records import Record
from omi_core.report.facts import run_facts
from omi_core.report.page import render_report
from omi_core.stages.local import run_locally
from omi_core.stages.planning import plan_generate, plan_reduce
from omi_core.stages.stopping import Stop
from omi_core.teachers.tiny import world

TABLE: list[tuple[str, str | None, list[str | None], Repair, tuple[str | None, str | None]]] = [
    ("some agree", "5", ["5", "7", "7", "7"], Repair(), ("kept", "5")),
    ("one agrees, in another form", "1/2", ["0.5", "7", "7", "7"], Repair(), ("kept", "1/2")),
    ("too few agree", "5", ["5", "7", "7", "7"], Repair(keep=2), ("set_aside", None)),
    ("none agrees but with each other", "5", ["7", "7", "7", "8"], Repair(), ("repaired", "7")),
    ("none agrees with anything", "5", ["7", "8", "9", "9"], Repair(share=0.6), ("set_aside", None)),
    ("no answer counts against a majority", "5", ["7", "7", None, None, None], Repair(), ("set_aside", None)),
    ("a single vote is no majority", "5", ["7"], Repair(), ("set_aside", None)),
    ("nothing to go by", "5", [None, None], Repair(), ("set_aside", None)),
    ("a truth that cannot be read", "see the figure", ["7", "7", "7"], Repair(), ("repaired", "7")),
    ("there is no ground truth", None, ["7", "7", "8"], Repair(), (None, "7")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("truth", "answers", "repair", "outcome"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_becomes_of_a_ground_truth(
    truth: str | None, answers: list[str | None], repair: Repair, outcome: tuple[str | None, str | None]
) -> None:
    with Grader() as grader:
        judge = Judge(grader, "repair", Counter(), repair=repair)
        (judged,) = judge.judge([Record(0, "id", "?", truth, "test")], [answers])
    assert (judged.truth, judged.expected[0]) == outcome
    assert judged.replaced == (truth if outcome[0] == "repaired" else None)


def spoiled(place: Path, share: float) -> dict[str, tuple[str, bool]]:
    """Problems of the embedded world in a file, a share of them with a wrong answer.

    PROBLEM -> its right answer, and whether the file has another one.
    """
    draw, known = Random(0), {}
    with (place / "problems.jsonl").open("wb") as file:
        for one in world.draw(0, 60, "test"):
            wrong = draw.random() < share
            known[one.text] = (one.answer, wrong)
            file.write(
                orjson.dumps({"problem": one.text, "answer": "90001" if wrong else one.answer}) + b"\n"
            )
    return known


def config(place: Path, **values: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "run": {"dir": str(place / "run")},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": {
            "origin": "file",
            "path": str(place / "problems.jsonl"),
            "answer": "answer",
            "name": "spoiled",
        },
        "samples": 8,
        "answers": {"expected": "repair"},
        "cluster": {"workers": 1},
    }
    return base | values


def test_spoiled_answers_are_found_and_no_good_one_is_touched(tmp_path: Path, monkeypatch: Any) -> None:
    """The rehearsal solves what the record says, so the truth is put back under it."""
    known = spoiled(tmp_path, 0.2)
    answers = "omi_core.tasks.solutions.right_answer"
    monkeypatch.setattr(answers, lambda request: known[request.record.text][0])
    run = plan_generate(load_generate(config(tmp_path)))
    stats = run_locally(run, Stop())
    rows = {row["problem"]: row for row in open_run(run.layout.root).rows()}
    for text, row in rows.items():
        right, wrong = known[text]
        assert row["expected_answer"] == right
        assert (row["ground_truth"], row["replaced_answer"]) == (
            ("repaired", "90001") if wrong else ("kept", None)
        )
    repair = stats["counts"]["repair"]
    assert sum(repair.values()) == 60
    assert repair["repaired"] == sum(wrong for _, wrong in known.values()) > 5
    assert (run.layout.dataset / "README.md").read_text().count(
        "ground truths that the majority replaced"
    ) == 1
    shown = render_report([run_facts(run.layout.root)], 0)
    assert "Repaired ground truths" in shown and shown.count("<td>90001</td>") == repair["repaired"]
    again = {
        "input": str(run.layout.root),
        "run": {"dir": str(tmp_path / "again")},
        "cluster": {"workers": 1},
    }
    reduced = plan_reduce(load_reduce(again | {"answers": {"expected": "repair", "repair": {"share": 1.0}}}))
    strict = run_locally(reduced, Stop())["counts"]["repair"]
    assert strict["kept"] == repair["kept"]
    assert strict.get("repaired", 0) < repair["repaired"] <= strict["set_aside"]


@pytest.mark.parametrize(
    ("opinion", "becomes"),
    [("7", "repaired"), ("14/2", "repaired"), ("8", "set_aside"), (None, "set_aside")],
    ids=["the same", "in another form", "another answer", "none"],
)
def test_only_an_answer_that_the_second_opinion_is_too_replaces_a_ground_truth(
    opinion: str | None, becomes: str
) -> None:
    counts: Counter[str] = Counter()
    asked = []

    def say(problem: str) -> str | None:
        asked.append(problem)
        return opinion

    records = [Record(0, "a", "kept?", "7", "t"), Record(1, "b", "wrong?", "5", "t")]
    with Grader() as grader:
        judge = Judge(grader, "repair", counts, repair=Repair(), opinion=say)
        kept, other = judge.judge(records, [["7", "7"], ["7", "7"]])
    assert (kept.truth, other.truth) == ("kept", becomes)
    assert asked == ["wrong?"]  # of what is kept nobody is asked
    assert sum(counts[f"second_opinion/{said}"] for said in ("same", "other", "none")) == 1
    assert counts["repair/kept"] == counts[f"repair/{becomes}"] == 1


def other_teacher(place: Path, name: str, expected: str, known: dict[str, tuple[str, bool]]) -> Path:
    """A run of solutions of the same problems, of which the first half is solved."""
    rows = [{"problem": text, "solution": rf"\boxed{{{answer}}}"} for text, (answer, _) in known.items()]
    lines = [orjson.dumps(row | {"answer": row["solution"][7:-1]}) for row in rows[: len(rows) // 2]]
    (place / f"{name}.jsonl").write_bytes(b"\n".join(lines))
    values = {
        "input": str(place / f"{name}.jsonl"),
        "solution": ["solution"],
        "data": {"answer": "answer"},
        "answers": {"expected": expected},
        "run": {"dir": str(place / name)},
        "cluster": {"workers": 1},
    }
    run_locally(plan_reduce(load_reduce(values)), Stop())
    return place / name


def test_a_run_of_another_teacher_is_the_second_opinion(tmp_path: Path, monkeypatch: Any) -> None:
    known = spoiled(tmp_path, 0.4)
    monkeypatch.setattr(
        "omi_core.tasks.solutions.right_answer", lambda request: known[request.record.text][0]
    )
    other = other_teacher(tmp_path, "other", "majority", known)
    values = config(tmp_path, answers={"expected": "repair", "second_opinion": str(other)})
    run = plan_generate(load_generate(values))
    stats = run_locally(run, Stop())
    solved = list(known)[: len(known) // 2]
    wrong = [text for text, (_, wrong) in known.items() if wrong]
    rows = {row["problem"] for row in open_run(run.layout.root).rows() if row["ground_truth"] == "repaired"}
    assert rows == set(wrong) & set(solved)
    assert stats["counts"]["second_opinion"] == {"same": len(rows), "none": len(wrong) - len(rows)}
    card = (run.layout.dataset / "README.md").read_text()
    assert "| replacements that the second opinion confirms |" in card
    # It is part of the fingerprint by its bytes, wherever it lies.
    moved = other.rename(tmp_path / "moved")
    again = config(tmp_path, answers={"expected": "repair", "second_opinion": str(moved)})
    assert plan_generate(load_generate(again)).plan.fingerprint == run.plan.fingerprint


def test_a_second_opinion_that_is_none_is_refused(tmp_path: Path) -> None:
    known = spoiled(tmp_path, 0.0)
    truths = other_teacher(tmp_path, "truths", "truth", known)

    def refused(path: Path) -> str:
        values = config(tmp_path, answers={"expected": "repair", "second_opinion": str(path)})
        with pytest.raises(ConfigError) as error:
            plan_generate(load_generate(values))
        return str(error.value)

    assert "its answers are ground truths" in refused(truths)
    assert "is not published; give a published run of solutions" in refused(tmp_path / "nothing")


def test_its_options_are_refused_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="answers.second_opinion: not used; set answers.expected=repair"):
        load_generate(config(tmp_path, answers={"expected": "truth", "second_opinion": "x"}))
    with pytest.raises(ConfigError, match="answers.repair: not used; set answers.expected=repair"):
        load_generate(config(tmp_path, answers={"repair": {"keep": 2}}))
