"""The task `selections`: which candidates stand together, what becomes of replies, what is counted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from omi_core.config import Generate, load_generate
from omi_core.inputs import Skipped
from omi_core.options import ConfigError
from omi_core.records import Record, Sample
from omi_core.tasks import task_of
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.reducing import Reading
from omi_core.tasks.selections import SelectionsReducer
from tests.stages.test_local import config

TASK: dict[str, Any] = {
    "task": {"name": "selections"},
    "samples": 1,
    "selections": {"groups": 3},
    "publish": {"splits": {}, "chat": None},
}


def options(tmp_path: Path, **others: Any) -> Generate:
    """Options of a run; those of a section are added to the ones above."""
    merged = {**TASK, **others}
    return config(
        tmp_path / "run", **{k: v | TASK.get(k, {}) if k == "publish" else v for k, v in merged.items()}
    )


def sample(index: int, text: str, finish: str = "stop", **others: Any) -> Sample:
    return Sample(0, "r", index, text, finish, 1, 9, 0.0, **others)


def boxed(*answers: str) -> list[Sample]:
    return [sample(at, f"Solved {at}: \\boxed{{{answer}}}.") for at, answer in enumerate(answers)]


def made(
    tmp_path: Path, *readings: Reading, solved: dict[str, Any] | None = None, **others: Any
) -> tuple[list[Record], dict[str, int]]:
    """The records made of these, and how many were left out, by reason."""
    chosen, skipped = options(tmp_path, **others), Skipped()
    source = config(tmp_path / "solved", **(solved or {}))
    found = task_of(chosen).records_of_run(chosen, source, [list(readings)], skipped)
    return list(found), skipped.counts


def problem(truth: str | None = "5") -> Record:
    return Record.make(0, "What is 2 + 3?", truth, "math")


RECORD_AND_SAMPLES: Reading = (problem(), boxed("5", "6", "5", "7"))


def test_a_record_has_its_candidates_in_groups_of_right_and_wrong_ones(tmp_path: Path) -> None:
    (record,), skipped = made(tmp_path, RECORD_AND_SAMPLES)
    assert (record.text, record.expected_answer, record.source) == ("What is 2 + 3?", "5", "math")
    assert record.extra["record"] == problem().id
    assert [(each["sample"], each["right"]) for each in record.extra["candidates"]] == [
        (0, True), (1, False), (2, True), (3, False),
    ]  # fmt: skip
    for group in record.extra["groups"]:
        assert {record.extra["candidates"][at]["right"] for at in group} == {True, False}
    assert skipped == {}


def test_groups_follow_from_the_seed_and_the_record_alone(tmp_path: Path) -> None:
    other = (Record.make(1, "What is 4 + 4?", "8", "math"), boxed("8", "9", "8", "7"))
    alone = made(tmp_path, RECORD_AND_SAMPLES)[0][0]
    behind = made(tmp_path, other, RECORD_AND_SAMPLES)[0][1]
    assert dataclasses.replace(behind, ordinal=0) == alone
    assert made(tmp_path, RECORD_AND_SAMPLES, seed=1)[0][0].extra["groups"] != alone.extra["groups"]


NO_CANDIDATES = {
    "cut off": sample(9, "It is \\boxed{5}", "length"),
    "refused": sample(9, "", "error", error="Refused: no"),
    "thinking never closed": sample(9, "\\boxed{5}", "unclosed", reasoning="Hm"),
    "no answer": sample(9, "I cannot say."),
    "several boxes": sample(9, "\\boxed{5} or \\boxed{6}"),
    "not to be compared": sample(9, "\\boxed{\\weird{5}{}}"),
    "said before": sample(9, "Solved 0: \\boxed{5}."),
    "too long": sample(9, "\\boxed{5}" + " so" * 3000),
}


@pytest.mark.parametrize("other", NO_CANDIDATES.values(), ids=NO_CANDIDATES)
def test_what_is_no_solution_is_no_candidate(tmp_path: Path, other: Sample) -> None:
    (record,), _ = made(tmp_path, (problem(), [*boxed("5", "6"), other]))
    assert [each["sample"] for each in record.extra["candidates"]] == [0, 1]


def test_of_a_thinking_model_the_final_part_alone_is_shown(tmp_path: Path) -> None:
    thought = sample(2, "So \\boxed{5}.", reasoning="THE TRACE", reasoning_tokens=3)
    (record,), _ = made(tmp_path, (problem(), [*boxed("6"), thought]))
    shown = Prompting(options(tmp_path)).messages(record, 0)[-1]["content"]
    assert "So \\boxed{5}." in shown and "THE TRACE" not in shown


VOTED = {"data": {"answer": None}}
AGREED = {"answers": {"min_agreement": 0.9}}
# truth, answers, options of selections, those of the run of solutions -> the reason why it is left out
LEFT_OUT = {
    "all right": ("5", ["5", "5"], {}, {}, "all_right"),
    "all wrong": ("5", ["6", "7"], {}, {}, "all_wrong"),
    "nothing there": ("5", [], {}, {}, "few_candidates"),
    "fewer than asked for": ("5", ["5", "6"], {"fewest": 3}, {}, "few_candidates"),
    "each its own answer": (None, ["5", "6"], {}, VOTED, "no_truth"),
    "little agreement": (None, ["5", "5", "6", "7"], {}, VOTED | AGREED, "no_truth"),
    "all: one alone": ("5", ["5"], {"keep": "all"}, {}, "few_candidates"),
}  # fmt: skip
TAKEN = {
    "a majority is a truth": (None, ["5", "5", "6"], {}, VOTED, [True, True, False]),
    "all: all right": ("5", ["5", "5"], {"keep": "all"}, {}, [True, True]),
    "all: all wrong": ("5", ["6", "7"], {"keep": "all"}, {}, [False, False]),
    "all: no known truth": (None, ["5", "6"], {"keep": "all"}, VOTED, [None, None]),
}


@pytest.mark.parametrize(("truth", "answers", "chosen", "solved", "reason"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_problem_with_nothing_to_pick_is_left_out_and_counted(
    tmp_path: Path, truth: str | None, answers: list[str], chosen: Any, solved: Any, reason: str
) -> None:
    found = made(tmp_path, (problem(truth), boxed(*answers)), solved=solved, selections=chosen)
    assert found == ([], {reason: 1})
    assert reason in task_of(options(tmp_path)).skipped


@pytest.mark.parametrize(("truth", "answers", "chosen", "solved", "right"), TAKEN.values(), ids=TAKEN)
def test_a_problem_is_taken_where_there_is_something_to_pick(
    tmp_path: Path, truth: str | None, answers: list[str], chosen: Any, solved: Any, right: list[bool | None]
) -> None:
    found, _ = made(tmp_path, (problem(truth), boxed(*answers)), solved=solved, selections=chosen)
    assert [each["right"] for each in found[0].extra["candidates"]] == right


def reduced(
    tmp_path: Path, *replies: Sample, readings: Reading = RECORD_AND_SAMPLES, **others: Any
) -> tuple[list[dict[str, Any]], dict[str, Any], Record]:
    (record,), _ = made(tmp_path, readings, **others)
    with SelectionsReducer(options(tmp_path, **others), None) as reducer:
        return list(reducer.reduce([(record, list(replies))])), reducer.counts(), record


def number_of(record: Record, group: int, right: bool) -> int:
    """The number of a candidate in a prompt that is right, or wrong."""
    members = record.extra["groups"][group]
    return next(
        at for at, each in enumerate(members, 1) if record.extra["candidates"][each]["right"] is right
    )


def test_a_row_is_a_reply_that_picks_a_right_candidate(tmp_path: Path) -> None:
    (record,), _ = made(tmp_path, RECORD_AND_SAMPLES)
    number = number_of(record, 1, right=True)
    (row,), counts, _ = reduced(tmp_path, sample(1, f"Hm.\nBest solution: {number}"))
    members = [record.extra["candidates"][at] for at in record.extra["groups"][1]]
    picked = members[number - 1]
    assert row == {
        "problem": "What is 2 + 3?",
        "prompt": Prompting(options(tmp_path)).messages(record, 1)[-1]["content"],
        "generated_selection": f"Hm.\nBest solution: {number}",
        "selected": number,
        "selected_solution": picked["text"],
        "expected_answer": "5",
        "problem_source": "math",
        "right": True,
        "record_id": problem().id,
        "sample": picked["sample"],
        "candidates": len(members),
        "right_candidates": sum(each["right"] for each in members),
        "teacher": "rehearsal",
    }
    assert f"=== Solution {number} ===\n{picked['text']}" in row["prompt"]
    assert counts["picks"]["right"] == counts["picks"]["judged"] == counts["picks"]["read"] == 1


def test_a_wrong_pick_an_unclear_reply_and_one_cut_off_are_counted(tmp_path: Path) -> None:
    (record,), _ = made(tmp_path, RECORD_AND_SAMPLES)
    wrong = f"Best solution: {number_of(record, 0, right=False)}"
    replies = sample(0, wrong), sample(1, "Both."), sample(2, wrong, "length")
    rows, counts, _ = reduced(tmp_path, *replies)
    assert rows == []
    assert counts["selection"] == {"wrong_pick": 1, "unclear": 2}
    shares = task_of(options(tmp_path)).shares(counts)
    size = len(record.extra["groups"][0])
    right = sum(record.extra["candidates"][at]["right"] for at in record.extra["groups"][0])
    assert shares["replies that pick a solution"] == (1, 3)
    assert shares["picks that are right"] == (0, 1)
    assert shares["picks that would be right by chance"] == (pytest.approx(right / size, abs=1e-6), 1)


@pytest.mark.parametrize(
    ("truth", "solved", "said"), [("5", {}, [True, False, True]), (None, VOTED, [None] * 3)]
)
def test_to_choose_with_every_pick_is_a_row(
    tmp_path: Path, truth: str | None, solved: Any, said: Any
) -> None:
    read = (problem(truth), boxed("5", "6"))
    keep = {"selections": {"keep": "all", "groups": 3}, "solved": solved}
    (record,), _ = made(tmp_path, read, **keep)
    at = [
        group.index(0 if right in (True, None) else 1) + 1
        for group, right in zip(record.extra["groups"], said, strict=True)
    ]
    replies = [sample(index, f"Best solution: {number}") for index, number in enumerate(at)]
    with SelectionsReducer(options(tmp_path, selections=keep["selections"]), None) as reducer:
        rows = list(reducer.reduce([(record, replies)]))
        counts = reducer.counts()
    assert [row["right"] for row in rows] == said
    assert [row["right_candidates"] for row in rows] == [None if each is None else 1 for each in said]
    assert counts["picks"].get("judged", 0) == sum(each is not None for each in said)


TRACES = [
    ("drop", {}, "Best solution: {}"),
    ("column", {"reasoning": "They differ.", "reasoning_tokens": 4}, "Best solution: {}"),
    ("inline", {}, "<think>\nThey differ.\n</think>\n\nBest solution: {}"),
]


@pytest.mark.parametrize(("form", "columns", "reply"), TRACES)
def test_thinking_before_a_pick_is_published_as_asked_for(
    tmp_path: Path, form: str, columns: dict[str, Any], reply: str
) -> None:
    (record,), _ = made(tmp_path, RECORD_AND_SAMPLES)
    number = number_of(record, 0, right=True)
    thought = sample(0, f"Best solution: {number}", reasoning="They differ.", reasoning_tokens=4)
    (row,), _, _ = reduced(tmp_path, thought, publish={"reasoning": form})
    assert row["generated_selection"] == reply.format(number)
    assert {key: value for key, value in row.items() if key.startswith("reasoning")} == columns


REFUSED = [
    ({"selections": {"fewest": 5, "most": 4}}, "selections.fewest=5: more than selections.most=4"),
    ({"task": {"name": "selections"}, "publish": {"splits": {"a": 1}}}, "publish.splits: only of solutions;"),
    (
        {"task": {"name": "problems"}, "publish": {"reasoning": "column"}},
        "publish.reasoning: only of solutions, selections;",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("values", "message"), REFUSED)
def test_options_that_do_not_go_together_are_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as told:
        load_generate(values)
    assert str(told.value).startswith(message)
