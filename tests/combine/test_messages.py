"""What is a conversation to train on, and what is counted as what it is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.combine.messages import answer_of, fault
from omi_core.publish.rows import MIXTURE, column_types, encode_row


def said(*pairs: tuple[Any, Any], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in pairs], **more}


USER, REPLY, SYSTEM = ("user", "What is 2 + 3?"), ("assistant", "5"), ("system", "Be brief.")

CASES: list[tuple[dict[str, Any], str | None]] = [
    (said(USER, REPLY), None),
    (said(SYSTEM, USER, REPLY), None),
    (said(USER, REPLY, USER, REPLY), None),
    (said(USER, REPLY, answer="5"), None),
    (said(USER, REPLY, answer=None), None),
    (said(USER, REPLY, expected_answer="5", other=3), None),
    (
        {"messages": [{"role": "user", "content": "a", "name": "x"}, {"role": "assistant", "content": "b"}]},
        None,
    ),
    ({}, "no_messages"),
    (said(), "no_messages"),
    ({"messages": "user: hello"}, "no_messages"),
    ({"messages": None}, "no_messages"),
    ({"messages": ["hello", "there"]}, "not_a_message"),
    ({"messages": [None]}, "not_a_message"),
    (said(("human", "hi"), REPLY), "unknown_role"),
    (said(USER, ("tool", "x"), REPLY), "unknown_role"),
    ({"messages": [{"content": "x"}]}, "unknown_role"),
    (said(([], "x"), REPLY), "unknown_role"),
    (said(USER, ("assistant", " \n")), "empty_message"),
    (said(USER, ("assistant", None)), "empty_message"),
    (said(USER, ("assistant", ["5"])), "empty_message"),
    ({"messages": [{"role": "user"}]}, "empty_message"),
    (said(USER, USER, REPLY), "not_alternating"),
    (said(REPLY, USER), "not_alternating"),
    (said(USER, SYSTEM, REPLY), "not_alternating"),
    (said(SYSTEM, SYSTEM, USER, REPLY), "not_alternating"),
    (said(USER), "no_reply"),
    (said(SYSTEM), "no_reply"),
    (said(USER, REPLY, USER), "no_reply"),
    (said(USER, REPLY, answer=5), None),
    (said(USER, REPLY, answer=["5"]), None),
    (said(USER, REPLY, answer=["5", "6"]), "answer_not_text"),
    (said(USER, REPLY, answer={"a": 5}), "answer_not_text"),
    (said(USER, REPLY, answer=True), "answer_not_text"),
]


@pytest.mark.parametrize(("row", "reason"), CASES, ids=str)
def test_fault(row: dict[str, Any], reason: str | None) -> None:
    assert fault(row) == reason


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"answer": "5"}, "5"),
        ({"expected_answer": "5"}, "5"),
        ({"answer": "5", "expected_answer": "6"}, "5"),
        ({"answer": "  "}, None),
        ({"answer": None, "expected_answer": "6"}, None),
        ({}, None),
    ],
)
def test_the_answer_is_a_text_or_none(row: dict[str, Any], answer: str | None) -> None:
    assert answer_of(row) == answer


TEXT = st.text("ab \n\ud83d", max_size=3)
JSON = st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=2)
ROLE = st.sampled_from(["user", "assistant", "system"]) | JSON
MESSAGE = st.fixed_dictionaries({}, optional={"role": ROLE, "content": JSON})
ROW = st.fixed_dictionaries({}, optional={"messages": st.lists(MESSAGE, max_size=4) | JSON, "answer": JSON})


@given(ROW)
def test_whatever_has_no_fault_can_be_published(row: dict[str, Any]) -> None:
    if fault(row) is None:
        line = {"messages": row["messages"], "answer": answer_of(row), "source": "x"}
        assert encode_row(line, column_types(MIXTURE.required)).endswith(b"\n")
