"""The task `verdicts` with the rehearsal teacher: what is asked, what becomes of replies, what is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.publish.verify import verify
from omi_core.records import Record, Sample
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.verdicts import VerdictsReducer
from omi_core.tasks.verdicts import pair as asked
from tests.conftest import Here
from tests.stages.test_local import carry_out, config
from tests.tasks.test_problems import rows

PROBLEM = "Ada has 12 keys. She buys 30 more. How many keys does Ada have now?"
QUESTIONS = [
    "Bob has 12 keys. He buys 30 more. How many keys does Bob have now?",
    "A train covers 240 km in 3 hours. How fast is it?",
    "How many prime numbers are below 50?",
]
NEAREST = [
    {"test_set": "math", "test_index": at, "test_text": text, "method": "embedding", "score": 0.9 - at / 10}
    for at, text in enumerate(QUESTIONS)
]


def values(tmp_path: Path) -> dict[str, Any]:
    """The options of a judge's run."""
    return {
        "task": {"name": "verdicts"},
        "data": {"origin": "file", "path": str(tmp_path / "nearest.jsonl"), "answer": None, "split": "train"},
        "samples": 1,
        "sampling": {"temperature": 0.0},
        "verdicts": {"questions": 3},
        "publish": {"splits": {}, "chat": None},
    }


def judge(tmp_path: Path, **others: Any) -> Generate:
    return config(tmp_path / "run", **values(tmp_path) | others)


def write(tmp_path: Path, *lines: Any) -> None:
    (tmp_path / "nearest.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def line(problem: str = PROBLEM, nearest: Any = NEAREST) -> dict[str, Any]:
    return {"where": "problems.jsonl:1", "problem": problem, "nearest": nearest}


RECORD = Record.make(0, PROBLEM, None, "file", {"questions": NEAREST})


def test_every_pair_is_asked_about_in_both_orders(tmp_path: Path) -> None:
    prompting = Prompting(judge(tmp_path))
    assert prompting.samples == 6
    for index in range(6):
        text = prompting.messages(RECORD, index)[-1]["content"]
        pair = (PROBLEM, QUESTIONS[index // 2])
        first, second = pair[::-1] if index % 2 else pair
        assert -1 < text.index(first) < text.index(second)
        assert asked(prompting.number(index)) == (index // 2, bool(index % 2))


def reduced(
    tmp_path: Path, replies: dict[int, str], finish: str = "stop", **others: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows that these replies, by their sample index, come to; and the counts."""
    with VerdictsReducer(judge(tmp_path, **others), None) as reducer:
        samples = [Sample(0, RECORD.id, at, text, finish, 1, 1, 0.0) for at, text in replies.items()]
        return list(reducer.reduce([(RECORD, samples)])), reducer.counts()


ALL_NO = dict.fromkeys(range(6), "No.")
SAID = [
    ({}, [("no", "no", False)] * 3),
    ({0: "Yes."}, [("yes", "no", True), ("no", "no", False), ("no", "no", False)]),
    ({3: "**Yes**, they are."}, [("no", "no", False), ("no", "yes", True), ("no", "no", False)]),
    ({4: "Hm."}, [("no", "no", False), ("no", "no", False), (None, "no", False)]),
    ({4: "", 5: "\x00"}, [("no", "no", False), ("no", "no", False), (None, None, False)]),
]


@pytest.mark.parametrize(("replies", "expected"), SAID, ids=[str(replies) for replies, _ in SAID])
def test_a_row_tells_what_was_said_both_ways(
    tmp_path: Path, replies: dict[int, str], expected: list[tuple[str | None, str | None, bool]]
) -> None:
    found, _ = reduced(tmp_path, ALL_NO | replies)
    assert [(row["forward"], row["backward"], row["contaminated"]) for row in found] == expected
    assert [
        (row["problem"], row["question"], row["test_set"], row["test_index"], row["score"]) for row in found
    ] == [(PROBLEM, one["test_text"], "math", one["test_index"], one["score"]) for one in NEAREST]


def test_a_pair_without_samples_has_its_row_all_the_same(tmp_path: Path) -> None:
    found, counts = reduced(tmp_path, {0: "No", 1: "No"})
    assert [(row["forward"], row["backward"]) for row in found] == [("no", "no"), (None, None), (None, None)]
    assert counts["judged"] == {
        "problems": 1, "contaminated": 0, "pairs": 3, "pairs_yes": 0, "pairs_unclear": 2, "pairs_both": 1,
        "pairs_split": 0,
    }  # fmt: skip


def test_of_a_reply_that_was_cut_off_the_beginning_counts(tmp_path: Path) -> None:
    found, counts = reduced(tmp_path, {0: "No, since the", 1: "Both are\nAnswer: no"}, finish="length")
    assert (found[0]["forward"], found[0]["backward"]) == ("no", None)
    assert counts["replies"] == {"no": 1, "unclear": 1}


def test_of_several_replies_to_one_prompt_a_single_yes_counts(tmp_path: Path) -> None:
    replies = dict.fromkeys(range(12), "No") | {1: "Yes", 2: "?", 3: "?"}
    found, counts = reduced(tmp_path, replies, samples=2, sampling={"temperature": 1.0})
    assert [(row["forward"], row["backward"]) for row in found] == [("yes", None), ("no", "no"), ("no", "no")]
    assert counts["used"] == 12


REFUSED = [
    ({"problem": PROBLEM}, "has no nearest questions; give what jobs.decontaminate model="),
    (line(nearest="x"), "has no nearest questions"),
    (line(nearest=[{"test_set": "math"}]), "has no nearest questions"),
    (line(nearest=NEAREST[:2]), "has only 2 nearest questions; set it to that, or have more of them written"),
]


@pytest.mark.parametrize(("row", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_line_without_enough_questions_is_refused_before_anything_is_made(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    write(tmp_path, line(), row)
    with pytest.raises(ConfigError) as told:
        carry_out(tmp_path / "run", **values(tmp_path))
    assert f"nearest.jsonl:2 {message}" in str(told.value)
    assert not (tmp_path / "run").exists()


def test_a_run_of_the_rehearsal_finds_the_rewording_and_little_else(tmp_path: Path) -> None:
    others = [f"What is {number} times {number + 1}, and why not {number - 1}?" for number in range(40)]
    write(tmp_path, line(), line(), line(" "), *map(line, others))
    run, stats = carry_out(tmp_path / "run", **values(tmp_path))
    assert run.plan.skipped == {"duplicate": 1, "empty_problem": 1}
    verify(run.layout.dataset)
    found = rows(tmp_path / "run")
    assert len(found) == 41 * 3 == stats["rows"]
    said = {(row["problem"], row["test_index"]): row["contaminated"] for row in found}
    assert said[PROBLEM, 0]
    assert sum(said.values()) < 20
    counts = stats["counts"]
    assert counts["used"] + counts["selection"]["unclosed_reasoning"] == 41 * 6


def test_the_verdicts_of_a_run_are_read_by_jobs_decontaminate(here: Here, tmp_path: Path) -> None:
    write(tmp_path, line(), line("Another problem?"))
    (tmp_path / "test.jsonl").write_bytes(b"".join(orjson.dumps({"problem": q}) + b"\n" for q in QUESTIONS))
    (tmp_path / "new.jsonl").write_bytes(
        b"".join(orjson.dumps({"problem": p}) + b"\n" for p in (PROBLEM, "Another problem?", QUESTIONS[1]))
    )
    code, out, err = here(
        "generate", "task=verdicts", "data=file", "data.path=nearest.jsonl", "verdicts.questions=3",
        "teacher=rehearsal", "teacher.rehearsal.wrong=0", "run.dir=runs/judge", "cluster.workers=1",
        "teacher.rehearsal.malformed=0", "teacher.rehearsal.hostile=0", "teacher.rehearsal.overlong=0",
    )  # fmt: skip
    assert code == 0, err
    shown = [line.split() for line in out.splitlines()]
    assert "problems that the judge takes for a test question 50.0%".split() in shown
    arguments = ("input=new.jsonl", "test=[math=test.jsonl]", "methods=[exact]", "verdicts=runs/judge")
    code, out, err = here("decontaminate", *arguments, "clean=clean.jsonl")
    assert (code, err) == (0, "")
    assert "3 problems, 2 contaminated, 2 pairs" in out
    clean = (tmp_path / "clean.jsonl").read_bytes().splitlines()
    assert [orjson.loads(one)["problem"] for one in clean] == ["Another problem?"]
