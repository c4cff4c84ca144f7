"""New problems: of what a model wrote, the statement alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.filters.statements import statement


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        pytest.param("1. Find $x$ if $x+1=3$.", "1. Find $x$ if $x+1=3$.", id="a number is no label"),
        pytest.param("Problem. Find $x$.", "Problem. Find $x$.", id="a label has a colon"),
        pytest.param("Question: why?\nSolution: so.", "why?", id="label and solution"),
        pytest.param("**Modified Problem**\n\nFind $x$.\n\n**Explanation**: new.", "Find $x$.", id="bold"),
        pytest.param("Find $x$.\n\nStep 1: add.", "Find $x$.", id="the first step"),
        pytest.param("Find $x$.\n\n\n# Notes\nIt is new.", "Find $x$.", id="any heading"),
        pytest.param("Find $x$.\n===\nFind $y$.", "Find $x$.", id="a ruler"),
        pytest.param("Let\n$$a=1\\\\b=2.$$\nFind $a$.", "Let\n$$a=1\\\\b=2.$$\nFind $a$.", id="displays"),
        pytest.param("Of the tasks:\nA: 1\nB: 2\nwhich?", "Of the tasks:\nA: 1\nB: 2\nwhich?", id="lists"),
    ],
)
def test_a_statement_ends_where_another_part_begins(written: str, wanted: str) -> None:
    assert statement(written) == wanted


@given(st.text())
def test_a_statement_is_a_piece_of_what_was_written(text: str) -> None:
    cut = statement(text)
    assert cut in text and cut == cut.strip()


@pytest.mark.parametrize(
    "piece", ["#", "*_", "new ", "problem ", "**problem **", "the the ", "\n  ", "step "]
)
def test_hostile_text_is_read_once(piece: str) -> None:
    """Quadratic time would take hours on these."""
    text = piece * 300_000
    assert statement(text) in text
