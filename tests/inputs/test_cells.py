"""What stands in a cell: answers, sources and problems are read as they stand, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.config import Data
from omi_core.inputs import BadRow, RowReader, Skipped, cell, read_records
from omi_core.options import ConfigError
from omi_core.records import Record


def record(value: Any, column: str = "a", **options: Any) -> Record | None:
    """The record of a row with this value as its ground truth."""
    reader = RowReader(Data(problem="q", answer=column, **options), None, Skipped())
    return reader({"q": "What?", "a": value}, "in.jsonl:1")


READ = [
    ("2", "a", {}, ("2",)),
    (" 2 ", "a", {}, ("2",)),
    (7, "a", {}, ("7",)),
    (["2"], "a", {}, ("2",)),
    ([["2"]], "a", {}, ("2",)),
    ([7], "a", {}, ("7",)),
    (["2", "2"], "a", {}, ("2",)),
    ([{"b": ["2", "3"]}], "a.0.b.1", {}, ("3",)),
    (["2", "3"], "a.0", {}, ("2",)),
    (["2", "3"], "a.-1", {}, ("3",)),
    ({"b": ["2"]}, "a.b", {}, ("2",)),
    (["2", "3"], "a", {"several_answers": "any"}, ("2", "3")),
    (["2", "3", "2"], "a", {"several_answers": "any"}, ("2", "3")),
    (["2", None, ""], "a", {"several_answers": "any"}, ("2",)),
    (["2", "3"], "a", {"several_answers": "all"}, ("2, 3",)),
    (["2"], "a", {"several_answers": "all"}, ("2",)),
    (["So #### 1,000", "#### 1000"], "a", {"answer_format": "gsm8k"}, ("1000",)),
    (["x \\boxed{2}"], "a", {"answer_format": "boxed"}, ("2",)),
]


@pytest.mark.parametrize(("value", "column", "options", "answers"), READ, ids=str)
def test_a_ground_truth_is_read(value: Any, column: str, options: dict, answers: tuple[str, ...]) -> None:
    found = record(value, column, **options)
    assert found is not None
    assert tuple(found.right_answers) == answers
    assert found.expected_answer == answers[0]
    assert Record.from_json(json.loads(json.dumps(found.to_json()))).right_answers == found.right_answers


@pytest.mark.parametrize("value", [None, "", " ", [], [None], [[]], ["", None]], ids=str)
@pytest.mark.parametrize("choice", [None, "any", "all"])
def test_an_empty_cell_has_no_ground_truth(value: Any, choice: str | None) -> None:
    skipped = Skipped()
    reader = RowReader(Data(problem="q", answer="a", several_answers=choice), None, skipped)
    assert reader({"q": "What?", "a": value}, "in.jsonl:1") is None
    assert skipped.counts == {"no_ground_truth": 1}


REFUSED = [
    ({"b": 1}, "a", {}, "holds a mapping {"),
    ([{"b": 1}], "a", {}, "holds a mapping {"),
    (float("nan"), "a", {}, "holds the number nan"),
    ([float("inf")], "a", {}, "holds the number inf"),
    (True, "a", {}, "holds true"),
    (["2", ["3", "4"]], "a", {}, "holds a list of 2"),
    (b"2", "a", {}, "holds a value of type bytes"),
    (["2", "3"], "a", {}, 'holds a list of 2 ["2", "3"]; choose data.several_answers=any'),
    (["2", None], "a", {}, "choose data.several_answers=any"),
    (["2", ""], "a", {"several_answers": "all"}, "in one of which no answer is found"),
    (["2"], "a.1", {}, "has no item 1 there, but a list of 1"),
    (["2"], "a.b", {}, "has no such column"),
]


@pytest.mark.parametrize(("value", "column", "options", "why"), REFUSED, ids=str)
def test_what_is_no_answer_is_refused_by_name(value: Any, column: str, options: dict, why: str) -> None:
    with pytest.raises(ConfigError) as told:
        record(value, column, **options)
    assert str(told.value).startswith(f"data.answer={column}: in.jsonl:1 ")
    assert why in str(told.value)
    assert str(told.value).endswith("data.on_bad_row=skip")


ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(ANY_VALUE, st.sampled_from([None, "any", "all"]))
def test_any_json_value_is_read_as_it_stands_or_refused_by_name(value: Any, choice: str | None) -> None:
    skipped = Skipped("skip")
    line = json.dumps({"q": "What?", "a": value})
    reader = RowReader(Data(problem="q", answer="a", several_answers=choice), None, skipped)
    found = reader(json.loads(line, parse_float=str, parse_int=str), "f:1")
    if found is None:
        assert sum(skipped.counts.values()) == 1
        assert set(skipped.counts) <= {"no_ground_truth", "not_an_answer", "several_answers"}
        assert all("\n" not in row["why"] for row in skipped.listed if "why" in row)
        return
    texts = [text.strip() for text in leaves(value)]
    for answer in [", ".join(dict.fromkeys(texts))] if choice == "all" else found.right_answers:
        assert answer in found.right_answers
        assert choice == "all" or answer in texts


def leaves(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in leaves(item)]
    return [] if value is None else [value if isinstance(value, str) else json.dumps(value)]


def source(value: Any, column: str = "s") -> str:
    reader = RowReader(Data(problem="q", source=f"from:{column}"), None, Skipped())
    found = reader({"q": "What?", "s": value}, "f:1")
    assert found is not None
    return found.source


@pytest.mark.parametrize(
    ("value", "column", "read"),
    [("amc", "s", "amc"), ("", "s", ""), (8, "s", "8"), (["amc"], "s", "amc"), (["a", "b"], "s.1", "b")],
)
def test_a_source_is_read(value: Any, column: str, read: str) -> None:
    assert source(value, column) == read


@pytest.mark.parametrize("value", [None, [], ["a", "b"], {"a": 1}, float("nan"), True], ids=str)
def test_what_is_no_source_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigError, match="data.source=from:s: f:1 holds .*; a source is a text or a number"):
        source(value)


def turn(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def problem(value: Any, skipped: Skipped) -> str | None:
    found = RowReader(Data(problem="q"), None, skipped)({"q": value}, "f:1")
    return None if found is None else found.text


MESSAGES = [
    [turn("user", " What? ")],
    [turn("system", "Be brief."), turn("user", "What?"), turn("assistant", "That.")],
    [turn("user", "First?"), turn("assistant", "Yes."), turn("user", "What?")],
    [turn("user", [{"type": "text", "text": "What?"}])],
    [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "That."}],
    ["What?"],
]


@pytest.mark.parametrize("value", MESSAGES, ids=str)
def test_the_problem_of_chat_messages_is_the_last_user_turn(value: Any) -> None:
    assert problem(value, Skipped()) == "What?"


@pytest.mark.parametrize("value", [None, "", " ", [], [turn("user", "")], [turn("user", None)]], ids=str)
def test_an_empty_problem_is_counted(value: Any) -> None:
    skipped = Skipped()
    assert problem(value, skipped) is None
    assert skipped.counts == {"empty_problem": 1}


@pytest.mark.parametrize(
    "value",
    [
        7,
        True,
        {"text": "What?"},
        ["a", "b"],
        [turn("assistant", "What?")],
        [turn("user", [{"type": "image"}])],
        float("nan"),
    ],
    ids=str,
)
def test_what_is_no_problem_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigError, match="data.problem=q: f:1 holds .*; a problem is a text"):
        problem(value, Skipped())


def test_a_column_of_that_very_name_comes_before_what_lies_inside() -> None:
    assert cell({"a.0": 1, "a": [2]}, "a.0", "f:1", "key") == 1
    with pytest.raises(BadRow, match="key=a.x: f:1 has no such column"):
        cell({"a": [2]}, "a.x", "f:1", "key")


@pytest.mark.parametrize("deep", ["[" * 500 + "]" * 500, '{"x":' * 500 + "1" + "}" * 500])
def test_deep_values_end_in_one_line(tmp_path: Path, deep: str) -> None:
    (tmp_path / "in.jsonl").write_text(f'{{"q": {deep}}}\n')
    data = Data(origin="file", path=str(tmp_path / "in.jsonl"), problem="q")
    skipped = Skipped("skip")
    assert list(read_records(data, None, skipped)) == []
    assert sum(skipped.counts.values()) == 1


def test_the_final_answers_of_olympiadbench_are_their_elements(shared_data: Path) -> None:
    path = shared_data / "olympiadbench/test.jsonl"
    data = Data(origin="file", path=str(path), problem="question", answer="final_answer")
    skipped = Skipped()
    found = list(read_records(data, None, skipped))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert skipped.counts == {}
    assert [item.expected_answer for item in found] == [row["final_answer"][0].strip() for row in rows]
    assert len(found) == 675
